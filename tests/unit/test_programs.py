"""On Windows, cmd.exe never interprets an argument: it would run part of a folder's name as a program."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tray.system.programs import UnsafeArgumentError, command_for, shell_join

# What npm's cmd-shim 7 writes for a script with `#!/usr/bin/env node`, and for a program.
HEAD = "@ECHO off\r\nGOTO start\r\n:find_dp0\r\nSET dp0=%~dp0\r\nEXIT /b\r\n:start\r\nSETLOCAL\r\nCALL :find_dp0\r\n"
OF_A_SCRIPT = (
    HEAD + '\r\nIF EXIST "%dp0%\\node.exe" (\r\n  SET "_prog=%dp0%\\node.exe"\r\n) ELSE (\r\n  SET "_prog=node"\r\n'
    "  SET PATHEXT=%PATHEXT:;.JS;=;%\r\n)\r\n\r\n"
    "endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "
    '"%_prog%"  "%dp0%\\node_modules\\opencode-ai\\bin\\opencode" %*\r\n'
)
OF_A_PROGRAM = HEAD + '"%dp0%\\node_modules\\opencode-ai\\bin\\opencode.exe"   %*\r\n'
# The same of npm's before version 4, and of pnpm's.
OLDER = (
    '@IF EXIST "%~dp0\\node.exe" (\r\n  "%~dp0\\node.exe"  "%~dp0\\node_modules\\opencode-ai\\bin\\opencode" %*\r\n'
    ") ELSE (\r\n  @SETLOCAL\r\n  @SET PATHEXT=%PATHEXT:;.JS;=;%\r\n"
    '  node  "%~dp0\\node_modules\\opencode-ai\\bin\\opencode" %*\r\n)'
)
OTHER = '@echo off\r\nwsl opencode "%*"\r\n'
EXE = ".exe" if sys.platform == "win32" else ""  # Windows finds no program without it
HOSTILE = ("C:\\a&C:\\nodejs\\evil.cmd&rem", "C:\\100%PATH%", 'C:\\a"&calc', "C:\\a^b", "C:\\a|b", "C:\\a!b", "a\nb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder where npm installs programs."""
    inside = tmp_path / "node_modules" / "opencode-ai" / "bin"
    inside.mkdir(parents=True)
    for name in ("opencode", "opencode.exe"):
        (inside / name).touch(0o755)
    return tmp_path


def batch(folder: Path, text: str) -> str:
    path = folder / "opencode.cmd"
    path.write_bytes(text.encode())
    path.chmod(0o755)
    return str(path)


def test_a_program_in_the_current_folder_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`shutil.which` of Windows looks there first."""
    monkeypatch.setattr("shutil.which", lambda name: rf"./{name}.exe")
    monkeypatch.setenv("PATH", os.pathsep.join([".", str(folder / "missing"), str(folder)]))
    with pytest.raises(UnsafeArgumentError, match="only in the current folder"):
        command_for(["ssh", "host"], windows=True)
    (folder / "ssh.exe").touch(0o755)
    monkeypatch.setenv("PATHEXT", ".COM;.exe")
    assert command_for(["ssh", "host"], windows=True) == [str(folder / "ssh.exe"), "host"]


@pytest.mark.parametrize("text", [OF_A_SCRIPT, OLDER])
@pytest.mark.parametrize("argument", HOSTILE)
def test_a_script_shim_of_npm_runs_node_directly(folder: Path, text: str, argument: str) -> None:
    (folder / "node.exe").touch(0o755)
    inside = folder / "node_modules" / "opencode-ai" / "bin"
    assert command_for([batch(folder, text), "--dir", argument], windows=True) == [
        str(folder / "node.exe"), str(inside / "opencode"), "--dir", argument,
    ]  # fmt: skip


@pytest.mark.parametrize("argument", HOSTILE)
def test_a_program_shim_of_npm_runs_the_program_directly(folder: Path, argument: str) -> None:
    inside = folder / "node_modules" / "opencode-ai" / "bin"
    command = command_for([batch(folder, OF_A_PROGRAM), argument], windows=True)
    assert command == [str(inside / "opencode.exe"), argument]


def test_node_is_found_on_the_path_if_it_is_not_beside_the_shim(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "nodejs"
    elsewhere.mkdir()
    (elsewhere / f"node{EXE}").touch(0o755)
    monkeypatch.setenv("PATH", str(elsewhere))
    assert command_for([batch(folder, OF_A_SCRIPT), "x"], windows=True)[0] == str(elsewhere / f"node{EXE}")


def test_a_powershell_shim_runs_the_same_program(folder: Path) -> None:
    batch(folder, OF_A_PROGRAM)
    twin = folder / "opencode.ps1"
    twin.touch(0o755)
    assert command_for([str(twin), "a&b"], windows=True)[0].endswith("opencode.exe")


@pytest.mark.parametrize("argument", HOSTILE)
@pytest.mark.parametrize("text", [OTHER, OF_A_SCRIPT.replace("opencode-ai", "gone"), OF_A_PROGRAM.replace("-ai", "")])
def test_an_unknown_batch_file_refuses_arguments_that_cmd_would_change(folder: Path, text: str, argument: str) -> None:
    with pytest.raises(UnsafeArgumentError, match=r"attach\.opencode"):
        command_for([batch(folder, text), "attach", argument], windows=True)


def test_an_unknown_batch_file_accepts_plain_arguments(folder: Path) -> None:
    program = batch(folder, OTHER)
    plain = [program, "attach", "http://127.0.0.1:4096", "--dir", "C:\\Users\\Jane Doe\\my-project (2)"]
    assert command_for(plain, windows=True) == plain


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_program_that_is_not_a_batch_file_accepts_any_argument(argument: str) -> None:
    assert command_for(["opencode.exe", argument], windows=True) == ["opencode.exe", argument]


def test_other_platforms_leave_the_command_unchanged(folder: Path) -> None:
    command = [batch(folder, OF_A_SCRIPT), *HOSTILE]
    assert command_for(command, windows=False) == command


def test_the_program_is_an_absolute_path_so_that_the_current_folder_cannot_shadow_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / f"ssh{EXE}").touch(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert command_for(["ssh", "-t"], windows=True) == [str(folder / f"ssh{EXE}"), "-t"]


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("--dir", "--dir"),
        ("C:\\Users\\jane\\project", "C:\\Users\\jane\\project"),
        ("http://127.0.0.1:4096", "http://127.0.0.1:4096"),
        ("C:\\R&D", '"C:\\R&D"'),
        ("C:\\Jane Doe\\it's", '"C:\\Jane Doe\\it\'s"'),
        ("C:\\Jane Doe\\", '"C:\\Jane Doe\\\\"'),
        ("C:\\100% (2)", '"C:\\100% (2)"'),
        ("", '""'),
    ],
)
def test_a_word_is_quoted_for_both_cmd_and_powershell(word: str, typed: str) -> None:
    assert shell_join(["opencode", word], windows=True) == f"opencode {typed}"


@pytest.mark.parametrize("word", ["C:\\%PATH%", "C:\\$(calc)", "C:\\`n", 'a"b', "C:\\\u201d;calc;\u201c", "a\nb"])
def test_a_word_that_cmd_or_powershell_would_change_is_refused(word: str) -> None:
    with pytest.raises(UnsafeArgumentError):
        shell_join(["opencode", word], windows=True)


@given(st.text(max_size=40))
def test_other_platforms_quote_words_for_a_posix_shell(word: str) -> None:
    assert shlex.split(shell_join(["opencode", word], windows=False)) == ["opencode", word]
