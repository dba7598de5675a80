"""Answer requests. An answer is sent once, and the request is shown as sending until OpenCode confirms it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, assert_never

from tray.core.answers import (
    ANSWERED,
    SENDING,
    Answer,
    AnswerError,
    Decline,
    Permit,
    Reply,
    RequestKey,
    Verdict,
    asks_the_same,
    check,
    read_only_reason,
)
from tray.core.commands import CommandResult, Surface
from tray.core.events import AnswerFailed, AnswerSent, Event, RequestClosed
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.sessions import Request
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind, SourceCall
from tray.core.text import clean

CONFIRMATION_TIMEOUT = CALL_TIMEOUT  # s from the click to OpenCode's event that closes the request


class _SentAnswer:
    """An answer that OpenCode has not confirmed yet."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()  # set when the request is no longer pending
        self.verdict = ""  # the verdict that OpenCode reports


class Replies:
    """Sends answers. Each is bound to the ID of its request: a late, doubled or replayed answer has no effect."""

    def __init__(
        self,
        fleet: Fleet,
        apply: Callable[[Event], None],
        call: SourceCall,
        record: Callable[[Mapping[str, Any]], Awaitable[None]],
        now: Callable[[], int],
    ) -> None:
        """`apply` applies an event to the fleet; `record` appends to the audit log; `now` returns ms since 1970."""
        self._fleet = fleet
        self._apply = apply
        self._call = call
        self._record = record
        self._now = now
        self._sent: dict[RequestKey, _SentAnswer] = {}

    def on_event(self, event: Event) -> None:
        """Find out whether OpenCode has confirmed an answer. Call this after the fleet has applied the event."""
        if isinstance(event, RequestClosed):
            sent = self._sent.get(RequestKey(event.server_id, event.request_id))
            if sent is not None:
                sent.verdict = event.verdict
        for key, sent in self._sent.items():
            if self._fleet.request(key) is None:
                sent.closed.set()

    async def send(
        self, key: RequestKey, answer: Answer, surface: Surface, seen: Request | None = None, device: str = ""
    ) -> CommandResult:
        """Send an answer and wait for its confirmation.

        `seen` is the request that was shown to the user, `device` the page's device that showed it, if any.
        """
        request, server = self._fleet.request(key), self._fleet.servers.get(key.server)
        if request is None or server is None:
            return _not_pending(was_closed=self._fleet.was_closed(key))
        if seen is not None and not asks_the_same(seen, request):
            return CommandResult("The request has changed; review it again", ok=False)
        if request.sending:
            return CommandResult("An answer is already being sent", as_requested=False)
        if reason := read_only_reason(server, request):
            return CommandResult(f"This request is read-only ({reason}); answer it in its terminal", ok=False)
        if not server.live:
            return CommandResult(f"{server.agent_kind.title} is not connected; nothing was sent", ok=False)
        try:
            check(request, answer)
        except AnswerError as error:
            return CommandResult(str(error), ok=False)
        origin = {"surface": surface.value, **({"device": device} if device else {})}
        return await self._send(key, request, server, answer, {**origin, **_entry(request, server, answer)})

    async def _send(
        self, key: RequestKey, request: Request, server: Server, answer: Answer, entry: Mapping[str, Any]
    ) -> CommandResult:
        sent = self._sent[key] = _SentAnswer()
        self._apply(AnswerSent(key))
        await self._write(entry, SENDING)
        try:
            async with asyncio.timeout(CONFIRMATION_TIMEOUT):
                result = await self._call_and_wait(key, request, answer, sent)
        except TimeoutError:
            agent = server.agent_kind.title
            result = CommandResult(f"{agent} did not confirm the answer within {CONFIRMATION_TIMEOUT:g} s", ok=False)
        except CallError as error:
            result = CommandResult(f"Not answered: {error}", ok=False)
            if error.kind is CallErrorKind.NOT_FOUND:
                self._apply(RequestClosed(key.server, request.session, key.request))
                result = CommandResult("Already answered elsewhere", as_requested=False)
        except Exception:
            self._apply(AnswerFailed(key, "failed; see the log"))
            raise
        finally:
            del self._sent[key]
        if not result.ok:
            self._apply(AnswerFailed(key, result.message))
        await self._write(entry, ANSWERED if result.ok and result.as_requested else result.message)
        return result

    async def _call_and_wait(
        self, key: RequestKey, request: Request, answer: Answer, sent: _SentAnswer
    ) -> CommandResult:
        method, params = _call_of(request, answer)
        await self._call(key.server, method, params)
        await sent.closed.wait()
        if isinstance(answer, Permit) and sent.verdict not in ("", answer.verdict.value):
            return CommandResult(f"Already answered elsewhere: {clean(sent.verdict)}", as_requested=False)
        if not self._fleet.was_closed(key):  # its session was deleted, or its server disconnected
            return CommandResult("The request was closed, but this answer was not confirmed", as_requested=False)
        return CommandResult(f"{describe(answer)}: {request.title}")

    async def _write(self, entry: Mapping[str, Any], result: str) -> None:
        await self._record({"at": self._now(), **entry, "result": result})


def _not_pending(*, was_closed: bool) -> CommandResult:
    if was_closed:
        return CommandResult("Already answered", as_requested=False)
    return CommandResult("No pending request with this ID; `opencode-tray status` lists them", ok=False)


def _call_of(request: Request, answer: Answer) -> tuple[str, dict[str, Any]]:
    """Return the method and the parameters that send the answer."""
    match answer:
        case Permit(verdict, message):
            params = {"requestID": request.id, "sessionID": request.session, "reply": verdict.value}
            return "permission.reply", params | ({"message": message} if message else {})
        case Reply(answers):
            return "question.reply", {"requestID": request.id, "answers": [list(chosen) for chosen in answers]}
        case Decline():
            return "question.reject", {"requestID": request.id}
        case _:
            assert_never(answer)


def describe(answer: Answer) -> str:
    """Return the answer in a few words, for the user."""
    match answer:
        case Permit(Verdict.ONCE):
            return "Allowed once"
        case Permit(Verdict.ALWAYS):
            return "Allowed always"
        case Permit() | Decline():
            return "Rejected"
        case Reply():
            return "Answered"
        case _:
            assert_never(answer)


def _entry(request: Request, server: Server, answer: Answer) -> dict[str, Any]:
    """Return the request and the answer for the audit log, but no text that the user typed."""
    return {
        "host": server.host,
        "directory": server.directory,
        "session": request.session,
        "request": request.id,
        "kind": request.kind.value,
        "asked": f"{request.title}: {request.detail}"[:500],
        "answer": describe(answer),
        **_answer_fields(request, answer),
    }


def _answer_fields(request: Request, answer: Answer) -> dict[str, Any]:
    """Return the verdict and the patterns that are always allowed, or the chosen labels."""
    match answer:
        case Permit(Verdict.ALWAYS):
            return {"verdict": Verdict.ALWAYS.value, "always": list(request.always)}
        case Permit(verdict, message):
            return {"verdict": verdict.value} | ({"message": _own_words(message)} if message else {})
        case Reply(answers):
            options = [{option.label for option in question.options} for question in request.questions]
            return {
                "answers": [
                    [text if text in labels else _own_words(text) for text in chosen]
                    for labels, chosen in zip(options, answers, strict=True)
                ]
            }
        case Decline():
            return {}
        case _:
            assert_never(answer)


def _own_words(text: str) -> dict[str, int]:
    """Return the number of characters of a text that the user typed, which the audit log does not contain."""
    return {"own_words": len(text)}
