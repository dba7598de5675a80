"""The endpoint file of the running tray, which applies unless flags or the environment say otherwise."""

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
    read_endpoint,
    remove_endpoint,
    tray_address,
    write_endpoint,
)

RUNNING = Endpoint("127.0.0.1", 41001, os.getpid())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "endpoint"


def address(path: Path, environment: dict[str, str], **flags: Any) -> str:
    return str(tray_address(path, path.with_name("settings.toml"), environment, **flags))


def test_the_endpoint_can_be_written_and_read(path: Path) -> None:
    write_endpoint(path, RUNNING)
    assert read_endpoint(path) == RUNNING
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_endpoint_file_has_the_keys_that_the_plugin_reads(path: Path) -> None:
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
def test_an_invalid_endpoint_file_is_ignored(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    assert read_endpoint(path) is None
    assert address(path, {}) == "127.0.0.1:41235"


def test_a_missing_endpoint_file_is_ignored(path: Path) -> None:
    assert read_endpoint(path) is None
    path.mkdir()
    assert read_endpoint(path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_and_the_endpoint_of_an_ended_tray_are_ignored(path: Path) -> None:
    os.mkfifo(path)
    assert read_endpoint(path) is None
    path.unlink()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(10)
    write_endpoint(path, Endpoint("127.0.0.1", 41001, ended.pid))
    assert read_endpoint(path) is None


def test_only_the_endpoint_of_the_same_process_is_removed(path: Path) -> None:
    write_endpoint(path, RUNNING)
    remove_endpoint(path, RUNNING.pid + 1)
    assert path.exists()
    remove_endpoint(path, RUNNING.pid)
    assert not path.exists()
    remove_endpoint(path, RUNNING.pid)


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({}, {}, "127.0.0.1:41001"),
        ({"port": 5}, {}, "192.0.2.1:5"),
        ({"port": 41001}, {}, "127.0.0.1:41001"),  # the port of the file, so its host is used
        ({"host": "::1"}, {}, "[::1]:41002"),
        ({"port": 41001, "host": "::"}, {}, "[::1]:41001"),
        ({}, {"OPENCODE_MONITOR_PORT": "5"}, "192.0.2.1:5"),
        ({}, {"OPENCODE_TRAY_LISTENER_PORT": "5"}, "192.0.2.1:5"),
        ({}, {"OPENCODE_TRAY_LISTENER_HOST": "0.0.0.0"}, "127.0.0.1:41002"),  # noqa: S104
        ({"port": 6}, {"OPENCODE_MONITOR_PORT": "5"}, "192.0.2.1:6"),
    ],
)
def test_flags_and_environment_override_the_endpoint_file_and_that_the_settings(
    path: Path, flags: dict[str, Any], environment: dict[str, str], expected: str
) -> None:
    path.with_name("settings.toml").write_text('[listener]\nport = 41002\nhost = "192.0.2.1"\n', encoding="utf-8")
    write_endpoint(path, RUNNING)
    assert address(path, environment, **flags) == expected


def test_the_settings_apply_without_a_running_tray(path: Path) -> None:
    path.with_name("settings.toml").write_text('[listener]\nport = 41002\nhost = "::"\n', encoding="utf-8")
    assert address(path, {}) == "[::1]:41002"


def test_a_running_tray_is_found_in_spite_of_invalid_settings(path: Path) -> None:
    path.with_name("settings.toml").write_text("{{{", encoding="utf-8")
    with pytest.raises(UserError):
        address(path, {})
    write_endpoint(path, RUNNING)
    assert address(path, {}) == "127.0.0.1:41001"


def test_an_address_is_formatted_as_in_a_url() -> None:
    assert [str(Address(host, 1)) for host in ("::1", "localhost")] == ["[::1]:1", "localhost:1"]
