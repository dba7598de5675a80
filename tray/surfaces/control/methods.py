"""What a person's own commands ask for, as choices: the methods of `/client`, each with its parameters checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tray.core import durations
from tray.core.answers import Answer, Decline, Permit, Verdict, reply_of
from tray.core.commands import (
    AnswerRequest,
    ArchiveSession,
    Command,
    CommandResult,
    CopyAttachCommand,
    CopySessionID,
    DeleteSession,
    DismissSession,
    ForkSession,
    Mute,
    MuteSpan,
    OpenInBrowser,
    OpenNextSession,
    OpenSession,
    PromptSession,
    Quit,
    RenameSession,
    RotateToken,
    ShowDiff,
    ShowMessages,
    ShowTodos,
    StopTurn,
    Surface,
    Unmute,
)
from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.id_lookup import find_request, find_session
from tray.core.model import Request, RequestKind, SessionKey
from tray.core.session_index import EVERYTHING, SessionIndex, project_scope, session_scope


class MethodError(UserError):
    """The command is not one, or its parameters are not what they have to be."""

    is_usage = True


class Params(msgspec.Struct):
    """All that a command may carry; each takes its own and ignores the rest."""

    session: str = ""
    request: str = ""
    verdict: str = ""
    message: str = ""
    answers: list[str] = []
    title: str = ""
    text: str = ""
    limit: int = 20
    scope: str = ""
    span: str = ""


class ControlMethods:
    """Turns a call into a choice, and hands it on."""

    def __init__(
        self, fleet: Fleet, index: SessionIndex, choose: Callable[[Command, Surface], Awaitable[CommandResult]]
    ) -> None:
        self._fleet = fleet
        self._index = index
        self._choose = choose

    async def run(self, method: str, params: msgspec.Raw) -> dict[str, Any]:
        """Carry it out; what came of it, as plain JSON values. Raises Problem."""
        try:
            given = msgspec.json.decode(bytes(params) or b"{}", type=Params)
        except msgspec.DecodeError as error:
            raise MethodError(f"{method}: {error}") from error
        done = await self._choose(self._choice(method, given), Surface.COMMAND)
        return {"ok": done.ok, "message": done.message, "as_requested": done.as_requested, "result": done.result}

    def _choice(self, method: str, given: Params) -> Command:
        match method:
            case "quit":
                return Quit()
            case "token.rotate":
                return RotateToken()
            case "next":
                return OpenNextSession()
            case "reply":
                return self._reply(given)
            case "mute":
                return Mute(self._scope(given), _span(given.span))
            case "unmute":
                return Unmute(self._scope(given))
            case _:
                return self._on_session(method, given)

    def _reply(self, given: Params) -> Command:
        key = find_request(self._fleet, self._index, given.request)
        request = self._fleet.request(key)
        verdicts = [verdict.value for verdict in Verdict]
        if bool(given.answers) == bool(given.verdict) or (given.verdict and given.verdict not in verdicts):
            raise MethodError("a permission takes once, always or reject; a question takes --answer TEXT, or reject")
        if request is None:
            return AnswerRequest(key, Decline())  # it was answered already, whatever is said to it now
        return AnswerRequest(key, _answer_to(request, given))

    def _scope(self, given: Params) -> str:
        if given.scope == "everything":
            return EVERYTHING
        if given.scope == "project" and not given.session:
            raise MethodError("whose project? name one of its sessions")
        key = find_session(self._fleet, self._index, given.session)
        session, server = self._fleet.sessions[key], self._fleet.servers[key.server]
        if given.scope == "project":
            return project_scope(session.directory or server.directory)
        return session_scope(session.id)

    def _on_session(self, method: str, given: Params) -> Command:
        makes: dict[str, Callable[[SessionKey], Command]] = {
            "attach": OpenSession,
            "browser": OpenInBrowser,
            "copy-command": CopyAttachCommand,
            "copy-id": CopySessionID,
            "stop": StopTurn,
            "fork": ForkSession,
            "archive": ArchiveSession,
            "delete": DeleteSession,
            "dismiss": DismissSession,
            "todos": ShowTodos,
            "diff": ShowDiff,
        }
        if method not in (*makes, "rename", "prompt", "messages"):
            raise MethodError(f"there is no command {method[:80]!r}")
        key = find_session(self._fleet, self._index, given.session)
        match method:
            case "rename":
                return RenameSession(key, given.title)
            case "prompt":
                return PromptSession(key, given.text)
            case "messages":
                return ShowMessages(key, given.limit)
            case _:
                return makes[method](key)


def _span(text: str) -> MuteSpan | int:
    """Raises CommandError."""
    if text in durations.UNTIL:
        return MuteSpan.TOMORROW if text == "tomorrow" else MuteSpan.FOREVER
    try:
        return durations.milliseconds(text)
    except ValueError:
        raise MethodError(f"{text!r} is no time to mute for; allowed: {durations.ALLOWED}") from None


def _answer_to(request: Request, given: Params) -> Answer:
    """Raises AnswerError, CommandError."""
    if request.kind is RequestKind.PERMISSION:
        if given.answers:
            raise MethodError("this is a permission: once, always or reject")
        return Permit(Verdict(given.verdict), given.message)
    if given.answers:
        return reply_of(request, given.answers)
    if given.verdict != Verdict.REJECT.value:
        raise MethodError("this is a question: --answer TEXT, or reject")
    if given.message:
        raise MethodError("a rejected question takes no message; answer it in your own words: --answer TEXT")
    return Decline()
