"""Text files open even if no program is registered for their type, such as .toml on a fresh desktop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from fake_programs import Programs
from tray.system import open_file as open_file_module
from tray.system.open_file import OPENERS, XDG, OpenFileError, open_file
from waiting import run, until_async

if sys.platform == "win32":
    pytest.skip("Windows keeps its file associations in the registry", allow_module_level=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.folder))
    for name in ("VISUAL", "EDITOR", "TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":99")
    return programs


def test_the_desktops_default_program_opens_the_file(programs: Programs, tmp_path: Path) -> None:
    programs.add("xdg-open")
    path = tmp_path / "settings.toml"
    assert asyncio.run(open_file(path, XDG)) == f"Opened {path}"
    assert programs.calls == [["xdg-open", str(path)]]


def test_a_program_that_keeps_running_has_opened_the_file(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener, pid_file = programs.folder / "xdg-open", tmp_path / "pid"
    opener.write_text(f"#!/bin/sh\necho $$ > {pid_file}\nexec /bin/sleep 60\n", encoding="utf-8")
    opener.chmod(0o755)
    monkeypatch.setattr(open_file_module, "OPENER_TIMEOUT", 0.5)

    async def test() -> str:
        message = await open_file(tmp_path / "settings.toml", XDG)
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        await until_async(lambda: not _is_running(int(pid_file.read_text())), "the end of the program")
        return message

    assert run(test(), 10).startswith("Opened ")


def _is_running(pid: int) -> bool:
    """Return whether the process has not been reaped yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_macos_opens_an_unregistered_file_type_as_text(programs: Programs, tmp_path: Path) -> None:
    programs.add("open", {"-t": ""})
    path = tmp_path / "settings.toml"
    assert asyncio.run(open_file(path, OPENERS["darwin"])) == f"Opened {path}"
    assert programs.calls == [["open", str(path)], ["open", "-t", str(path)]]


@pytest.mark.skipif(sys.platform != "linux", reason="the terminals of Linux")
@pytest.mark.parametrize(("variable", "editor"), [("VISUAL", "micro"), ("EDITOR", "micro"), ("", "nano")])
def test_an_editor_opens_the_file_if_no_desktop_program_does(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, editor: str
) -> None:
    programs.add("xdg-open", {"never": ""})
    programs.add(editor)
    terminal = programs.folder / "xterm"
    terminal.write_text('#!/bin/sh\nshift\nexec "$@"\n', encoding="utf-8")
    terminal.chmod(0o755)
    if variable:
        monkeypatch.setenv(variable, f"{editor} -x")
    path = tmp_path / "settings.toml"

    async def opened() -> str:
        line = await open_file(path, XDG)
        await until_async(lambda: len(programs.calls) == 2)
        return line

    assert asyncio.run(opened()) == f"Opened {path} in {editor}"
    assert programs.calls[1] == [editor, *(["-x"] if variable else []), str(path)]


def test_the_message_names_the_file_if_nothing_can_open_it(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(OpenFileError, match=re.escape(f"no program found to open {path}")):
        asyncio.run(open_file(path, XDG))
