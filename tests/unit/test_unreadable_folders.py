"""Files that cannot be looked up, as in a folder of another user: they are reported, and end nothing else."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from tray.actions.agent_hooks import AgentHooks
from tray.agents.catalog import AGENTS
from tray.agents.claude.registry import read_registry
from tray.core.servers import AgentKind
from tray.files.reading import exists, is_folder, is_regular
from tray.files.writing import place
from tray.opencode import sqlite
from tray.opencode.session_count import count_sessions
from tray.sources.stored.opencode import opencode_sources
from tray.storage.history.usage import open_for_reading
from tray.system.application_entry import DesktopMenuEntry
from tray.system.autostart import DesktopEntry

TOO_LONG = "File name too long"


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A folder that cannot be looked up, also not by root: its name is too long, for which pathlib raises OSError."""
    return tmp_path / ("a" * 300)


def test_a_file_that_cannot_be_looked_up_is_not_known_to_exist(unreadable: Path, tmp_path: Path) -> None:
    assert not exists(unreadable)
    assert not is_folder(unreadable)
    assert exists(tmp_path)
    assert is_folder(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says of a name that is too long that no file has it")
def test_whether_a_file_is_regular_is_not_guessed(unreadable: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_regular(tmp_path / "file")
    assert not is_regular(tmp_path / "missing")
    assert not is_regular(tmp_path / "file" / "below")
    with pytest.raises(OSError, match="not a regular file"):
        is_regular(tmp_path)
    with pytest.raises(OSError, match=TOO_LONG):
        is_regular(unreadable)


def test_claude_code_whose_folder_cannot_be_looked_up_has_no_sessions(unreadable: Path, tmp_path: Path) -> None:
    assert read_registry(unreadable) == []
    hooks = AgentHooks({"CLAUDE_CONFIG_DIR": str(unreadable), "PATH": ""}, tmp_path, tmp_path / "socket")
    assert not hooks.is_found(AGENTS[AgentKind.CLAUDE])


def test_the_data_of_opencode_that_cannot_be_looked_up_is_an_error_of_the_database(unreadable: Path) -> None:
    assert sqlite.databases(unreadable, "opencode.db") == []
    assert sqlite.databases(unreadable) == []
    assert list(opencode_sources(unreadable, "host")) == []
    assert count_sessions(unreadable, "/work") == 0
    with pytest.raises(sqlite3.OperationalError):
        sqlite.read(unreadable / "opencode.db", lambda connection: connection)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says of a name that is too long that no file has it")
def test_a_history_that_cannot_be_looked_up_is_an_error_of_the_database(unreadable: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match=TOO_LONG):
        open_for_reading(unreadable / "history.db")


def test_folders_for_all_users_that_cannot_be_looked_up_have_no_entry(unreadable: Path, tmp_path: Path) -> None:
    assert DesktopEntry(tmp_path / "tray.desktop", [unreadable]).place == str(tmp_path / "tray.desktop")
    assert not DesktopMenuEntry(tmp_path, [unreadable], None).is_for_all


def test_a_new_file_gets_its_name_but_replaces_no_other_one(tmp_path: Path) -> None:
    first, second, path = tmp_path / "first", tmp_path / "second", tmp_path / "file"
    first.write_text("first")
    second.write_text("second")
    place(first, path)
    with pytest.raises(FileExistsError):
        place(second, path)
    assert path.read_text() == "first"
    assert sorted(tmp_path.iterdir()) == [path, second]
