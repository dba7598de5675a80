"""The sessions of Claude Code, followed by its files. The files are written here; the processes are real."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent_watch import now, running
from claude_lines import answer, prompt, result, text, tool
from claude_watch import Watch, following
from tray.agents.claude.settings import HOOK_FILE
from tray.agents.claude.transcript import transcript_path
from tray.agents.hook_command import OWN_URL
from tray.core.answers import Permit, Verdict, read_only_reason
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from tray.sources.agents.hook_server import HookCall
from waiting import run
from waiting import until_async as until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="procStart of the registry is measured on Linux only")

PROJECT = "/home/dev/project"


class Claude:
    """A process, and the files that Claude Code would write for it."""

    def __init__(self, folder: Path, session: str = "ses", **fields: Any) -> None:
        self._process = subprocess.Popen(["sleep", "600"])
        self._folder = folder
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        self.entry = {
            "pid": self._process.pid, "procStart": stat.rpartition(")")[2].split()[19], "sessionId": session,
            "cwd": PROJECT, "version": "2.1.332", "kind": "interactive", "entrypoint": "cli", "startedAt": now(),
            **fields,
        }  # fmt: skip
        self.registry = folder / "sessions" / f"{self._process.pid}.json"

    def reports(self, status: str, waiting_for: str = "", **fields: Any) -> None:
        """Write the registry's file."""
        self.entry |= {"status": status, "waitingFor": waiting_for, "statusUpdatedAt": now(), **fields}
        self.registry.parent.mkdir(parents=True, exist_ok=True)
        new = self.registry.with_suffix(".tmp")
        new.write_text(json.dumps(self.entry), encoding="utf-8")
        new.replace(self.registry)

    def writes(self, *lines: dict[str, Any]) -> None:
        """Append to the transcript."""
        path = transcript_path(self._folder, str(self.entry["sessionId"]), PROJECT)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)

    def exits(self, *, cleanly: bool = True) -> None:
        """End the process; a clean exit removes the registry's file first."""
        if cleanly:
            self.registry.unlink()
        self._process.kill()
        self._process.wait()


async def has_read(watch: Watch, folder: Path) -> None:
    """Wait until all that was written before has been read: until a session is shown that is added now."""
    marker = Claude(folder, "marker")
    try:
        marker.reports("idle")
        await watch.shows(Status.IDLE, "marker")
    finally:
        marker.exits()


@pytest.fixture
def claude(tmp_path: Path) -> Iterator[Claude]:
    process = Claude(tmp_path)
    yield process
    with suppress(FileNotFoundError):
        process.exits()


