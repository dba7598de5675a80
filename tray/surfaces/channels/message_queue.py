"""The messages of one channel: sent one after another, tried again while they are true, and changed when they end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from tray.core.answers import RequestKey
from tray.surfaces.channels.channel import SEND_TIMEOUT, Channel, ChannelError, ChannelMessage
from tray.system.backoff import Backoff

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 5.0, 60.0  # s before another attempt, doubled each time
REFUSED_RETRY = 600.0  # s before another attempt if the user has to correct something
BREAK_AFTER = 5  # failed attempts one after another until it is a problem in the menu


class SentMessage(msgspec.Struct, frozen=True):
    """A message that was sent and has not ended."""

    message: ChannelMessage
    server: str  # of its session
    request: str  # ID; "": it is not about a request
    identity: str  # of the alert
    reference: str = ""  # of the service


class QueueState(msgspec.Struct, frozen=True):
    """What the user sees of a channel. Times are in ms since the Unix epoch."""

    sent: int = 0  # messages since the start
    last_at: int = 0
    problem: str = ""  # why the last attempt failed


class MessageQueue:
    """Lives on the event loop's thread. There is at most one live message of each session."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        outcome: Callable[[RequestKey], str],
        changed: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        """`outcome` returns how a request ended that a message is about. `changed` is called when `sent` has changed.

        `report` is called with a problem for the user, or "" when it is over.
        """
        self.sent: dict[str, SentMessage] = {}  # by session ID
        self.state = QueueState()
        self._name = name
        self._channel = channel
        self._outcome = outcome
        self._changed_sent = changed
        self._report = report
        self._wanted: dict[str, SentMessage | None] = {}  # by session ID: what to send; None: the live one has ended
        self._retry = asyncio.Event()
        self._current = ""  # the session whose message is being sent
        self._wake = asyncio.Event()
        self._failures = 0
        self._backoff = Backoff(FIRST_RETRY, LAST_RETRY)

    def restore(self, sent: Mapping[str, SentMessage]) -> None:
        """Continue with the messages of an earlier run."""
        self.sent.update(sent)

    def show(self, item: SentMessage) -> None:
        """Send a message, or change the one of the same request. It replaces what is waiting for this session."""
        self._want(item.message.session, item)

    def close(self, session_id: str) -> None:
        """Say how the session's message ended; forget it if it has not been sent."""
        if session_id in self.sent or session_id == self._current:
            self._want(session_id, None)
        else:
            self._wanted.pop(session_id, None)

    def request_of(self, session_id: str) -> RequestKey | None:
        """Return the request that the session's newest message is about; None if it is not about one."""
        newest = self._wanted.get(session_id) or self.sent.get(session_id)
        return RequestKey(newest.server, newest.request) if newest is not None and newest.request else None

    def _want(self, session_id: str, wanted: SentMessage | None) -> None:
        self._wanted.pop(session_id, None)
        self._wanted[session_id] = wanted
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wanted:
                await self._try_next()

    async def _try_next(self) -> None:
        session_id, wanted = next(iter(self._wanted.items()))
        self._current = session_id
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                is_accepted = await self._bring(session_id, wanted)
        except TimeoutError:
            await self._failed(session_id, wanted, ChannelError(f"no answer within {SEND_TIMEOUT:g} s"))
        except ChannelError as error:
            await self._failed(session_id, wanted, error)
        except Exception:
            log.exception("the channel %s failed", self._name)
            self._drop(session_id, wanted)
            if wanted is None:
                self._set(session_id, None)
        else:
            self._drop(session_id, wanted)
            if is_accepted:
                self._failures = 0
                self._backoff.reset()
                self._note("")
                self._report("")
        finally:
            self._current = ""

    async def _bring(self, session_id: str, wanted: SentMessage | None) -> bool:
        """Do what is wanted; return whether the service has accepted something.

        Each step that was done is stored, so that another attempt does not repeat it.
        """
        live = self.sent.get(session_id)
        if wanted is None:
            return await self._finish(session_id)
        if live is not None and live.message == wanted.message:
            return False  # its agent was not connected meanwhile
        if live is not None and live.request and live.request == wanted.request:
            reference = await self._channel.replace(live.reference, wanted.message)
        else:
            await self._finish(session_id)
            reference = await self._channel.send(wanted.message)
            self.state = QueueState(self.state.sent + 1, time.time_ns() // 1_000_000)
        self._set(session_id, msgspec.structs.replace(wanted, reference=reference))
        return True

    async def _finish(self, session_id: str) -> bool:
        """End the session's live message; return whether the service has accepted something."""
        live, is_accepted = self.sent.get(session_id), False
        if live is not None and live.request:  # others wait for nothing
            outcome = self._outcome(RequestKey(live.server, live.request))
            ended = msgspec.structs.replace(live.message, answers=(), text_code="", outcome=outcome)
            try:
                await self._channel.finish(live.reference, ended)
                is_accepted = True
            except ChannelError as error:
                if not error.is_permanent:
                    raise
                log.info("a message of %s cannot be changed any more: %s", self._name, error)
        if live is not None:
            self._set(session_id, None)
        return is_accepted

    def _set(self, session_id: str, live: SentMessage | None) -> None:
        self.sent.pop(session_id, None)
        if live is not None:
            self.sent[session_id] = live
        self._changed_sent()

    async def _failed(self, session_id: str, wanted: SentMessage | None, error: ChannelError) -> None:
        self._current = ""
        self._failures += 1
        self._note(str(error))
        if error.is_permanent or error.is_refused or self._failures >= BREAK_AFTER:
            self._report(f"{self._name} does not take messages: {error}")
        if error.is_permanent:
            self._drop(session_id, wanted)
            return
        log.info("%s does not take a message: %s", self._name, error)
        wait = error.retry_after or self._backoff.next_delay()
        if error.is_refused:
            wait = max(wait, REFUSED_RETRY)
        self._retry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._retry.wait()

    def retry(self) -> None:
        """Try again at once: the user may have corrected what was refused."""
        self._retry.set()

    def _drop(self, session_id: str, wanted: SentMessage | None) -> None:
        """Forget what was wanted, unless something else is wanted by now."""
        if self._wanted.get(session_id) is wanted:
            self._wanted.pop(session_id, None)

    def _note(self, problem: str) -> None:
        self.state = msgspec.structs.replace(self.state, problem=problem)
