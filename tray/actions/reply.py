"""Answering a request: sent once, shown as sending until OpenCode itself says that it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from tray.core.answers import Answer, AnswerError, Decline, Permit, Reply, RequestKey, Verdict, asks_the_same, check
from tray.core.commands import CommandResult, Surface
from tray.core.events import AnswerFailed, AnswerSent, Event, RequestClosed
from tray.core.fleet import Fleet
from tray.core.model import Request, Server
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind, SourceCall
from tray.core.text import clean

CONFIRMED_WITHIN = CALL_TIMEOUT  # s from the click to OpenCode's own event

Record = Callable[[Mapping[str, Any]], None]


class _Awaited:
    """An answer on its way."""

    def __init__(self) -> None:
        self.over = asyncio.Event()  # the request waits no more
        self.verdict = ""  # how OpenCode says that it was answered


class Replies:
    """Sends answers. Each hangs on its request's id: one that is late, doubled or replayed finds nothing to answer."""

    def __init__(
        self, fleet: Fleet, apply: Callable[[Event], None], call: SourceCall, record: Record, now: Callable[[], int]
    ) -> None:
        self._fleet = fleet
        self._apply = apply
        self._call = call
        self._record = record
        self._now = now
        self._awaited: dict[RequestKey, _Awaited] = {}

    def happened(self, event: Event) -> None:
        """Look whether OpenCode has confirmed what was sent; after each event that the fleet has taken in."""
        if isinstance(event, RequestClosed):
            awaited = self._awaited.get(RequestKey(event.server_id, event.request_id))
            if awaited is not None:
                awaited.verdict = event.verdict
        for key, awaited in self._awaited.items():
            if self._fleet.request(key) is None:
                awaited.over.set()

    async def send(
        self, key: RequestKey, answer: Answer, surface: Surface, seen: Request | None = None
    ) -> CommandResult:
        """Answer, and wait for OpenCode's own word; returns what became of it. `seen`: what the person was shown."""
        request, server = self._fleet.request(key), self._fleet.servers.get(key.server)
        if request is None or server is None:
            return _nothing_waits(was_there=self._fleet.was_closed(key))
        if seen is not None and not asks_the_same(seen, request):
            return CommandResult("The request has changed; review it again", ok=False)
        if request.sending:
            return CommandResult("An answer is already being sent", as_requested=False)
        if server.read_only_reason:
            return CommandResult(
                f"This session is read-only ({server.read_only_reason}); answer it in its terminal", ok=False
            )
        if not server.live:
            return CommandResult("OpenCode is not connected; nothing was sent", ok=False)
        try:
            check(request, answer)
        except AnswerError as error:
            return CommandResult(str(error), ok=False)
        return await self._send(key, request, server, answer, surface)

    async def _send(
        self, key: RequestKey, request: Request, server: Server, answer: Answer, surface: Surface
    ) -> CommandResult:
        entry = _entry(request, server, answer, surface)
        awaited = self._awaited[key] = _Awaited()
        self._apply(AnswerSent(key))
        self._write(entry, "sending")
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                done = await self._ask(key, request, answer, awaited)
        except TimeoutError:
            done = CommandResult(f"OpenCode did not confirm the answer within {CONFIRMED_WITHIN:g} s", ok=False)
        except CallError as error:
            done = CommandResult(f"Not answered: {error}", ok=False)
            if error.kind is CallErrorKind.NOT_FOUND:
                self._apply(RequestClosed(key.server, request.session, key.request))
                done = CommandResult("Already answered elsewhere", as_requested=False)
        except Exception:
            self._apply(AnswerFailed(key, "failed; the log says why"))
            raise
        finally:
            del self._awaited[key]
        if not done.ok:
            self._apply(AnswerFailed(key, done.message))
        self._write(entry, "answered" if done.ok and done.as_requested else done.message)
        return done

    async def _ask(self, key: RequestKey, request: Request, answer: Answer, awaited: _Awaited) -> CommandResult:
        method, params = _call_of(request, answer)
        await self._call(key.server, method, params)
        await awaited.over.wait()
        if isinstance(answer, Permit) and awaited.verdict not in ("", answer.verdict.value):
            return CommandResult(f"Already answered elsewhere: {clean(awaited.verdict)}", as_requested=False)
        if not self._fleet.was_closed(key):  # its session or its server went
            return CommandResult("The request was closed, but OpenCode did not confirm this answer", as_requested=False)
        return CommandResult(f"{describe(answer)}: {request.title}")

    def _write(self, entry: Mapping[str, Any], result: str) -> None:
        self._record({"at": self._now(), **entry, "result": result})


def _nothing_waits(*, was_there: bool) -> CommandResult:
    if was_there:
        return CommandResult("Already answered", as_requested=False)
    return CommandResult("No pending request with this ID; `opencode-tray status` lists them", ok=False)


def _call_of(request: Request, answer: Answer) -> tuple[str, dict[str, Any]]:
    match answer:
        case Permit(verdict, message):
            told = {"requestID": request.id, "sessionID": request.session, "reply": verdict.value}
            return "permission.reply", told | ({"message": message} if message else {})
        case Reply(answers):
            return "question.reply", {"requestID": request.id, "answers": [list(chosen) for chosen in answers]}
        case Decline():
            return "question.reject", {"requestID": request.id}
        case _:
            assert_never(answer)


def describe(answer: Answer) -> str:
    """The answer in a few words."""
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


def _entry(request: Request, server: Server, answer: Answer, surface: Surface) -> dict[str, Any]:
    """What the audit log keeps: who was answered, what, and from where; never words of a person's own."""
    return {
        "surface": surface.value,
        "host": server.host,
        "directory": server.directory,
        "session": request.session,
        "request": request.id,
        "kind": request.kind.value,
        "asked": f"{request.title}: {request.detail}"[:500],
        "answer": describe(answer),
        **_particulars(request, answer),
    }


def _particulars(request: Request, answer: Answer) -> dict[str, Any]:
    """Which answer it was: the verdict, the patterns that are allowed always, the labels that were chosen."""
    match answer:
        case Permit(Verdict.ALWAYS):
            return {"verdict": Verdict.ALWAYS.value, "always": list(request.always)}
        case Permit(verdict, message):
            return {"verdict": verdict.value} | ({"message": _own_words(message)} if message else {})
        case Reply(answers):
            asked = [{option.label for option in question.options} for question in request.questions]
            told = zip(asked, answers, strict=True)
            return {"answers": [[text if text in labels else _own_words(text) for text in own] for labels, own in told]}
        case Decline():
            return {}
        case _:
            assert_never(answer)


def _own_words(text: str) -> dict[str, int]:
    """That there were words of a person's own, and how many characters; never the words."""
    return {"own_words": len(text)}
