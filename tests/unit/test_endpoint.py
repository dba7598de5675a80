"""Where the running tray listens is left in one file, and read from there by whoever was not told otherwise."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tray.core.errors import UserError
from tray.storage.endpoint import (
    Address,
    Endpoint,
    reached_at,
    read_endpoint,
    remove_endpoint,
    tray_address,
    write_endpoint,
)

RUNNING = Endpoint("127.0.0.1", 41001, os.getpid())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "endpoint"


def address(path: Path, environment: dict[str, str], **asked: Any) -> str:
    return str(tray_address(path, path.with_name("settings.toml"), environment, **asked))


def test_what_is_written_is_read_again(path: Path) -> None:
    write_endpoint(path, RUNNING)
    assert read_endpoint(path) == RUNNING
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_plugin_reads_these_names(path: Path) -> None:
    write_endpoint(path, RUNNING)
    assert json.loads(path.read_text(encoding="utf-8")) == {"host": "127.0.0.1", "port": 41001, "pid": os.getpid()}


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{{{", b"null", b"[1]", b"\xff\xfe", b'{"host":"127.0.0.1","port":41001}',
        b'{"host":"127.0.0.1","port":0,"pid":1}', b'{"host":"a b","port":41001,"pid":1}',
        b'{"host":"127.0.0.1","port":41001,"pid":-1}', b'{"host":"127.0.0.1","port":41001,"pid":99999999999}',
        b" " * 5000 + b'{"host":"127.0.0.1","port":41001,"pid":1}',
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_is_no_tray(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    assert read_endpoint(path) is None
    assert address(path, {}) == "127.0.0.1:41235"


def test_where_there_is_no_file_there_is_no_tray(path: Path) -> None:
    assert read_endpoint(path) is None
    path.mkdir()
    assert read_endpoint(path) is None


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no pipes in folders, and a process cannot be asked for"
)
def test_neither_a_pipe_nor_what_a_killed_tray_left_is_a_tray(path: Path) -> None:
    os.mkfifo(path)
    assert read_endpoint(path) is None
    path.unlink()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(10)
    write_endpoint(path, Endpoint("127.0.0.1", 41001, ended.pid))
    assert read_endpoint(path) is None


def test_only_ones_own_is_removed(path: Path) -> None:
    write_endpoint(path, RUNNING)
    remove_endpoint(path, RUNNING.pid + 1)
    assert path.exists()
    remove_endpoint(path, RUNNING.pid)
    assert not path.exists()
    remove_endpoint(path, RUNNING.pid)


@pytest.mark.parametrize(
    ("asked", "environment", "told"),
    [
        ({}, {}, "127.0.0.1:41001"),
        ({"port": 5}, {}, "192.0.2.1:5"),
        ({"port": 41001}, {}, "127.0.0.1:41001"),  # the file says which of the addresses that is
        ({"host": "::1"}, {}, "[::1]:41002"),
        ({"port": 41001, "host": "::"}, {}, "[::1]:41001"),
        ({}, {"OPENCODE_MONITOR_PORT": "5"}, "192.0.2.1:5"),
        ({}, {"OPENCODE_TRAY_LISTENER_PORT": "5"}, "192.0.2.1:5"),
        ({}, {"OPENCODE_TRAY_LISTENER_HOST": "0.0.0.0"}, "127.0.0.1:41002"),  # noqa: S104
        ({"port": 6}, {"OPENCODE_MONITOR_PORT": "5"}, "192.0.2.1:6"),
    ],
)
def test_what_is_asked_for_counts_before_the_file_and_the_file_before_the_settings(
    path: Path, asked: dict[str, Any], environment: dict[str, str], told: str
) -> None:
    path.with_name("settings.toml").write_text('[listener]\nport = 41002\nhost = "192.0.2.1"\n', encoding="utf-8")
    write_endpoint(path, RUNNING)
    assert address(path, environment, **asked) == told


def test_without_a_tray_the_settings_say_where_it_would_be(path: Path) -> None:
    path.with_name("settings.toml").write_text('[listener]\nport = 41002\nhost = "::"\n', encoding="utf-8")
    assert address(path, {}) == "[::1]:41002"


def test_a_running_tray_is_found_though_the_settings_are_wrong_by_now(path: Path) -> None:
    path.with_name("settings.toml").write_text("{{{", encoding="utf-8")
    with pytest.raises(UserError):
        address(path, {})
    write_endpoint(path, RUNNING)
    assert address(path, {}) == "127.0.0.1:41001"


@pytest.mark.parametrize(
    ("bound", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "192.0.2.1")],  # noqa: S104
)
def test_all_addresses_are_reached_at_this_machines_own(bound: str, reached: str) -> None:
    assert reached_at(bound) == reached


def test_an_address_is_written_as_in_a_url() -> None:
    assert [str(Address(host, 1)) for host in ("::1", "localhost")] == ["[::1]:1", "localhost:1"]
