"""A new terminal runs exactly the given command; its own command line holds only plain words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tray.system import terminal_launcher, terminals
from tray.system.terminals import open_terminal
from waiting import run, until_async

if sys.platform != "linux":
    pytest.skip("the terminals of Linux", allow_module_level=True)

HOSTILE = ["$(touch pwned)", "`touch pwned`", "; touch pwned", "$HOME", "a \"b\" 'c'", "%n", "é\u202e", "--", "-e", ""]
TERMINAL = """#!{python} -I
import json, os, subprocess, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv) + "\\n")
if {works}:
    subprocess.Popen(sys.argv[sys.argv.index({dash!r}) + 1:] if {dash!r} else sys.argv[1:])
sys.exit({code})
"""


class Desk:
    """A PATH with fake terminals, and a DISPLAY."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"

    def terminal(self, name: str, dash: str, *, works: bool = True, code: int = 0) -> None:
        path = self.folder / name
        text = TERMINAL.format(python=sys.executable, log=str(self.log), dash=dash, works=works, code=code)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    @property
    def opened(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # where job files are written
    monkeypatch.delenv("TERMINAL", raising=False)
    monkeypatch.setattr(terminals, "START_TIMEOUT", 5.0)
    monkeypatch.setattr(terminals, "FAILED_START_TIMEOUT", 0.3)
    return Desk(folder)


def recorder(tmp_path: Path) -> tuple[list[str], Path]:
    """Return a command that writes its arguments, folder and environment to a file, and that file."""
    record = tmp_path / "record"
    script = (
        "import json, os, sys; p = sys.argv[1]; record = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]);"
        "open(p + '.new', 'w').write(record); os.rename(p + '.new', p)"
    )
    return [sys.executable, "-c", script, str(record)], record


async def wait_for(path: Path) -> Any:
    def read() -> Any:
        return json.loads(path.read_text()) if path.exists() else None

    return await until_async(read)


@pytest.mark.parametrize(("name", "dash"), [("xterm", "-e"), ("gnome-terminal", "--"), ("foot", "")])
def test_every_argument_arrives_unchanged(desk: Desk, tmp_path: Path, name: str, dash: str) -> None:
    desk.terminal(name, dash)
    command, record = recorder(tmp_path)
    folder = tmp_path / "a $dir; 'x'"
    folder.mkdir()

    async def test() -> None:
        opened = await open_terminal([*command, *HOSTILE], folder=str(folder), environment={"SECRET": "pw"})
        assert opened == name
        arguments, place, environment = await wait_for(record)
        assert arguments == HOSTILE
        assert place == str(folder)
        assert environment["SECRET"] == "pw"

    run(test())
    (words,) = desk.opened
    assert "pw" not in " ".join(words)  # all users can read the command line
    assert not any(text in " ".join(words) for text in ("touch", "a $dir"))
    assert not (Path.cwd() / "pwned").exists()
    assert not list(tmp_path.glob("opencode-tray-*/job"))


def test_the_setting_comes_before_the_variable_and_the_installed_terminals(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kitty", "xterm", "alacritty"):
        desk.terminal(name, "--" if name == "kitty" else "-e")
    command, _ = recorder(tmp_path)
    assert run(open_terminal(command)) == "kitty"
    monkeypatch.setenv("TERMINAL", "xterm")
    assert run(open_terminal(command)) == "xterm"
    assert run(open_terminal(command, preferred=["alacritty"])) == "alacritty"
    assert run(open_terminal(command, preferred=["alacritty", "--class", "tray", "-e"])) == "alacritty"
    assert desk.opened[-1][1:3] == ["--class", "tray"]
    assert run(open_terminal(command, preferred=["not-installed"])) == "xterm"


def test_the_next_terminal_is_tried_unless_the_launcher_started(desk: Desk, tmp_path: Path) -> None:
    desk.terminal("kitty", "--", works=False, code=1)
    desk.terminal("mate-terminal", "-x", code=255)
    command, record = recorder(tmp_path)
    assert run(open_terminal(command)) == "mate-terminal"
    assert record.exists() or run(wait_for(record))


def test_no_terminal_is_tried_without_a_display(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    desk.terminal("xterm", "-e")
    assert run(open_terminal(["true"])) is None
    assert desk.opened == []


def test_the_new_terminal_does_not_inherit_variables_of_our_own_terminal(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "TMUX_PANE", "KITTY_WINDOW_ID", "WINDOWID", "ZELLIJ_SESSION_NAME"):
        monkeypatch.setenv(name, "old")
    desk.terminal("xterm", "-e")
    command, record = recorder(tmp_path)

    async def test() -> None:
        await open_terminal(command)
        environment = (await wait_for(record))[2]
        assert "old" not in environment.values()

    run(test())


def test_the_terminal_shows_that_the_program_was_not_found(tmp_path: Path) -> None:
    job = tmp_path / "folder" / "job"
    job.parent.mkdir()
    job.write_text(json.dumps({"command": ["/no/such/opencode"], "folder": "", "environment": {}}))
    words = [sys.executable, "-I", terminal_launcher.__file__, str(job)]
    done = subprocess.run(words, input="\n", capture_output=True, text=True, timeout=10, check=False)
    assert "could not start /no/such/opencode" in done.stdout
    assert not job.parent.exists()
