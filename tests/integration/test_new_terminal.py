"""A new terminal gets the same plain words whatever is to run in it, and what runs is exactly that."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes import until
from tray.system import terminal_launcher, terminals
from tray.system.terminals import open_terminal

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
    """A PATH with the terminals that the test wants, and a screen that is said to be there."""

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
    monkeypatch.delenv("TERMINAL", raising=False)
    monkeypatch.setattr(terminals, "STARTED_WITHIN", 5.0)
    monkeypatch.setattr(terminals, "FAILED_WITHIN", 0.3)
    return Desk(folder)


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def shower(tmp_path: Path) -> tuple[list[str], Path]:
    """A command that writes down how it was run, and where that is."""
    told = tmp_path / "told"
    script = (
        "import json, os, sys; p = sys.argv[1]; told = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]);"
        "open(p + '.new', 'w').write(told); os.rename(p + '.new', p)"
    )
    return [sys.executable, "-c", script, str(told)], told


async def wait_for(path: Path) -> Any:
    def read() -> Any:
        return json.loads(path.read_text()) if path.exists() else None

    return await until(read)


@pytest.mark.parametrize(("name", "dash"), [("xterm", "-e"), ("gnome-terminal", "--"), ("foot", "")])
def test_every_argument_arrives_as_it_was(desk: Desk, tmp_path: Path, name: str, dash: str) -> None:
    desk.terminal(name, dash)
    command, told = shower(tmp_path)
    folder = tmp_path / "a $dir; 'x'"
    folder.mkdir()

    async def test() -> None:
        opened = await open_terminal([*command, *HOSTILE], folder=str(folder), environment={"SECRET": "pw"})
        assert opened == name
        arguments, place, environment = await wait_for(told)
        assert arguments == HOSTILE
        assert place == str(folder)
        assert environment["SECRET"] == "pw"

    run(test())
    (words,) = desk.opened
    assert "pw" not in " ".join(words)  # what the terminal is given, anybody can read
    assert not any(text in " ".join(words) for text in ("touch", "a $dir"))
    assert not (Path.cwd() / "pwned").exists()
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("opencode-tray-*/job"))  # noqa: S108


def test_the_persons_choice_comes_first_then_their_variable_then_what_is_there(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kitty", "xterm", "alacritty"):
        desk.terminal(name, "--" if name == "kitty" else "-e")
    command, _ = shower(tmp_path)
    assert run(open_terminal(command)) == "kitty"
    monkeypatch.setenv("TERMINAL", "xterm")
    assert run(open_terminal(command)) == "xterm"
    assert run(open_terminal(command, preferred=["alacritty"])) == "alacritty"
    assert run(open_terminal(command, preferred=["alacritty", "--class", "tray", "-e"])) == "alacritty"
    assert desk.opened[-1][1:3] == ["--class", "tray"]
    assert run(open_terminal(command, preferred=["not-installed"])) == "xterm"


def test_a_terminal_that_fails_is_followed_by_the_next_and_one_that_only_says_so_is_believed_in(
    desk: Desk, tmp_path: Path
) -> None:
    desk.terminal("kitty", "--", works=False, code=1)
    desk.terminal("mate-terminal", "-x", code=255)
    command, told = shower(tmp_path)
    assert run(open_terminal(command)) == "mate-terminal"
    assert told.exists() or run(wait_for(told))


def test_without_a_screen_nothing_is_tried(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    desk.terminal("xterm", "-e")
    assert run(open_terminal(["true"])) is None
    assert desk.opened == []


def test_the_new_terminal_is_not_told_of_the_one_that_we_were_started_in(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "TMUX_PANE", "KITTY_WINDOW_ID", "WINDOWID", "ZELLIJ_SESSION_NAME"):
        monkeypatch.setenv(name, "old")
    desk.terminal("xterm", "-e")
    command, told = shower(tmp_path)

    async def test() -> None:
        await open_terminal(command)
        environment = (await wait_for(told))[2]
        assert "old" not in environment.values()

    run(test())


def test_a_program_that_is_not_there_is_said_in_the_terminal(tmp_path: Path) -> None:
    job = tmp_path / "folder" / "job"
    job.parent.mkdir()
    job.write_text(json.dumps({"command": ["/no/such/opencode"], "folder": "", "environment": {}}))
    words = [sys.executable, "-I", terminal_launcher.__file__, str(job)]
    done = subprocess.run(words, input="\n", capture_output=True, text=True, timeout=10, check=False)
    assert "could not start /no/such/opencode" in done.stdout
    assert not job.parent.exists()
