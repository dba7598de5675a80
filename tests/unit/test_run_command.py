"""The exit code of `run` if the tray stops because of an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tray.app.application import App
from tray.cli.exit_codes import FAILED
from tray.cli.run import Program
from tray.core.settings import Settings
from tray.storage.token import Token
from tray.system.paths import Paths


@pytest.mark.parametrize("method", ["start", "run_until_stopped"])
def test_the_exit_code_after_an_error_restarts_the_tray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(App, method, fail)
    if method == "run_until_stopped":
        monkeypatch.setattr(App, "start", _start)
    program = Program(Paths.inside(tmp_path), Settings({}, {}), {}, Token("x" * 64), headless=True, notify=False)
    assert program.run() == FAILED


async def _start(*_: object) -> int:
    return 0
