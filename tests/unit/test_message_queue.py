"""The messages of a channel are sent in order, each once, and end with the outcome of their own request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tray.core.alerts import Reason
from tray.core.answers import RequestKey
from tray.surfaces.channels import message_queue
from tray.surfaces.channels.channel import ChannelError, ChannelMessage, Limits, Press
from tray.surfaces.channels.message_queue import MessageQueue, SentMessage
from waiting import run, until_async

UNREACHABLE = ChannelError("cannot connect")


class ScriptedChannel:
    """Fails as often as `faults` say, and notes what was accepted."""

    limits = Limits(text=100)

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.accepted: list[str] = []
        self.attempts = 0

    def _accept(self, what: str) -> str:
        self.attempts += 1
        if self.faults:
            raise self.faults.pop(0)
        self.accepted.append(what)
        return what

    async def send(self, message: ChannelMessage) -> str:
        return self._accept(f"send {message.title}")

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        return self._accept(f"replace {message.title}")

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        self._accept(f"finish {message.title}: {message.outcome}")

    async def listen(self, press: Press) -> None: ...

    async def check(self) -> str:
        return ""


class RunningQueue:
    def __init__(self, channel: ScriptedChannel) -> None:
        self.channel = channel
        self.problems: list[str] = []
        self.outcomes = {"a": "Allowed", "b": "Rejected"}
        self.queue = MessageQueue("phone", channel, self._outcome, lambda: None, self.problems.append)

    def _outcome(self, key: RequestKey) -> str:
        return self.outcomes[key.request]

    def show(self, request: str, session: str = "ses") -> None:
        message = ChannelMessage(session, request, Reason.PERMISSION, request)
        self.queue.show(SentMessage(message, "server", request, request))

    async def accepts(self, *expected: str) -> None:
        await until_async(lambda: self.channel.accepted == [*expected], f"{expected}; there is {self.channel.accepted}")


@asynccontextmanager
async def queue_of(*faults: Exception) -> AsyncIterator[RunningQueue]:
    running = RunningQueue(ScriptedChannel(*faults))
    task = asyncio.create_task(running.queue.run())
    try:
        yield running
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_queue, "FIRST_RETRY", 0.01)


@pytest.mark.usefixtures("quick_retries")
def test_the_outcome_is_kept_until_the_service_has_accepted_it() -> None:
    async def test() -> None:
        async with queue_of() as running:
            running.show("a")
            await running.accepts("send a")
            running.channel.faults = [UNREACHABLE, UNREACHABLE]
            running.show("b")
            await running.accepts("send a", "finish a: Allowed", "send b")

    run(test())


def test_a_message_ends_with_the_outcome_of_its_own_request_whatever_was_to_follow_it() -> None:
    async def test() -> None:
        async with queue_of() as running:
            running.show("a")
            await running.accepts("send a")
            running.channel.faults = [UNREACHABLE]
            running.show("b")
            await until_async(lambda: not running.channel.faults, "the failed attempt")
            running.queue.close("ses")
            running.queue.retry()
            await running.accepts("send a", "finish a: Allowed")
            assert running.queue.sent == {}

    run(test())


def test_the_same_message_is_not_sent_again() -> None:
    async def test() -> None:
        async with queue_of() as running:
            running.show("a")
            await running.accepts("send a")
            running.show("a")
            running.show("b", "other")
            await running.accepts("send a", "send b")

    run(test())


def test_a_problem_lasts_until_the_service_accepts_something() -> None:
    async def test() -> None:
        async with queue_of(*[UNREACHABLE] * message_queue.BREAK_AFTER) as running:
            for _ in range(message_queue.BREAK_AFTER):
                attempts = running.channel.attempts
                running.show("a")
                running.queue.retry()
                await until_async(lambda before=attempts: running.channel.attempts > before, "an attempt")
            problem = "phone does not take messages: cannot connect"
            running.queue.close("ses")  # nothing was sent: nothing has to be ended
            running.queue.retry()
            await asyncio.sleep(0)
            running.show("b", "other")
            await running.accepts("send b")
            assert running.problems == [problem, ""]
            assert running.queue.state.problem == ""

    run(test())
