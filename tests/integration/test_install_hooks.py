"""`install --agents` and `uninstall` in a private home with the settings of Claude Code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tray.actions.agent_hooks import AgentHooks, apply
from tray.actions.install import InstallError
from tray.agents.catalog import AGENTS
from tray.agents.hook_file import HookFile
from tray.core.agent_setup import HookState
from tray.core.servers import AgentKind
from tray_process import Home

CLAUDE = AGENTS[AgentKind.CLAUDE]
GROUP = '{"hooks": [{"type": "command", "command": "say done"}]}'
FOREIGN = f'{{\n    "model": "opus", "hooks": {{"PermissionRequest": [ {GROUP} ]}}\n}}'

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hook socket yet")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / ".claude/settings.json"
    path.parent.mkdir()
    return path


def done(home: Home, *arguments: str, **environment: str) -> str:
    result = home.run(*arguments, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_uninstall_restores_the_settings_byte_for_byte(home: Home, settings: Path):
    settings.write_text(FOREIGN, encoding="utf-8")
    assert "Claude Code: changed" in done(home, "install", "--no-autostart", "--agents", "claude")
    assert len(json.loads(settings.read_text(encoding="utf-8"))["hooks"]["PermissionRequest"]) == 2
    assert "installed already" in done(home, "install-hooks", "claude")
    done(home, "uninstall")
    assert settings.read_text(encoding="utf-8") == FOREIGN


def test_settings_that_only_the_tray_created_are_removed(home: Home, settings: Path):
    done(home, "install-hooks")
    assert settings.exists()
    assert "removed" in done(home, "uninstall-hooks")
    assert not settings.exists()
    assert "no hooks were installed" in done(home, "uninstall-hooks", "claude")


def test_a_dry_run_shows_the_change_and_writes_nothing(home: Home, settings: Path):
    settings.write_text(FOREIGN, encoding="utf-8")
    for command in (("install", "--agents", "claude"), ("install-hooks",)):
        shown = done(home, *command, "--dry-run")
        assert any(line.startswith("+") and "/hook/claude" in line for line in shown.splitlines())
    assert settings.read_text(encoding="utf-8") == FOREIGN
    assert not (home.path / "config/opencode").exists()


def test_a_link_and_a_mode_stay(home: Home, settings: Path, tmp_path: Path):
    target = tmp_path / "dotfiles.json"
    target.write_text("{}", encoding="utf-8")
    target.chmod(0o600)
    settings.symlink_to(target)
    done(home, "install-hooks")
    assert settings.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert "PermissionRequest" in target.read_text(encoding="utf-8")
    done(home, "uninstall-hooks")
    assert settings.is_symlink()
    assert (target.read_text(encoding="utf-8"), target.stat().st_mode & 0o777) == ("{}", 0o600)


def test_invalid_settings_are_refused(home: Home, settings: Path):
    settings.write_text('{"hooks": ', encoding="utf-8")
    result = home.run("install-hooks", "claude")
    assert result.returncode == 1
    assert "is not valid JSON" in result.stderr
    assert settings.read_text(encoding="utf-8") == '{"hooks": '


def test_the_settings_follow_the_agents_variable(home: Home, tmp_path: Path):
    done(home, "install-hooks", "claude", CLAUDE_CONFIG_DIR=str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere/settings.json").exists()


def test_an_unknown_agent_is_a_usage_error(home: Home):
    result = home.run("install", "--agents", "clade")
    assert result.returncode == 2
    assert "the agents are: claude" in result.stderr


def test_install_without_a_terminal_names_the_command(home: Home, settings: Path):
    assert "opencode-tray install-hooks claude" in done(home, "install", "--no-autostart")
    assert not settings.exists()


# ------------------------------------------------------------------ the action


@pytest.fixture
def hooks(tmp_path: Path, settings: Path) -> AgentHooks:
    assert settings.parent.exists()
    return AgentHooks({"PATH": "/usr/bin:/bin"}, tmp_path, tmp_path / "socket")


def test_the_state_says_what_is_left_to_do(hooks: AgentHooks, settings: Path):
    assert hooks.state(CLAUDE) is HookState.MISSING
    apply(hooks.installation(CLAUDE))
    assert hooks.state(CLAUDE) is HookState.INSTALLED
    assert "installed already" in apply(hooks.installation(CLAUDE))
    settings.write_text("{", encoding="utf-8")
    assert hooks.state(CLAUDE) is HookState.UNREADABLE


def test_no_hooks_stay_behind_a_link_whose_file_had_no_content(hooks: AgentHooks, settings: Path, tmp_path: Path):
    target = tmp_path / "dotfiles.json"
    target.touch()
    settings.symlink_to(target)
    apply(hooks.installation(CLAUDE))
    apply(hooks.removal(CLAUDE))
    assert (settings.is_symlink(), target.exists()) == (True, False)


def test_hooks_of_which_some_were_removed_are_partly_installed(hooks: AgentHooks, settings: Path):
    events = HookFile("claude", "settings.json", {"PermissionRequest": 1, "Stop": 1})
    agent = replace(CLAUDE, hooks=events)
    apply(hooks.installation(agent))
    value = json.loads(settings.read_text(encoding="utf-8"))
    del value["hooks"]["Stop"]
    settings.write_text(json.dumps(value), encoding="utf-8")
    assert hooks.state(agent) is HookState.PARTLY
    assert "installed already" in apply(hooks.installation(agent))
    assert json.loads(settings.read_text(encoding="utf-8")) == value


def test_a_file_that_changes_meanwhile_is_left_alone(hooks: AgentHooks, settings: Path):
    change = hooks.installation(CLAUDE)
    settings.write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(InstallError, match="changed by another program"):
        apply(change)
    assert settings.read_text(encoding="utf-8") == '{"a": 1}'


def test_without_curl_the_interpreter_of_the_tray_takes_its_place(tmp_path: Path, settings: Path):
    assert settings.parent.exists()
    hooks = AgentHooks({"PATH": str(tmp_path)}, tmp_path, tmp_path / "socket")
    apply(hooks.installation(CLAUDE))
    value = json.loads(settings.read_text(encoding="utf-8"))
    command = value["hooks"]["PermissionRequest"][0]["hooks"][0]["command"]
    assert sys.executable in command
    shell = shutil.which("sh")
    assert shell is not None
    silent = subprocess.run([shell, "-c", command], input=b"{}", capture_output=True, check=False)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, b"", b"")


def test_doctor_says_how_an_agent_is_set_up(home: Home, settings: Path):
    def findings() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(home.run("doctor", "--json").stdout)
        return [each for each in found if each["check"] == "agents"]

    missing = next(each for each in findings() if each["level"] == "note" and "terminal only" in each["message"])
    assert missing["fix"] == "run: opencode-tray install-hooks claude"
    done(home, "install-hooks", "claude")
    assert any("can be answered in the tray" in each["message"] for each in findings())
    settings.write_text("{", encoding="utf-8")
    assert any(each["level"] == "broken" and "not valid JSON" in each["message"] for each in findings())


def test_doctor_expects_no_opencode_where_only_another_agent_is_used(home: Home, settings: Path):
    def levels() -> dict[str, str]:
        found = json.loads(home.run("doctor", "--json", PATH="/usr/bin:/bin").stdout)
        return {each["check"]: each["level"] for each in found}

    assert (levels()["opencode"], levels()["plugin"]) == ("note", "note")
    settings.parent.rmdir()
    assert (levels()["opencode"], levels()["plugin"]) == ("broken", "broken")


def test_the_hooks_of_codex_wait_for_the_trust_of_the_user(home: Home, settings: Path):
    printed = done(home, "install-hooks", "codex")
    assert 'once you trust them: start codex and choose "Trust all and continue"' in printed
    doctor = home.run("doctor")
    assert doctor.returncode == 1
    assert "Codex CLI: its hooks wait for your trust" in doctor.stdout
    assert "removed" in done(home, "uninstall-hooks", "codex")
    assert "its hooks wait for your trust" not in home.run("doctor").stdout


def test_an_agent_without_hooks_is_accepted(home: Home, settings: Path):
    printed = done(home, "install-hooks", "copilot", "claude")
    assert "Copilot CLI: the tray has no hooks for it; nothing to change" in printed
    assert settings.exists()
    assert "Copilot CLI: the tray has no hooks for it" in done(home, "install-hooks", "copilot", "--dry-run")
    assert "Codex CLI" in done(home, "uninstall-hooks", "codex")
