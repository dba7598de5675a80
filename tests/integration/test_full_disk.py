"""A full or read-only disk: the tray runs and says so, no file is lost, and all is written once that is possible."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes import TOKEN, connection
from page_client import PageClient
from running_app import ASK, SES, SNAPSHOT, RunningApp
from small_disk import SmallDisk, missing, small_disk
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest
from tray.files.writing import write_privately
from tray.storage.audit import newest
from tray.storage.cache import read_cache
from tray.storage.devices import read_devices
from tray.surfaces.menu.items import walk
from tray.system.entry_file import EntryFile
from tray_process import Home, read_until
from waiting import run, until, until_async

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

SAID = (
    "plugins may not find the tray",
    "the history cannot be written",
    "after a restart, sessions will be as they were before",
    "after a restart, devices will be as they were before",
    "answers are not recorded",
)
RECOVERY = 5.0  # s


def problems(running: RunningApp) -> str:
    return "\n".join(item.key for item in walk(running.app.view().menu) if item.key.startswith("problem:"))


async def answer(running: RunningApp, link: Any) -> None:
    """Allow the request of the plugin."""
    await link.event("permission.asked", **ASK)
    await until_async(lambda: running.waiting == 1)
    (server,) = running.app.status()["servers"]
    command = AnswerRequest(RequestKey(server["id"], "per_1"), Permit(Verdict.ONCE))
    answering = asyncio.create_task(running.choose(command))
    await link.send({"id": (await link.receive())["id"], "result": {}})
    await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
    assert (await answering).ok


def stored_sessions(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT uid FROM session")]


@pytest.mark.parametrize(
    ("break_it", "repair"),
    [(SmallDisk.fill, SmallDisk.free), (SmallDisk.forbid_writes, SmallDisk.allow_writes)],
    ids=["full", "read-only"],
)
def test_what_could_not_be_written_is_reported_and_written_as_soon_as_that_is_possible(
    break_it: Callable[[SmallDisk], None], repair: Callable[[SmallDisk], None], tmp_path: Path
) -> None:
    async def test(disk: SmallDisk) -> None:
        running = RunningApp(disk.folder)
        break_it(disk)
        async with (
            running,
            connection(f"http://127.0.0.1:{running.app.port}/") as link,
            aiohttp.ClientSession() as http,
        ):
            await link.authenticate()
            await link.send(SNAPSHOT)
            await until_async(lambda: running.app.status()["sessions"], "the sessions")
            await answer(running, link)
            await PageClient.pair(http, running)
            await until_async(lambda: all(text in problems(running) for text in SAID), "the messages", RECOVERY)
            repair(disk)
            await until_async(lambda: not problems(running), "the end of the problems", RECOVERY)
        paths = running.paths
        restored, problem = read_cache(paths.cache)
        assert restored is not None, problem
        assert [session.id for session in restored.sessions] == [SES]
        assert [entry["result"] for entry in newest(paths.audit, 9)] == ["answered", "sending"]
        assert [device.name for device in read_devices(paths.devices, TOKEN)[0].devices] == ["Test"]
        assert stored_sessions(paths.history) == [SES]
        assert not [file for file in disk.folder.rglob(".*") if file.is_file()]  # temporary files

    with small_disk(tmp_path / "disk") as disk:
        run(test(disk))


@pytest.fixture
def disk_home(socket_folder: Path) -> Iterator[tuple[SmallDisk, Home]]:
    """Return a small disk, and a home folder on it."""
    with small_disk(socket_folder / "disk") as disk:
        home = Home(disk.folder)
        yield disk, home
        home.stop()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file but the filler."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "filler"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_the_first_start_on_a_full_disk_says_so_and_the_next_one_works(disk_home: tuple[SmallDisk, Home]) -> None:
    disk, home = disk_home
    disk.fill()
    done = home.run("run", "--headless", "--port", str(home.port))
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True), done.stderr
    assert "token" in done.stderr
    disk.free()
    home.tray()
    assert len(home.token) == 64


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("token rotate", "data/opencode-tray/token"),
        ("install-plugin", "config/opencode/plugin/opencode-tray.js"),
        ("install-hooks claude", ".claude/settings.json"),
        ("install --agents none", "config/opencode/plugin/opencode-tray.js"),
    ],
)
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_command_that_cannot_write_says_so_and_leaves_every_file_as_it_was(
    command: str, file: str, how: str, disk_home: tuple[SmallDisk, Home]
) -> None:
    disk, home = disk_home
    old = {
        "data/opencode-tray/token": b"0" * 64,
        "config/opencode/plugins/opencode-tray.js": b"// OpenCode Tray's plugin, another version",
        ".claude/settings.json": b'{"model": "opus"}' + b" " * 5000,
    }
    for name, content in old.items():
        write_privately(disk.folder / name, content)
    for name in ("config/opencode/plugin", "config/autostart", "data/applications"):
        (disk.folder / name).mkdir(parents=True)
    disk.fill() if how == "full" else disk.forbid_writes()
    done = home.run(*command.split())
    reason = "No space left on device" if how == "full" else "Read-only file system"
    assert done.returncode == 1
    assert f"cannot write {disk.folder / file}: {reason}" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(disk.folder) == old
    disk.free() if how == "full" else disk.allow_writes()
    assert home.run(*command.split()).returncode == 0
    assert (disk.folder / file).is_file()


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_desktop_entries_that_cannot_be_written_leave_no_file(how: str, disk_home: tuple[SmallDisk, Home]) -> None:
    disk, _home = disk_home
    entry = EntryFile(disk.folder / "entry.desktop")
    entry.write_text("old")
    disk.fill() if how == "full" else disk.forbid_writes()
    with pytest.raises(OSError, match=r"No space left|Read-only"):
        entry.write_text("new" * 5000)
    assert contents(disk.folder) == {"entry.desktop": b"old"}


def test_hooks_and_the_log_begin_once_a_read_only_disk_can_be_written(disk_home: tuple[SmallDisk, Home]) -> None:
    disk, home = disk_home
    write_privately(disk.folder / "data/opencode-tray/token", "0" * 64)
    disk.forbid_writes()
    home.environment["OPENCODE_TRAY_DISCOVERY_AGENTS"] = "1"
    read_until(home.tray("--debug"), "hooks of agents are not received")
    disk.allow_writes()
    until((disk.folder / "data/opencode-tray/hooks/socket").exists, "the hook socket", 2 * RECOVERY)
    until(lambda: home.log.exists() and "hooks of agents are received now" in home.log.read_text(), "the log", 1)