def test_a_session_is_followed_from_its_prompt_to_its_end(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.reports("idle")
            await watch.shows(Status.IDLE)
            claude.reports("busy")
            claude.writes(prompt("Fix the tests"), answer(tool(command="make"), stop_reason="tool_use"))
            await watch.shows(Status.BUSY)
            claude.reports("waiting", "permission prompt")
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            row = watch.row()
            assert [(request.title, request.detail) for request in row.requests] == [("Bash", "make")]
            assert row.server.agent_kind is AgentKind.CLAUDE
            assert row.server.read_only_reason.startswith("Claude Code is only observed; use its terminal, or install")
            claude.reports("waiting", "input needed")
            await watch.shows(Status.WAITING_FOR_ANSWER)
            claude.writes(answer(text("All green")))
            claude.reports("idle")
            await watch.shows(Status.COMPLETED)
            assert (watch.row().session.title, watch.row().session.last_output) == ("Fix the tests", "All green")
            claude.exits()
            await watch.shows(None)

    run(test())


def test_a_change_of_the_registry_is_shown_within_300_ms(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("do it"), answer(tool(command="make"), stop_reason="tool_use"))
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            delays = []
            for _ in range(5):
                for status, shown in (("waiting", Status.WAITING_FOR_PERMISSION), ("busy", Status.BUSY)):
                    claude.reports(status, "permission prompt")
                    written = time.monotonic()
                    await watch.shows(shown)
                    delays.append(time.monotonic() - written)
            assert sorted(delays)[len(delays) // 2] < 0.3

    run(test())


def test_a_turn_that_ended_before_it_was_read_is_completed(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("old"), answer(text("old")))
            claude.reports("idle")
            await watch.shows(Status.IDLE)
            claude.writes({**prompt("new"), "timestamp": "2026-11-25T23:00:00.000Z"})
            claude.writes({**answer(text("done")), "timestamp": "2026-11-25T23:00:00.100Z"})
            claude.reports("idle")
            await watch.shows(Status.COMPLETED)

    run(test())


def test_an_interrupted_turn_is_neither_completed_nor_failed(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("one"), answer(text("done")))
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            claude.writes(prompt("two"), prompt("[Request interrupted by user]"))
            claude.reports("idle")
            await watch.shows(Status.IDLE)

    run(test())


def test_the_end_of_a_turn_is_read_from_a_transcript_that_is_written_late(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("do it"), answer(tool(), stop_reason="tool_use"))
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            claude.reports("idle")
            await has_read(watch, tmp_path)
            assert watch.row().status is Status.BUSY
            claude.writes(answer(text("done")))
            await watch.shows(Status.COMPLETED)

    run(test())


def test_a_turn_whose_end_is_not_written_is_idle_after_a_second(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(answer(text("done")), {**prompt("more"), "timestamp": "2026-11-25T23:00:00.000Z"})
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            claude.reports("idle")
            await watch.shows(Status.IDLE)

    run(test())


@pytest.mark.parametrize("is_read_before_the_end", [True, False])
def test_an_api_error_ends_the_turn_as_failed(tmp_path: Path, claude: Claude, *, is_read_before_the_end: bool) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            claude.writes(prompt("do it"), answer(text("API Error: 400"), isApiErrorMessage=True))
            if is_read_before_the_end:
                await has_read(watch, tmp_path)
                assert watch.row().status is Status.BUSY
            claude.reports("idle")
            await watch.shows(Status.ERROR)
            failure = watch.row().session.failure
            assert failure is not None
            assert failure.message == "API Error: 400"

    run(test())


def test_a_killed_process_is_disconnected_and_its_file_is_ignored(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.reports("busy")
            claude.writes(prompt("do it"))
            await watch.shows(Status.BUSY)
            claude.exits(cleanly=False)
            await watch.shows(Status.DISCONNECTED)
        async with following(tmp_path) as later:
            await has_read(later, tmp_path)
            assert [server.pid for server in later.fleet.servers.values() if server.pid == claude.entry["pid"]] == []

    run(test())


def test_an_error_with_one_process_does_not_affect_the_others(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        other = Claude(tmp_path, "other")
        try:
            async with following(tmp_path) as watch:
                watch.rejected_pid = claude.entry["pid"]
                claude.reports("busy")
                other.reports("busy")
                await watch.shows(Status.BUSY, "other")
                assert watch.index.row("ses") is None
                watch.rejected_pid = 0
                watch.claude.look()
                await watch.shows(Status.BUSY)
        finally:
            other.exits()

    run(test())


def test_a_reused_pid_is_not_the_process(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.reports("busy", procStart="1")
            await has_read(watch, tmp_path)
            assert watch.index.row("ses") is None

    run(test())


def test_a_run_without_terminal_ends_as_finished(tmp_path: Path) -> None:
    async def test() -> None:
        claude = Claude(tmp_path, entrypoint="sdk-cli")
        async with following(tmp_path) as watch:
            claude.reports("busy")
            claude.writes(prompt("do it"))
            await watch.shows(Status.BUSY)
            claude.writes(answer(text("done")))
            claude.exits()
            await watch.shows(Status.COMPLETED)

    run(test())


def test_clear_moves_the_row_to_the_new_session(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("one"))
            claude.reports("idle")
            await watch.shows(Status.IDLE)
            claude.reports("idle", sessionId="new")
            await watch.shows(Status.IDLE, "new")
            assert (watch.index.row("ses"), watch.row("new").session.title) == (None, "")

    run(test())


def test_nothing_is_shown_while_the_setting_is_off(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            watch.is_enabled = False
            watch.claude.look()
            await watch.shows(None)
            watch.is_enabled = True
            watch.claude.look()
            await watch.shows(Status.BUSY)

    run(test())


def test_details_in_the_transcript_follow_while_the_state_stays(tmp_path: Path, claude: Claude) -> None:
    async def test() -> None:
        async with following(tmp_path) as watch:
            claude.writes(prompt("do it"))
            claude.reports("busy")
            await watch.shows(Status.BUSY)
            claude.writes(answer(text("Reading"), tool("Read", file_path="/a"), stop_reason="tool_use"))
            await until(lambda: watch.row().tool == "Read", "the tool", 10)
            assert watch.row().session.last_output == "Reading"

    run(test())


def asks(watch: Watch, claude: Claude, command: str) -> asyncio.Task[bytes]:
    """Call the hook of a permission."""
    payload = {"hook_event_name": "PermissionRequest", "session_id": "ses", "tool_name": "Bash",
               "tool_input": {"command": command}}  # fmt: skip
    return asyncio.create_task(watch.claude.on_hook(HookCall(claude.entry["pid"], json.dumps(payload).encode())))


def install_hook(folder: Path) -> None:
    (folder / HOOK_FILE.name).write_text(HOOK_FILE.with_hooks("", lambda agent, _: OWN_URL + agent), encoding="utf-8")


def test_a_hook_is_held_for_a_process_that_is_not_followed_yet(claude: Claude, tmp_path: Path):
    install_hook(tmp_path)

    async def test() -> None:
        claude.reports("busy")
        watch = Watch(tmp_path)
        hook = asks(watch, claude, "make")
        async with running(watch.claude):
            claude.reports("waiting", "permission prompt")
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            row = watch.row()
            await until(lambda: not read_only_reason(row.server, watch.row().requests[0]), "the hook")
            answered = asyncio.create_task(watch.answer(watch.row(), Permit(Verdict.ONCE)))
            assert b'"allow"' in await hook
            claude.reports("busy")
            assert (await answered).ok

    run(test())


def test_parallel_requests_are_answered_one_after_another(claude: Claude, tmp_path: Path):
    install_hook(tmp_path)

    async def test() -> None:
        async with following(tmp_path) as watch:

            async def shows(command: str) -> None:
                def is_shown() -> bool:
                    row = watch.row()
                    return [r.detail for r in row.requests if not read_only_reason(row.server, r)] == [command]

                await until(is_shown, command)

            claude.reports("busy")
            await watch.shows(Status.BUSY)
            calls = [tool(id_=f"toolu_{command}", command=command) for command in "abcd"]
            claude.writes(prompt("do it"), answer(*calls, stop_reason="tool_use"))
            first, second, third = (asks(watch, claude, command) for command in "abc")
            claude.reports("waiting", "permission prompt")  # the registry changes again after the last answer only
            await shows("a")
            claude.writes(result("toolu_d"))
            assert (await watch.answer(watch.row(), Permit(Verdict.ONCE))).ok
            await shows("b")
            assert b'"allow"' in await first
            claude.writes(result("toolu_b"))  # it was answered in the terminal
            await shows("c")
            assert (await second, third.done()) == (b"", False)
            claude.reports("busy")
            assert await third == b""

    run(test())
