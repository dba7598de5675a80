"""A text file is opened though nothing is registered for its kind, as .toml is not on a stock desktop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fake_programs import Programs
from fakes import until
from tray.system.open_file import OPENERS, XDG, open_file

if sys.platform == "win32":
    pytest.skip("what Windows opens is in its registry", allow_module_level=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.folder))
    for name in ("VISUAL", "EDITOR", "TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":99")
    return programs


def test_what_the_desktop_opens_is_opened_by_it(programs: Programs, tmp_path: Path) -> None:
    programs.add("xdg-open")
    path = tmp_path / "settings.toml"
    assert asyncio.run(open_file(path, XDG)) == f"Opened {path}"
    assert programs.calls == [["xdg-open", str(path)]]


def test_what_macos_has_no_program_for_is_opened_as_text(programs: Programs, tmp_path: Path) -> None:
    programs.add("open", {"-t": ""})
    path = tmp_path / "settings.toml"
    assert asyncio.run(open_file(path, OPENERS["darwin"])) == f"Opened {path}"
    assert programs.calls == [["open", str(path)], ["open", "-t", str(path)]]


@pytest.mark.skipif(sys.platform != "linux", reason="the terminals of Linux")
@pytest.mark.parametrize(("variable", "editor"), [("VISUAL", "micro"), ("EDITOR", "micro"), ("", "nano")])
def test_what_nothing_opens_is_opened_in_an_editor(
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
        await until(lambda: len(programs.calls) == 2)
        return line

    assert asyncio.run(opened()) == f"Opened {path} in {editor}"
    assert programs.calls[1] == [editor, *(["-x"] if variable else []), str(path)]


def test_where_nothing_opens_it_the_file_is_named(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    assert asyncio.run(open_file(path, XDG)).endswith(f"the file is {path}")
