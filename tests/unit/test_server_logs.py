"""The logs of servers that were started in the background."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tray.actions.serve.listing import find_servers
from tray.actions.serve.started import rotate_logs, running_servers
from tray.storage.servers import StartedServer, write_server
from tray.system import background_process
from tray.system.background_process import ProcessIdentity
from tray.system.paths import Paths


def test_logs_are_rotated_whether_or_not_their_servers_are_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_process, "LOG_SIZE", 10)
    monkeypatch.setattr(ProcessIdentity, "of", lambda _: pytest.fail("a process was looked up"))
    log = tmp_path / "4097.log"
    log.write_text("longer than ten bytes", encoding="utf-8")
    ended = StartedServer(name="4097", url="http://127.0.0.1:1", directory="/work", pid=1, started=0, log=str(log))
    write_server(tmp_path / "servers", ended)
    rotate_logs(tmp_path / "servers")
    assert log.read_text(encoding="utf-8") == ""
    assert log.with_name("4097.log.1").read_text(encoding="utf-8") == "longer than ten bytes"


def test_listing_servers_changes_no_file_and_the_periodic_job_rotates_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_process, "LOG_SIZE", 10)
    paths, log = Paths.inside(tmp_path), tmp_path / "4096.log"
    log.write_text("longer than ten bytes", encoding="utf-8")
    this = ProcessIdentity.of(os.getpid())
    assert this is not None
    record = StartedServer(
        name="1", url="http://127.0.0.1:1", directory=str(tmp_path), pid=this.pid, started=this.started,
        boot=this.boot, log=str(log),
    )  # fmt: skip
    write_server(paths.servers, record)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert [server.url for server in running_servers(paths.servers)] == ["http://127.0.0.1:1"]
    assert "1" in [server.name for server in asyncio.run(find_servers(paths, (), {}, 0.1))]
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    rotate_logs(paths.servers)
    assert (log.read_text(encoding="utf-8"), log.with_name("4096.log.1").exists()) == ("", True)
