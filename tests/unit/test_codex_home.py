"""Codex' folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tray.agents.codex.home import CodexHome, home_folder


def test_the_folder_follows_codex_home() -> None:
    assert home_folder({}, Path("/home/dev")) == Path("/home/dev/.codex")
    assert home_folder({"CODEX_HOME": "/srv/codex"}, Path("/home/dev")) == Path("/srv/codex")


def test_the_daemon_is_the_process_that_its_file_names(tmp_path: Path) -> None:
    folder = tmp_path / "app-server-daemon"
    folder.mkdir()
    (folder / "daemon.pid").write_text('{"pid":4711,"processIdentity":{"bootId":"1e33","startTicks":101063}}')
    daemon = CodexHome(tmp_path).daemon()
    assert (daemon.pid, daemon.start) == (4711, "101063")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid":"x"}'])
def test_without_a_valid_file_the_daemon_is_unknown(tmp_path: Path, text: str) -> None:
    home = CodexHome(tmp_path)
    assert (home.daemon().pid, home.daemon().start) == (0, "")
    (tmp_path / "app-server-daemon").mkdir()
    (tmp_path / "app-server-daemon" / "daemon.pid").write_text(text)
    assert home.daemon().pid == 0


def test_the_last_title_of_a_thread_counts(tmp_path: Path) -> None:
    (tmp_path / "session_index.jsonl").write_text(
        '{"id":"a","thread_name":"Old"}\n{"id":"b","thread_name":null}\nnot JSON\n{"id":"a","thread_name":"New"}\n'
    )
    assert CodexHome(tmp_path).titles() == {"a": "New"}
    assert CodexHome(tmp_path / "missing").titles() == {}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_the_socket_is_where_its_link_leads(tmp_path: Path) -> None:
    home = CodexHome(tmp_path)
    home.control.mkdir()
    (home.control / "app-server-control.sock").symlink_to(tmp_path / "short")
    assert home.socket == tmp_path / "short"
