"""Nothing in a project's folder changes what the programs do: no module, program, setting or git configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tray.system.git import repository_of
from tray_process import Home, read_until
from waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs of the project are shell scripts")

MODULES = (
    "sitecustomize", "usercustomize", "json", "signal", "tomllib", "aiohttp", "msgspec", "psutil", "platformdirs",
    "tray/__init__", "tray/__main__", "tray/system/bound_program",
)  # fmt: skip
PROGRAMS = (
    "opencode", "claude", "codex", "git", "ssh", "curl", "xdg-open", "tmux", "tailscale", "cloudflared", "python3",
)  # fmt: skip
SETTINGS = '[listener]\nport = 1\n[attach]\nopencode = "./opencode"\n'
OWN = (sys.executable, "-P", "-m", "tray")  # without the current folder on the path, as the installed command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that writes to `executed` whenever something of it runs."""
    project = tmp_path / "project"
    mark = f"open({str(tmp_path / 'executed')!r}, 'a').write(__file__)\n"
    for module in MODULES:
        file = project / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(mark, encoding="utf-8")
    script = f"#!/bin/sh\necho $0 >> {tmp_path / 'executed'}\n"
    for name in PROGRAMS:
        (project / name).write_text(script, encoding="utf-8")
        (project / name).chmod(0o755)
    for name in ("settings.toml", "opencode-tray.toml", ".opencode-tray.toml", ".opencode/settings.toml"):
        file = project / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(SETTINGS, encoding="utf-8")
    (project / "pyproject.toml").write_text("[tool.opencode-tray]\nlistener.port = 1\n", encoding="utf-8")
    (project / ".env").write_text("OPENCODE_TRAY_LISTENER_PORT=1\nOPENCODE_MONITOR_TOKEN=evil\n", encoding="utf-8")
    git = project / ".git"
    git.mkdir()
    for key in ("fsmonitor", "sshCommand", "pager", "hooksPath"):
        with (git / "config").open("a", encoding="utf-8") as file:
            file.write(f"[core]\n{key} = {project / 'git'}\n")
    (git / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    return project


@pytest.fixture
def home(socket_folder: Path) -> Iterator[Home]:
    home = Home(socket_folder, OWN)
    yield home
    home.stop()


def printed(home: Home, project: Path, *words: str) -> str:
    """Return what a command prints that is run in the project."""
    done = subprocess.run(
        [*OWN, *words], cwd=project, env=home.environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", ["config", "doctor", "status", "serve list", "install-plugin", "token", "usage"])
def test_a_command_in_a_hostile_project_runs_and_reads_nothing_of_it(
    home: Home, project: Path, tmp_path: Path, words: str
) -> None:
    shown = printed(home, project, *words.split())
    assert "Traceback" not in shown
    assert "evil" not in shown
    assert not (tmp_path / "executed").exists()
    if words == "config":
        assert "listener.port = 41235  # default" in shown
        assert "./opencode" not in shown


def test_a_tray_that_starts_in_a_hostile_project_and_shows_its_session_runs_and_reads_nothing_of_it(
    home: Home, project: Path, tmp_path: Path
) -> None:
    environment = {**home.environment, "OPENCODE_TRAY_DISCOVERY_AGENTS": "1"}
    command = [*OWN, "run", "--headless", "--no-notify", "--port", str(home.port)]
    tray = subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        read_until(tray, "listens on")
        until((home.path / "data/opencode-tray/hooks/socket").exists, "the hook socket")
        report = ("report", "--id", "job", "--status", "busy", "--pid", str(tray.pid), "--title", "Work")
        assert not printed(home, project, *report)
        (session,) = until(lambda: sessions(home), "the session")
        assert session["directory"] == str(project)
        assert not (tmp_path / "executed").exists()
    finally:
        tray.terminate()
        tray.wait(20)
        assert tray.stdout is not None
        tray.stdout.close()


def sessions(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.status()["sessions"]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "gitdir: /etc/worktrees/../../x/worktrees/a",
        "gitdir: $(reboot)/worktrees/a",
        "gitdir: --upload-pack=x/worktrees/a",
        "gitdir: javascript:alert(1)/worktrees/a",
        "gitdir: " + "x" * 5000,
        "gitdir: /a\x00b/worktrees/c",
        "\xff\xfe",
    ],
)
def test_a_link_to_a_repository_is_a_name_and_nothing_is_read_behind_it(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text, encoding="utf-8")
    assert "\n" not in repository_of(str(tmp_path))
