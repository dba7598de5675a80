"""Answers from the page: each is bound to the request and to the digest of what the browser showed of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from tray.core.answers import (
    Answer,
    AnswerError,
    Decline,
    Permit,
    Reply,
    RequestKey,
    Verdict,
    is_readable,
    may_be_always,
)
from tray.core.commands import AnswerRequest, CommandResult, Surface
from tray.core.devices import Device, Scope
from tray.core.fleet import Fleet
from tray.core.request_digest import digest
from tray.core.sessions import Request, RequestKind
from tray.core.text import clean
from tray.surfaces.page.services import Execute

MAX_GIVEN = 256  # answers that are kept to say who gave them; a new one replaces the oldest
CHANGED = "It has changed, look again"


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an answer: one of `reply`, `answers` and `reject`."""

    seen: str
    reply: str = ""  # to a permission: a Verdict
    answers: list[list[str]] | None = None  # to questions: the chosen labels or the user's own text, for each
    reject: bool = False
    message: str = ""  # with a rejection of a permission


class _Given(msgspec.Struct, frozen=True):
    """An answer that was given on the page, its device and its result."""

    answer: Answer
    device: Device
    result: CommandResult


class PageAnswers:
    """Sends answers. The same request is never answered twice; a second device gets the first one's result."""

    def __init__(self, fleet: Fleet, execute: Execute) -> None:
        self._fleet = fleet
        self._execute = execute
        self._sending: dict[RequestKey, asyncio.Task[CommandResult]] = {}
        self._given: dict[RequestKey, _Given] = {}

    async def answer(self, request_id: str, body: AnswerBody, device: Device) -> dict[str, Any]:
        """Answer the request and return the result. Raises AnswerError, HTTPNotFound, HTTPConflict, HTTPForbidden."""
        key = self._find(request_id, body.seen)
        while (sending := self._sending.get(key)) is not None:
            await asyncio.wait([sending])
        request = self._fleet.request(key)
        if request is None:
            return self._closed(key)
        if digest(key.server, request) != body.seen:
            raise web.HTTPConflict(text=CHANGED)
        answer = _answer_to(request, body)
        _check_scope(device, answer)
        origin = f"{device.name} ({device.id}) at {device.address}"
        command = AnswerRequest(key, answer, request, origin)
        # A browser that disconnects does not cancel an answer that is on its way.
        task = asyncio.create_task(self._send(key, command, device), name="answer from the page")
        self._sending[key] = task
        return _result(await asyncio.shield(task))

    async def _send(self, key: RequestKey, command: AnswerRequest, device: Device) -> CommandResult:
        try:
            result = await self._execute(command, Surface.PAGE)
            if result.ok:
                self._given[key] = _Given(command.answer, device, result)
                if len(self._given) > MAX_GIVEN:
                    del self._given[next(iter(self._given))]
            return result
        finally:
            del self._sending[key]

    def _find(self, request_id: str, seen: str) -> RequestKey:
        """Return the request with this ID; of several, the one that was seen. Raises HTTPNotFound."""
        keys = [RequestKey(server, request_id) for server in self._fleet.servers]
        pending = [(key, request) for key in keys if (request := self._fleet.request(key)) is not None]
        for key, request in pending:
            if digest(key.server, request) == seen:
                return key
        if pending:
            return pending[0][0]
        closed = next((key for key in keys if self._fleet.was_closed(key)), None)
        if closed is None:
            raise web.HTTPNotFound(text="no such request")
        return closed

    def _closed(self, key: RequestKey) -> dict[str, Any]:
        """Return the result for a request that is no longer pending."""
        given = self._given.get(key)
        if given is None:
            return {"ok": True, "as_requested": False, "message": "Already answered elsewhere"}
        verdict = given.answer.verdict.value if isinstance(given.answer, Permit) else ""
        message = f"Already answered by {given.device.name}: {given.result.message}"
        return {"ok": True, "as_requested": False, "message": message, "verdict": verdict, "by": given.device.name}


def _answer_to(request: Request, body: AnswerBody) -> Answer:
    """Return the answer if it fits the request and the user could read what it allows. Raises AnswerError."""
    if (bool(body.reply) + (body.answers is not None) + body.reject) != 1:
        raise AnswerError("give one of reply, answers and reject")
    is_permission = request.kind is RequestKind.PERMISSION
    if body.reject or body.reply == Verdict.REJECT.value:
        return Permit(Verdict.REJECT, body.message) if is_permission else Decline()
    if not is_readable(request):
        raise AnswerError("it cannot be shown in full here; answer it in its terminal")
    if body.answers is not None:
        return Reply(tuple(tuple(chosen) for chosen in body.answers))
    if body.reply not in {verdict.value for verdict in Verdict}:
        raise AnswerError("a reply is once, always or reject")
    verdict = Verdict(body.reply)
    if verdict is Verdict.ALWAYS and not may_be_always(request):
        raise AnswerError("it cannot be allowed always here")
    return Permit(verdict, body.message)


def _check_scope(device: Device, answer: Answer) -> None:
    is_always = isinstance(answer, Permit) and answer.verdict is Verdict.ALWAYS
    if is_always and not device.scope.allows(Scope.ACT):
        raise web.HTTPForbidden(text="this device may not allow always")


def _result(result: CommandResult) -> dict[str, Any]:
    return {"ok": result.ok, "as_requested": result.as_requested, "message": clean(result.message)}
