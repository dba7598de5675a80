"""OpenCode's events into core events: the table of every event type that bears on what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from tray.core.events import (
    ActivityReported,
    BranchReported,
    InstanceDisposed,
    MessageReported,
    OutputReported,
    RequestAsked,
    RequestClosed,
    SessionDeleted,
    SessionFailed,
    SessionReported,
    SourceEvent,
    TodosReported,
    ToolReported,
)
from tray.core.model import Activity
from tray.core.text import last_line
from tray.opencode.lenient_json import JSON_ERRORS
from tray.sources.protocol.schema import (
    OUTPUT,
    SHORT,
    ErrorInfo,
    MessageInfo,
    PartInfo,
    PermissionInfo,
    QuestionInfo,
    SessionInfo,
    StatusInfo,
    TodoInfo,
    todos_known,
)


class FrameError(ValueError):
    """What came is not what the protocol says; the message names the field."""


ABSENT = msgspec.Raw(b"")  # the value of a field that did not come


class _Envelope(msgspec.Struct):
    """An event of protocol 1; protocol 2 sends the pair alone."""

    type: str
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Session(msgspec.Struct):
    info: SessionInfo


class _Deleted(msgspec.Struct):
    sessionID: str = ""
    info: SessionInfo | None = None


class _Status(msgspec.Struct):
    sessionID: str
    status: StatusInfo


class _Idle(msgspec.Struct):
    sessionID: str


class _Failed(msgspec.Struct):
    sessionID: str = ""
    error: ErrorInfo | None = None


class _Replied(msgspec.Struct):
    sessionID: str
    requestID: str = ""
    permissionID: str = ""
    reply: str = ""
    response: str = ""


class _Todos(msgspec.Struct):
    sessionID: str
    todos: list[TodoInfo]


class _Message(msgspec.Struct):
    info: MessageInfo


class _Part(msgspec.Struct):
    part: PartInfo


class _Branch(msgspec.Struct):
    branch: str = ""


class _Disposed(msgspec.Struct):
    directory: str = ""


T = TypeVar("T", bound=msgspec.Struct)


class EventKind(msgspec.Struct, frozen=True):
    """One of OpenCode's event types: what its properties look like, and what core is told."""

    shape: type[msgspec.Struct]
    decode: Callable[[str, msgspec.Raw, int], tuple[SourceEvent, ...]]


def _of(shape: type[T], made: Callable[[str, T, int], SourceEvent | None]) -> EventKind:
    decoder = msgspec.json.Decoder(shape)

    def decode(server_id: str, properties: msgspec.Raw, at: int) -> tuple[SourceEvent, ...]:
        event = made(server_id, decoder.decode(properties), at)
        return () if event is None else (event,)

    return EventKind(shape, decode)


def _session_deleted(server_id: str, told: _Deleted, at: int) -> SourceEvent | None:  # noqa: ARG001
    session_id = told.info.id if told.info else told.sessionID
    return SessionDeleted(server_id, session_id[:SHORT]) if session_id else None


def _session_failed(server_id: str, told: _Failed, at: int) -> SourceEvent | None:  # noqa: ARG001
    if not told.sessionID:
        return None  # an error of the whole server bears on no session's state
    return SessionFailed(server_id, told.sessionID[:SHORT], (told.error or ErrorInfo()).known())


def _replied(server_id: str, told: _Replied, at: int) -> SourceEvent:  # noqa: ARG001
    verdict = (told.reply or told.response)[:SHORT]
    return RequestClosed(server_id, told.sessionID[:SHORT], (told.requestID or told.permissionID)[:SHORT], verdict)


def _part(server_id: str, told: _Part, at: int) -> SourceEvent | None:  # noqa: ARG001
    part = told.part
    if part.type == "tool":
        return ToolReported(server_id, part.sessionID[:SHORT], part.tool[:SHORT], part.running)
    if part.type == "text" and not part.synthetic and (line := last_line(part.text, OUTPUT)):
        return OutputReported(server_id, part.sessionID[:SHORT], part.messageID[:SHORT], line)
    return None


_session = _of(_Session, lambda server_id, told, _: SessionReported(server_id, told.info.known()))
_permission = _of(PermissionInfo, lambda server_id, told, at: RequestAsked(server_id, told.known(at)))
_answered = _of(_Replied, _replied)

EVENTS: Mapping[str, EventKind] = {
    "session.created": _session,
    "session.updated": _session,
    "session.deleted": _of(_Deleted, _session_deleted),
    "session.status": _of(
        _Status, lambda s, told, _: ActivityReported(s, told.sessionID[:SHORT], *told.status.known())
    ),
    "session.idle": _of(_Idle, lambda s, told, _: ActivityReported(s, told.sessionID[:SHORT], Activity.IDLE)),
    "session.error": _of(_Failed, _session_failed),
    "permission.asked": _permission,
    "permission.updated": _permission,
    "permission.replied": _answered,
    "question.asked": _of(QuestionInfo, lambda s, told, at: RequestAsked(s, told.known(at))),
    "question.replied": _answered,
    "question.rejected": _answered,
    "todo.updated": _of(_Todos, lambda s, told, _: TodosReported(s, told.sessionID[:SHORT], todos_known(told.todos))),
    "message.updated": _of(
        _Message, lambda s, told, _: MessageReported(s, told.info.sessionID[:SHORT], told.info.known())
    ),
    "message.part.updated": _of(_Part, _part),
    "vcs.branch.updated": _of(_Branch, lambda s, told, _: BranchReported(s, told.branch[:SHORT])),
    "server.instance.disposed": _of(_Disposed, lambda s, *_: InstanceDisposed(s)),
}

_event = msgspec.json.Decoder(tuple[str, msgspec.Raw] | _Envelope)


def decode_event(server_id: str, raw: bytes | msgspec.Raw, at: int) -> tuple[SourceEvent, ...]:
    """One of OpenCode's events, as protocol 2 or 1 writes it; `()` if it bears on nothing shown. Raises FrameError."""
    try:
        told = _event.decode(raw)
        kind, properties = (told.type, told.properties) if isinstance(told, _Envelope) else told
        known = EVENTS.get(kind)
        return () if known is None else known.decode(server_id, properties, at)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
