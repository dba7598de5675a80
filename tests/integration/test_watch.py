"""FolderWatch reports a change at once, once, and not while it rests."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from fakes import until
from tray.system.folder_watch import ARRIVALS, CHANGES, FolderWatch


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


def test_a_change_is_reported_once_until_the_folder_is_followed_again(tmp_path: Path) -> None:
    async def story() -> None:
        changes: list[int] = []
        watch = FolderWatch(CHANGES, lambda: changes.append(1))
        file = tmp_path / "a-wal"
        file.write_bytes(b"x")
        try:
            for round_ in range(1, 4):
                watch.follow([tmp_path])
                for _ in range(50):
                    file.write_bytes(b"y")
                await until(lambda expected=round_: len(changes) == expected)
                watch.rest()
        finally:
            watch.stop()
        assert len(changes) == 3

    run(story())


def test_resting_while_files_change_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            (tmp_path / "a-wal").write_bytes(b"y")

    async def story() -> None:
        changes: list[int] = []
        watch = FolderWatch(CHANGES, lambda: changes.append(1))
        writing = asyncio.create_task(asyncio.to_thread(write))
        try:
            for round_ in range(1, 60):
                watch.follow([tmp_path])
                await until(lambda expected=round_: len(changes) >= expected)
                watch.rest()
        finally:
            watch.stop()
            ended.set()
            await writing

    run(story())
    assert caplog.text == ""


def test_a_folder_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        changes: list[int] = []
        watch = FolderWatch(ARRIVALS, lambda: changes.append(1))
        try:
            watch.follow([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode").mkdir()
            await until(lambda: changes)
            watch.follow([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode" / "log").mkdir()
            await until(lambda: len(changes) == 2)
            watch.follow([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode" / "log" / "a.log").touch()
            await until(lambda: len(changes) == 3)
        finally:
            watch.stop()

    run(story())


@pytest.mark.skipif(sys.platform != "linux", reason="only inotify reports that a file was opened")
def test_opening_a_file_is_reported_and_listing_the_folder_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        changes: list[int] = []
        watch = FolderWatch(ARRIVALS, lambda: changes.append(1))
        (tmp_path / "opencode.log").touch()
        try:
            watch.follow([tmp_path])
            assert os.listdir(tmp_path) == ["opencode.log"]  # noqa: PTH208  # it opens the folder
            (tmp_path / "opencode.log").write_bytes(b"")  # opened, after the listing
            await until(lambda: changes)
            assert len(changes) == 1
        finally:
            watch.stop()

    run(story())
