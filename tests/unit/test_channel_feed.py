"""When a message of an earlier run ends whose session is disconnected, whatever the clock does."""

from __future__ import annotations

import asyncio

import pytest

from replay import SERVER
from tray.core.alerts import Reason
from tray.core.channel_settings import ChannelSettings
from tray.core.events import ServerConnected, ServerLost, SessionFacts, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.surfaces.channels.channel import ChannelMessage, Limits, Press
from tray.surfaces.channels.feed import COMES_BACK_WITHIN, ChannelFeed, FeedContext
from tray.surfaces.channels.message_queue import MessageQueue, SentMessage
from waiting import run, until_async

DAY = 86_400_000
MESSAGE = ChannelMessage("a", "id", Reason.PERMISSION, "project", "bash: ls")
LAST = ChannelMessage("b", "other id", Reason.FINISHED, "last")


class Channel:
    """Notes which messages end, and are sent, in this order."""

    limits = Limits(text=100)

    def __init__(self) -> None:
        self.done: list[str] = []

    async def send(self, message: ChannelMessage) -> str:
        self.done.append(f"sent {message.title}")
        return message.id

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        raise AssertionError(reference, message)

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        self.done.append(f"ended: {message.outcome}")

    async def listen(self, press: Press) -> None: ...

    async def check(self) -> str:
        return ""


@pytest.mark.fault
@pytest.mark.parametrize(
    ("later", "ends"),
    [(0, False), (COMES_BACK_WITHIN - 1, False), (COMES_BACK_WITHIN, True), (-1, True), (-DAY, True), (DAY, True)],
)
def test_a_message_ends_unless_its_session_may_come_back_within_a_minute(later: int, *, ends: bool) -> None:
    async def test() -> None:
        fleet, channel = Fleet(), Channel()
        index = SessionIndex(fleet)
        for event in (
            ServerConnected(SERVER),
            SnapshotTaken(SERVER.id, sessions=(SessionFacts("a"),)),
            ServerLost(SERVER.id),
        ):
            index.update(fleet.apply(event, DAY))
        queue = MessageQueue("phone", channel, lambda _: "no answer is known", lambda: None, lambda _: None)
        queue.restore({"a": SentMessage(MESSAGE, SERVER.id, "per_1", "alert", "reference")})
        context = FeedContext(fleet, index, lambda _: "", lambda: DAY, lambda: 0)
        feed = ChannelFeed(ChannelSettings("ntfy", "phone", delay=0), queue, channel.limits, context)
        feed.restore()
        feed.update(["a"], DAY)
        feed.update((), DAY + later)
        feed.close()
        queue.show(SentMessage(LAST, SERVER.id, "", "other alert"))
        sending = asyncio.create_task(queue.run())
        await until_async(lambda: "sent last" in channel.done)
        sending.cancel()
        assert channel.done == [*(["ended: no answer is known"] if ends else []), "sent last"]

    run(test())
