"""One channel that runs: its messages, its answers, and its tests."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import msgspec

from tray.core.alerts import Reason
from tray.core.channel_settings import ChannelSettings
from tray.core.commands import CommandResult
from tray.core.lenient_json import JSON_ERRORS
from tray.surfaces.channels.channel import (
    SEND_TIMEOUT,
    Channel,
    ChannelError,
    ChannelMessage,
    PairedChannel,
    Pairing,
    Press,
)
from tray.surfaces.channels.feed import ChannelFeed, FeedContext
from tray.surfaces.channels.message_queue import MessageQueue, SentMessage
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

LISTEN_AGAIN = 60.0  # s after a service has refused to tell of answers
TEST = ChannelMessage("", "test", Reason.FINISHED, "Test of OpenCode Tray", "Alerts of your agents arrive here.")


class RunningChannel:
    """Lives on the event loop's thread."""

    def __init__(
        self,
        settings: ChannelSettings,
        channel: Channel,
        shared: FeedContext,
        *,
        report: Callable[[str, str], None],
        changed: Callable[[], None],
        press: Press,
    ) -> None:
        """`report` takes what the problem is about ("messages", "answers" or "check"), and the problem, or "".

        `changed` is that of MessageQueue.
        """
        self.settings = settings
        self.queue = MessageQueue(settings.name, channel, shared.ended, changed, partial(report, "messages"))
        self.feed = ChannelFeed(settings, self.queue, channel.limits, shared)
        self._channel = channel
        self._report = report
        self._press = press
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._used_at = time.monotonic()

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Continue with the messages of an earlier run. Those that cannot be read are forgotten."""
        try:
            self.queue.restore(msgspec.convert(dict(stored), dict[str, SentMessage]))
            self.feed.restore()
        except (ValueError, *JSON_ERRORS) as error:
            log.warning("forgot the messages of %s: %s", self.settings.name, error)

    def stored(self) -> dict[str, Any]:
        """Return what `restore` takes."""
        found: dict[str, Any] = msgspec.to_builtins(self.queue.sent)
        return found

    def start(self, tasks: TaskSet) -> None:
        """Send messages and take answers from now on."""
        name = self.settings.name
        self._tasks = (
            tasks.spawn(self.queue.run(), f"messages of {name}"),
            tasks.spawn(self._listen(), f"answers of {name}"),
        )

    async def stop(self) -> None:
        """End everything at once. Messages stay as they are."""
        self.feed.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                await self._channel.listen(self._press)
            except ChannelError as error:
                self._report("answers", f"{self.settings.name} takes no answers: {error}")
                await asyncio.sleep(LISTEN_AGAIN)
            except Exception:
                log.exception("the channel %s does not listen", self.settings.name)
                await asyncio.sleep(LISTEN_AGAIN)
            else:
                return  # the service has no answers

    def offers(self, code: str) -> bool:
        """Whether a message that has not ended offers an answer with this code."""
        messages = [sent.message for sent in self.queue.sent.values()]
        codes = {answer.code for message in messages for answer in message.answers}
        return code in codes.union(message.text_code for message in messages) and bool(code)

    def text_code_of(self, reference: str) -> str:
        """Return the code for a text in reply to a message; "" if it takes none."""
        found = (sent for sent in self.queue.sent.values() if sent.reference == reference)
        return next((sent.message.text_code for sent in found), "")

    # ------------------------------------------------------------------ tests and pairing

    async def check_if_due(self, interval: float) -> None:
        """Check the access if nothing was sent for this many seconds."""
        if self.queue.state.last_at:
            self._used_at = max(self._used_at, time.monotonic() - (time.time() - self.queue.state.last_at / 1000))
        if time.monotonic() - self._used_at < interval:
            return
        self._used_at = time.monotonic()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._channel.check()
        except (ChannelError, TimeoutError) as error:
            self._report("check", f"{self.settings.name} does not work: {str(error) or 'no answer'}")
        else:
            self._report("check", "")

    async def test(self) -> CommandResult:
        """Send a message that says that it is a test."""
        name = self.settings.name
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                found = await self._channel.check()
                await self._channel.send(msgspec.structs.replace(TEST, id=f"test-{secrets.token_hex(8)}"))
        except (ChannelError, TimeoutError) as error:
            problem = str(error) or "no answer"
            self._report("check", f"{name} does not work: {problem}")
            return CommandResult(f"{name} does not take messages: {problem}", ok=False)
        self._report("check", "")
        self.queue.retry()
        return CommandResult(f"Sent a test message with {name}" + (f" ({found})" if found else ""))

    @property
    def has_pairing(self) -> bool:
        """Whether the channel has to find out whom it talks to."""
        return hasattr(self._channel, "pair")

    def pair(self) -> CommandResult:
        """Begin a pairing, if the channel needs one. The menu shows what the user has to do."""
        if not self.has_pairing:
            return CommandResult(f"{self.settings.name} needs no pairing", as_requested=False)
        self.queue.retry()
        pairing: Pairing = cast("PairedChannel", self._channel).pair()
        return CommandResult(pairing.instruction, as_requested=False, result={"code": pairing.code})
