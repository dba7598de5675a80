"""The methods of the control API that run a command: parameters are checked, and a command record is created."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tray.core import durations
from tray.core.answers import Answer, Decline, Permit, Verdict, reply_of
from tray.core.commands import (
    SESSION_COMMAND_RECORDS,
    AddRemote,
    AnswerRequest,
    CheckRemote,
    CloseWays,
    Command,
    CommandResult,
    DecidePairing,
    ListChannels,
    ListDevices,
    ListPairings,
    ListRemotes,
    Mute,
    MuteSpan,
    OpenDashboard,
    OpenNextSession,
    OpenTunnel,
    PairChannel,
    PairPhone,
    Quit,
    RemoveRemote,
    RevokeDevice,
    RevokeDevices,
    RotateToken,
    SendTestMessage,
    ServeOnTailnet,
    SessionCommand,
    Surface,
    Unmute,
)
from tray.core.devices import Scope
from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.id_lookup import find_request, find_session
from tray.core.lenient_json import JSON_ERRORS
from tray.core.phone_ways import Way
from tray.core.session_commands import SESSION_COMMANDS
from tray.core.session_index import EVERYTHING, SessionIndex, project_scope
from tray.core.sessions import Request, RequestKind, session_scope


class MethodError(UserError):
    """The method is unknown, or its parameters are invalid."""

    is_usage = True


class Params(msgspec.Struct):
    """The parameters of all methods. A method ignores those that it does not use."""

    session: str = ""  # ID, or the start of one
    request: str = ""  # ID, or the start of one
    verdict: str = ""  # "once", "always" or "reject"
    message: str = ""  # sent to the agent with "reject"
    answers: list[str] = []  # one for each question; labels are separated by commas
    title: str = ""
    text: str = ""
    limit: int = 20  # messages
    scope: str = ""  # of a mute: "everything", "session" or "project" (the one that `session` is in)
    duration: str = ""  # of a mute: see tray.core.durations
    channel: str = ""  # its name
    remote: str = ""  # HOST or USER@HOST
    device: str = ""  # ID, or the start of one, or that of a pairing; of "devices.revoke", empty: all
    in_browser: bool = True  # of "dashboard": False only returns the address
    way: str = ""  # of "phone"; empty: the best one that is open
    program: str = ""  # of "phone.tunnel"; empty: the first one that is installed
    device_scope: str = ""  # of "dashboard" (empty: "act") and "phone.decide"


class ControlMethods:
    """Creates the command for each call and executes it."""

    def __init__(
        self, fleet: Fleet, index: SessionIndex, execute: Callable[[Command, Surface], Awaitable[CommandResult]]
    ) -> None:
        self._fleet = fleet
        self._index = index
        self._execute = execute

    async def run(self, method: str, raw_params: msgspec.Raw) -> dict[str, Any]:
        """Execute the command and return its result as plain JSON values. Raises UserError if there is no command."""
        try:
            params = msgspec.json.decode(bytes(raw_params) or b"{}", type=Params)
        except JSON_ERRORS as error:
            raise MethodError(f"{method}: {error}") from error
        result = await self._execute(self.command(method, params), Surface.COMMAND)
        return {
            "ok": result.ok,
            "message": result.message,
            "as_requested": result.as_requested,
            "result": result.result,
        }

    def command(self, method: str, params: Params) -> Command:
        """Return the command of a call. Raises UserError if there is none."""
        match method:
            case "quit":
                return Quit()
            case "token.rotate":
                return RotateToken()
            case "next":
                return OpenNextSession()
            case "dashboard":
                return OpenDashboard(params.in_browser, _device_scope(params.device_scope or Scope.ACT.value))
            case "devices":
                return ListDevices()
            case "phone":
                return PairPhone(_way(params.way))
            case "phone.tunnel":
                return OpenTunnel(params.program)
            case "phone.tailscale":
                return ServeOnTailnet()
            case "phone.stop":
                return CloseWays()
            case "phone.pending":
                return ListPairings()
            case "phone.decide":
                scope = _device_scope(params.device_scope) if params.verdict != Verdict.REJECT.value else None
                return DecidePairing(params.device, scope)
            case "channels":
                return ListChannels()
            case "channels.test":
                return SendTestMessage(params.channel)
            case "channels.pair":
                return PairChannel(params.channel)
            case "remotes":
                return ListRemotes()
            case "remotes.add":
                return AddRemote(params.remote)
            case "remotes.doctor":
                return CheckRemote(params.remote)
            case "remotes.remove":
                return RemoveRemote(params.remote)
            case "devices.revoke":
                return RevokeDevice(params.device) if params.device else RevokeDevices()
            case "reply":
                return self._reply(params)
            case "mute":
                return Mute(self._scope(params), _duration(params.duration))
            case "unmute":
                return Unmute(self._scope(params))
            case _:
                return self._session_command(method, params)

    def _reply(self, params: Params) -> Command:
        key = find_request(self._fleet, self._index, params.request)
        request = self._fleet.request(key)
        verdicts = [verdict.value for verdict in Verdict]
        if bool(params.answers) == bool(params.verdict) or (params.verdict and params.verdict not in verdicts):
            raise MethodError("answer a permission with once, always or reject, a question with --answer or reject")
        if request is None:
            return AnswerRequest(key, Decline())  # already answered: the result says so, whatever the answer is
        return AnswerRequest(key, _answer_to(request, params))

    def _scope(self, params: Params) -> str:
        if params.scope == "everything":
            return EVERYTHING
        if params.scope == "project" and not params.session:
            raise MethodError("--project needs the ID of a session in that project")
        key = find_session(self._fleet, self._index, params.session)
        session, server = self._fleet.sessions[key], self._fleet.servers[key.server]
        if params.scope == "project":
            return project_scope(session.directory or server.directory)
        return session_scope(session.id)

    def _session_command(self, method: str, params: Params) -> SessionCommand:
        record = SESSION_COMMAND_RECORDS.get(method)
        if record is None:
            raise MethodError(f"unknown method {method[:80]!r}")
        key = find_session(self._fleet, self._index, params.session)
        parameter = SESSION_COMMANDS[method].parameter
        return record(key, getattr(params, parameter)) if parameter else record(key)


def _device_scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise MethodError(f"invalid scope {text!r}; use watch, answer or act") from None


def _way(text: str) -> Way | None:
    try:
        return Way(text) if text else None
    except ValueError:
        raise MethodError(f"invalid way {text!r}; use {', '.join(way.value for way in Way)}") from None


def _duration(text: str) -> MuteSpan | int:
    """Return the duration of a mute; a number is in ms. Raises MethodError."""
    if text in durations.OPEN_ENDED:
        return MuteSpan.TOMORROW if text == "tomorrow" else MuteSpan.FOREVER
    try:
        return durations.milliseconds(text)
    except ValueError:
        raise MethodError(f"invalid duration {text!r}; use {durations.ALLOWED}") from None


def _answer_to(request: Request, params: Params) -> Answer:
    """Return the answer if it fits the kind of the request. Raises AnswerError, MethodError."""
    if request.kind is RequestKind.PERMISSION:
        if params.answers:
            raise MethodError("this is a permission: answer it with once, always or reject")
        return Permit(Verdict(params.verdict), params.message)
    if params.answers:
        return reply_of(request, params.answers)
    if params.verdict != Verdict.REJECT.value:
        raise MethodError("this is a question: answer it with --answer TEXT, or reject it")
    if params.message:
        raise MethodError("--message works only with permissions; reject the question, or answer it with --answer TEXT")
    return Decline()
