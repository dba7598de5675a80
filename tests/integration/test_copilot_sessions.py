"""The sessions of Copilot CLI, followed by its files. The files are written here; the processes are real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from copilot_events import answer, line, permission, prompt
from copilot_watch import following
from tray.agents.copilot.open_sessions import OpenSessions
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from waiting import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the process of the agent is `sleep`")

SHELL = {"kind": "shell", "fullCommandText": "make"}


class Copilot:
    """A process, and the files that Copilot CLI would write for it."""

    def __init__(self, folder: Path, session: str = "ses") -> None:
        self._process = subprocess.Popen(["sleep", "600"])
        self._folder = folder / "session-state" / session
        self._folder.mkdir(parents=True)
        (self._folder / "workspace.yaml").write_text("cwd: /home/dev/project\n", encoding="utf-8")
        self.lock = self._folder / f"inuse.{self._process.pid}.lock"
        self.lock.write_text(str(self._process.pid), encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid

    def writes(self, *lines: str) -> None:
        """Append to the events."""
        with (self._folder / "events.jsonl").open("a", encoding="utf-8") as stream:
            stream.writelines(f"{text}\n" for text in lines)

    def exits(self, *, cleanly: bool = True) -> None:
        """End the process; a clean exit removes the lock first."""
        if cleanly:
            self.lock.unlink()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def copilot(tmp_path: Path) -> Iterator[Copilot]:
    process = Copilot(tmp_path)
    yield process
    with suppress(FileNotFoundError):
        process.exits()


def test_a_session_is_followed_from_its_start_to_its_end(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            await watch.shows(Status.IDLE)
            assert watch.row().server.agent_kind is AgentKind.COPILOT
            copilot.writes(line("session.start", copilotVersion="1.0.102"), prompt("Fix the tests"))
            await watch.shows(Status.BUSY)
            copilot.writes(permission(SHELL))
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            copilot.writes(line("permission.completed", requestId="p1"))
            await watch.shows(Status.BUSY)
            copilot.writes(answer("All green"), line("assistant.turn_end"))
            await watch.shows(Status.COMPLETED)
            assert (watch.row().session.title, watch.row().session.last_output) == ("Fix the tests", "All green")
            assert watch.row().server.version == "1.0.102"
            copilot.exits()
            await watch.shows(None)

    run(test())


def test_a_turn_that_ended_before_it_was_read_is_shown_as_finished(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            await watch.shows(Status.IDLE)
            copilot.writes(line("session.start"), prompt(), answer(), line("assistant.turn_end"))
            await watch.shows(Status.COMPLETED)

    run(test())


def test_a_process_that_was_killed_while_it_worked_is_disconnected(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        copilot.writes(prompt(), permission(SHELL))
        async with following(tmp_path) as watch:
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            copilot.exits(cleanly=False)
            await watch.shows(Status.DISCONNECTED)
            assert watch.row().requests == ()

    run(test())


def test_a_later_process_with_the_pid_of_a_lock_is_not_its_session(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        os.utime(copilot.lock, (time.time() - 60,) * 2)
        other = Copilot(tmp_path, "other")
        try:
            async with following(tmp_path) as watch:
                await watch.shows(Status.IDLE, "other")
                assert watch.index.row("ses") is None
        finally:
            other.exits()

    run(test())


def test_an_error_of_one_session_does_not_affect_the_others(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        rejected = Copilot(tmp_path, "rejected")
        try:
            async with following(tmp_path) as watch:
                watch.rejected_pid = rejected.pid
                copilot.writes(prompt())
                await watch.shows(Status.BUSY)
        finally:
            rejected.exits()

    run(test())


def test_a_change_is_shown_within_300_ms(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            copilot.writes(prompt())
            await watch.shows(Status.BUSY)
            delays = []
            for number in range(5):
                copilot.writes(permission(SHELL, id_=f"p{number}"))
                written = time.monotonic()
                await watch.shows(Status.WAITING_FOR_PERMISSION)
                delays.append(time.monotonic() - written)
                copilot.writes(line("permission.completed", requestId=f"p{number}"))
                await watch.shows(Status.BUSY)
            assert sorted(delays)[2] < 0.3, delays

    run(test())


def test_the_folders_of_all_sessions_are_not_listed_again_when_one_writes(
    tmp_path: Path, copilot: Copilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            copilot.writes(prompt())
            await watch.shows(Status.BUSY)
            monkeypatch.setattr(OpenSessions, "read", lambda _: pytest.fail("listed again"))
            copilot.writes(permission(SHELL))
            await watch.shows(Status.WAITING_FOR_PERMISSION)

    run(test())


def test_nothing_is_shown_while_the_search_for_processes_is_switched_off(tmp_path: Path, copilot: Copilot) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            await watch.shows(Status.IDLE)
            watch.is_enabled = False
            copilot.writes(prompt())
            await watch.shows(None)

    run(test())
