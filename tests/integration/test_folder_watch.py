"""A change is reported at once, once per `watch`, and not while paused."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

from tray.system.folder_watch import CHANGE_EVENTS, OPEN_EVENTS, FolderWatch
from waiting import run, until_async


def test_a_change_is_reported_once_per_call_of_watch(tmp_path: Path) -> None:
    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(CHANGE_EVENTS, lambda: reports.append(1))
        file = tmp_path / "a-wal"
        file.write_bytes(b"x")
        try:
            for round_ in range(1, 4):
                watch.watch([tmp_path])
                for _ in range(50):
                    file.write_bytes(b"y")
                await until_async(lambda expected=round_: len(reports) == expected)
                watch.pause()
        finally:
            watch.stop()
        assert len(reports) == 3

    run(scenario())


def test_pausing_during_changes_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            (tmp_path / "a-wal").write_bytes(b"y")

    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(CHANGE_EVENTS, lambda: reports.append(1))
        writing = asyncio.create_task(asyncio.to_thread(write))
        try:
            for round_ in range(1, 60):
                watch.watch([tmp_path])
                await until_async(lambda expected=round_: len(reports) >= expected)
                watch.pause()
        finally:
            watch.stop()
            ended.set()
            await writing

    run(scenario())
    assert caplog.text == ""


def test_a_folder_created_later_is_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(OPEN_EVENTS, lambda: reports.append(1))
        try:
            watch.watch([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode").mkdir()
            await until_async(lambda: reports)
            watch.watch([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode" / "log").mkdir()
            await until_async(lambda: len(reports) == 2)
            watch.watch([tmp_path / "opencode" / "log"])
            (tmp_path / "opencode" / "log" / "a.log").touch()
            await until_async(lambda: len(reports) == 3)
        finally:
            watch.stop()

    run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="only inotify reports that a file is opened")
def test_opening_a_file_is_reported_and_listing_the_folder_is_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(OPEN_EVENTS, lambda: reports.append(1))
        (tmp_path / "opencode.log").touch()
        try:
            watch.watch([tmp_path])
            assert os.listdir(tmp_path) == ["opencode.log"]  # noqa: PTH208  # it opens the folder
            (tmp_path / "opencode.log").write_bytes(b"")  # opened, after the listing
            await until_async(lambda: reports)
            assert len(reports) == 1
        finally:
            watch.stop()

    run(scenario())


@pytest.mark.parametrize(("platform", "is_watched"), [("darwin", False), ("linux", True)])
def test_a_home_folder_is_not_watched_on_macos_where_a_watch_includes_its_subfolders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, is_watched: bool
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    below = tmp_path / "data"
    below.mkdir()

    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(CHANGE_EVENTS, lambda: reports.append(1))
        try:
            watch.watch([tmp_path / "missing"])
            (tmp_path / "new").touch()
            if is_watched:
                await until_async(lambda: reports)
            watch.watch([below / "missing"])
            before = len(reports)
            (below / "new").touch()
            await until_async(lambda: len(reports) > before)
        finally:
            watch.stop()
        assert len(reports) == (2 if is_watched else 1)

    run(scenario())


def test_a_missing_folder_is_reported_when_it_or_a_folder_above_it_is_created(tmp_path: Path) -> None:
    async def scenario() -> None:
        reports: list[int] = []
        watch = FolderWatch(CHANGE_EVENTS, lambda: reports.append(1))
        folder = tmp_path / "data" / "opencode"
        try:
            for number, made in enumerate((tmp_path / "data", folder, folder / "a-wal"), 1):
                watch.watch([folder])
                made.touch() if made.name == "a-wal" else made.mkdir()
                await until_async(lambda expected=number: len(reports) == expected)
            watch.watch([folder])
            (folder / "another").mkdir()  # in a folder that exists, only the wanted kinds count
            (folder / "a-wal").write_bytes(b"x")
            await until_async(lambda: len(reports) == 4)
        finally:
            watch.stop()
        assert len(reports) == 4

    run(scenario())
