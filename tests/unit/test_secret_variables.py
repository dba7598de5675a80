"""Variables with secrets are known to the tray, and not to the programs that it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tray.core.settings import parse_settings, secret_variables
from tray.system.secret_variables import hidden_variables, hide, whole_environment

FILE = {
    "channels": [
        {"kind": "telegram", "token_env": "BOT", "server": "http://h"},
        {"kind": "webhook", "url": "http://h"},
    ],
    "servers": [{"url": "http://h", "password_env": "PASSWORD"}, {"url": "http://i"}],
    "team": {"password_env": "BROKER", "key_env": "KEY"},
}


def test_the_variables_that_the_settings_name_are_secret() -> None:
    settings = parse_settings(FILE, "settings.toml", {}, {})
    assert secret_variables(settings) == {"BOT", "PASSWORD", "BROKER", "KEY", "OPENCODE_TRAY_TEAM_KEY"}


def test_a_hidden_variable_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "secret")
    hide(("PLANTED", "", "NOT_SET_ANYWHERE"))
    code = "import os; print(os.environ.get('PLANTED'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), "PLANTED" in os.environ) == ("None", False)
    assert whole_environment()["PLANTED"] == hidden_variables()["PLANTED"] == "secret"
    monkeypatch.setenv("PLANTED", "newer")
    assert whole_environment()["PLANTED"] == "newer"
