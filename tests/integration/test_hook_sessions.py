"""The sessions of an agent that is known only by its hooks, with processes that call them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent_watch import running
from hook_watch import HookWatch
from tray.agents.hook import Hook, PermissionShown, SessionEnded, SessionStarted, ToolEnded, TurnEnded, TurnStarted
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from tray.sources.agents.hook_server import HookCall
from waiting import run, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the process of the agent is `sleep`")

STARTED, PROMPT, ENDED = SessionStarted("ses", "/project"), TurnStarted("ses", "/project", "Do it"), SessionEnded("ses")


def decode(payload: bytes) -> Hook | None:
    hook: Hook | None = pickle.loads(payload)  # noqa: S301  # of this test
    return hook


class Program:
    """A process that calls hooks."""

    def __init__(self, watch: HookWatch) -> None:
        self._watch = watch
        self.process = subprocess.Popen(["sleep", "600"])

    async def calls(self, *hooks: Hook | None) -> None:
        for hook in hooks:
            assert await self._watch.source.on_hook(HookCall(self.process.pid, pickle.dumps(hook))) == b""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def watch() -> HookWatch:
    return HookWatch(AgentKind.QWEN, decode)


@pytest.fixture
def program(watch: HookWatch) -> Iterator[Program]:
    made = Program(watch)
    yield made
    made.kill()


def test_a_session_is_followed_from_its_start_to_its_end(watch: HookWatch, program: Program) -> None:
    async def test() -> None:
        async with running(watch.source):
            await program.calls(STARTED)
            await watch.shows(Status.IDLE)
            await program.calls(PROMPT, PermissionShown("ses", "", "bash", "make"))
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert "in its terminal" in watch.row().requests[0].read_only_reason
            await program.calls(ToolEnded("ses", "", "bash"))
            await watch.shows(Status.BUSY)
            await program.calls(TurnEnded("ses", "", "Done"))
            await watch.shows(Status.COMPLETED)
            assert watch.row().session.last_output == "Done"
            await program.calls(ENDED, ENDED, ENDED)  # Gemini CLI reports it three times
            await watch.shows(None)

    run(test())


def test_a_late_hook_of_a_closed_session_does_not_bring_it_back(watch: HookWatch, program: Program) -> None:
    async def test() -> None:
        async with running(watch.source):
            await program.calls(STARTED, PROMPT)
            await watch.shows(Status.BUSY)
            await program.calls(ENDED, ToolEnded("ses", "", "bash"), TurnEnded("ses", "", "Done"))
            await until_async(lambda: not watch.source.server_ids, "the end of the session")
            await program.calls(SessionStarted("next", "/project"))
            await watch.shows(Status.IDLE, "next")

    run(test())


def test_another_session_in_the_same_terminal_replaces_the_one_before(watch: HookWatch, program: Program) -> None:
    async def test() -> None:
        async with running(watch.source):
            await program.calls(STARTED)
            await watch.shows(Status.IDLE)
            await program.calls(SessionStarted("next", "/project"))
            await watch.shows(Status.IDLE, "next")
            assert watch.index.row("ses") is None

    run(test())


def test_a_killed_process_is_disconnected_within_five_seconds(watch: HookWatch, program: Program) -> None:
    async def test() -> None:
        async with running(watch.source):
            await program.calls(STARTED, PROMPT)
            await watch.shows(Status.BUSY)
            program.kill()
            await until_async(lambda: watch.row().status is Status.DISCONNECTED, "the end of the process", 5)
            await program.calls(TurnEnded("ses", "", "Done"))  # a hook that outlived it
            assert watch.row().status is Status.DISCONNECTED

    run(test())


def test_nothing_is_shown_while_other_agents_are_not_looked_for(watch: HookWatch, program: Program) -> None:
    async def test() -> None:
        async with running(watch.source):
            await program.calls(STARTED)
            await watch.shows(Status.IDLE)
            watch.is_enabled = False
            watch.source.look()
            await watch.shows(None)
            await program.calls(STARTED, PROMPT)
            watch.is_enabled = True
            await program.calls(None, STARTED)
            await watch.shows(Status.IDLE)

    run(test())


def test_a_hook_of_an_unknown_process_is_ignored(watch: HookWatch) -> None:
    async def test() -> None:
        for pid in (0, 2**22 + 1):
            assert await watch.source.on_hook(HookCall(pid, pickle.dumps(STARTED))) == b""
        assert not watch.source.server_ids

    run(test())
