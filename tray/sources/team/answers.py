"""Answers that travel through the broker: those of others to requests of this tray, and those from here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tray.core.answers import RequestKey, Verdict
from tray.core.commands import AnswerRequest, CommandResult
from tray.core.fleet import Fleet
from tray.core.published_tray import PublishedTray
from tray.core.request_digest import digest
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.team import ASK, RESULT, AnswerWanted, Result, tray_id
from tray.core.team_asks import AskChecks, AskRefusedError
from tray.core.team_publication import shared_server
from tray.core.team_settings import TrustedTray
from tray.core.text import clean
from tray.sources.team.broker_connection import NotConnectedError
from tray.sources.team.outbox import Outbox

log = logging.getLogger(__name__)

RESULT_TIMEOUT = 9.0  # s; a bit less than an answer gets as a whole (source_calls.CALL_TIMEOUT)
MAX_AT_ONCE = 16  # answers of others; further ones are dropped

Execute = Callable[[AnswerRequest], Awaitable[CommandResult]]


class AnswersOfOthers:
    """Checks what other trays answer, and executes it. Lives on the event loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        outbox: Outbox,
        trusted: tuple[TrustedTray, ...],
        execute: Execute,
        now: Callable[[], int],
    ) -> None:
        """`trusted` are the trays that may answer; `execute` answers as a user of this tray does."""
        self._fleet = fleet
        self._outbox = outbox
        self._trusted = trusted
        self._execute = execute
        self._now = now
        self._checks = AskChecks()
        self._running = 0

    async def answer(self, ask: AnswerWanted, sender: str) -> None:
        """Execute an answer that `sender` has signed, a public key, and send it what became of it."""
        if self._running >= MAX_AT_ONCE:
            return
        self._running += 1
        try:
            result = await self._result(ask, sender)
            await self._outbox.send(tray_id(sender), RESULT, Result(ask.id, result.ok, result.message), ask.box)
        except (NotConnectedError, ValueError) as error:
            log.info("the result of an answer cannot be sent: %s", error)
        finally:
            self._running -= 1

    async def _result(self, ask: AnswerWanted, sender: str) -> CommandResult:
        key = RequestKey(ask.server, ask.request)
        server = self._fleet.servers.get(key.server)
        is_shared = server is not None and shared_server(server) is not None
        request = self._fleet.request(key) if is_shared else None
        try:
            tray = self._checks.check(ask, sender, self._trusted, request, self._now())
        except AskRefusedError as error:
            log.info("an answer of the tray %s was refused: %s", tray_id(sender), error)
            return CommandResult(str(error), ok=False)
        return await self._execute(AnswerRequest(key, ask.answer, request, f"{tray.name} (tray {tray_id(sender)})"))


class AnswersFromHere:
    """Sends answers to the tray that owns the request. Lives on the event loop's thread."""

    def __init__(self, fleet: Fleet, outbox: Outbox, box: str, now: Callable[[], int]) -> None:
        """`box` is the key with which to seal what only this tray may read."""
        self._fleet = fleet
        self._outbox = outbox
        self._box = box
        self._now = now
        self._sent: dict[str, tuple[str, asyncio.Future[Result]]] = {}  # ID -> tray, and its result

    async def send(self, tray: PublishedTray, server_id: str, method: str, params: Mapping[str, Any]) -> None:
        """Send an answer, and wait until the other tray says what became of it. Raises CallError."""
        ask = self._ask(tray, server_id, method, params)
        if not tray.is_online:
            raise CallError("its tray is not connected", CallErrorKind.GONE)
        future = asyncio.get_running_loop().create_future()
        self._sent[ask.id] = tray.id, future
        try:
            await self._outbox.send(tray.id, ASK, ask, tray.presence.box)
            async with asyncio.timeout(RESULT_TIMEOUT):
                result = await future
        except NotConnectedError as error:
            raise CallError(str(error), CallErrorKind.GONE) from error
        except ValueError as error:
            raise CallError("its tray has published no valid key") from error
        except TimeoutError as error:
            raise CallError(f"its tray did not answer within {RESULT_TIMEOUT:g} s", CallErrorKind.SILENT) from error
        finally:
            del self._sent[ask.id]
            if future.done() and not future.cancelled():
                future.exception()  # else asyncio would log an error that no task waits for
        if not result.ok:
            raise CallError(f"its tray has refused: {clean(result.message)[:300]}")

    def receive(self, result: Result, sender: str) -> None:
        """Take a result that `sender` has signed, a public key. Only the tray that was asked can give it."""
        owner, future = self._sent.get(result.id, ("", None))
        if future is not None and not future.done() and tray_id(sender) == owner:
            future.set_result(result)

    def lose(self) -> None:
        """Give up all answers that are on their way: the connection was lost."""
        for _, future in self._sent.values():
            if not future.done():
                future.set_exception(NotConnectedError("the connection to the broker was lost"))

    def _ask(self, tray: PublishedTray, server_id: str, method: str, params: Mapping[str, Any]) -> AnswerWanted:
        request = self._fleet.request(RequestKey(server_id, str(params.get("requestID", ""))))
        if request is None or method not in ("permission.reply", "question.reply", "question.reject"):
            raise CallError("another tray takes only answers to requests", CallErrorKind.READ_ONLY)
        server = server_id.removeprefix(tray.server_id(""))
        return AnswerWanted(
            id=secrets.token_hex(16),
            at=self._now(),
            box=self._box,
            server=server,
            request=request.id,
            seen=digest(server, request),
            verdict=Verdict(params["reply"]) if method == "permission.reply" else None,
            message=str(params.get("message", "")),
            answers=tuple(map(tuple, params.get("answers", ()))),
        )
