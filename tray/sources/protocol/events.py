"""Decode OpenCode's events to core events. `EVENTS` is the table of all event types that the tray uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from tray.core.events import (
    ActivityReported,
    BranchReported,
    FileEdited,
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
from tray.core.lenient_json import JSON_ERRORS
from tray.core.numbers import whole
from tray.core.sessions import Activity
from tray.core.text import beginning, last_line
from tray.sources.protocol.requests import PermissionInfo, QuestionInfo
from tray.sources.protocol.schema import (
    OUTPUT,
    SHORT,
    ErrorInfo,
    MessageInfo,
    Number,
    PartInfo,
    SessionInfo,
    StatusInfo,
    TodoInfo,
    extension_of,
    todos_to_core,
)


class FrameError(ValueError):
    """A frame does not follow the protocol. The message names the field."""


ABSENT = msgspec.Raw(b"")  # the value of an absent field


class _Envelope(msgspec.Struct):
    """An event of protocol 1."""

    type: str
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Event(NamedTuple):
    """An event of protocol 2."""

    type: str
    properties: msgspec.Raw
    number: int = 0  # among the frames of its connection; 0: it has none


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


class _Edited(msgspec.Struct):
    sessionID: str
    callID: str
    extension: str = ""
    added: Number = 0
    removed: Number = 0


class _Branch(msgspec.Struct):
    branch: str = ""


class _Disposed(msgspec.Struct):
    directory: str = ""


T = TypeVar("T", bound=msgspec.Struct)


class EventKind(msgspec.Struct, frozen=True):
    """One of OpenCode's event types: the record of its properties, and the function that decodes them.

    `decode` takes the server id, the properties and the time now in ms since the Unix epoch. It raises one of
    JSON_ERRORS.
    """

    shape: type[msgspec.Struct]
    decode: Callable[[str, msgspec.Raw, int], tuple[SourceEvent, ...]]


def _event_kind(shape: type[T], convert: Callable[[str, T, int], SourceEvent | None]) -> EventKind:
    def events(server_id: str, data: T, at: int) -> tuple[SourceEvent, ...]:
        event = convert(server_id, data, at)
        return () if event is None else (event,)

    return _events_kind(shape, events)


def _events_kind(shape: type[T], convert: Callable[[str, T, int], tuple[SourceEvent, ...]]) -> EventKind:
    decoder = msgspec.json.Decoder(shape)
    return EventKind(shape, lambda server_id, properties, at: convert(server_id, decoder.decode(properties), at))


def _session_deleted(server_id: str, data: _Deleted, at: int) -> SourceEvent | None:  # noqa: ARG001
    session_id = data.info.id if data.info else data.sessionID
    return SessionDeleted(server_id, session_id[:SHORT]) if session_id else None


def _session_failed(server_id: str, data: _Failed, at: int) -> SourceEvent | None:  # noqa: ARG001
    if not data.sessionID:
        return None  # an error of the server, not of a session
    return SessionFailed(server_id, data.sessionID[:SHORT], (data.error or ErrorInfo()).to_core())


def _request_closed(server_id: str, data: _Replied, at: int) -> SourceEvent:  # noqa: ARG001
    request_id, verdict = data.requestID or data.permissionID, data.reply or data.response
    return RequestClosed(server_id, data.sessionID[:SHORT], request_id[:SHORT], verdict[:SHORT])


def _part_updated(server_id: str, data: _Part, at: int) -> tuple[SourceEvent, ...]:  # noqa: ARG001
    part = data.part
    if part.type == "tool":
        tool = ToolReported(server_id, part.sessionID[:SHORT], part.tool[:SHORT], part.running)
        if (edit := part.edit) is None or not part.callID:
            return (tool,)
        return tool, FileEdited(server_id, part.sessionID[:SHORT], part.unique_call, *edit)
    if part.type == "text" and not part.synthetic and (line := last_line(part.text, OUTPUT)):
        begins_with = beginning(part.text, OUTPUT)
        return (OutputReported(server_id, part.sessionID[:SHORT], part.messageID[:SHORT], line, begins_with),)
    return ()


def _edited(server_id: str, data: _Edited, at: int) -> SourceEvent:  # noqa: ARG001
    extension = extension_of(f"file{data.extension}")
    counts = whole(data.added), whole(data.removed)
    return FileEdited(server_id, data.sessionID[:SHORT], data.callID[:SHORT], extension, *counts)


_SESSION_UPDATED = _event_kind(_Session, lambda server, data, _: SessionReported(server, data.info.to_core()))
_PERMISSION_ASKED = _event_kind(PermissionInfo, lambda server, data, at: RequestAsked(server, data.to_core(at)))
_REQUEST_CLOSED = _event_kind(_Replied, _request_closed)

EVENTS: Mapping[str, EventKind] = {
    "session.created": _SESSION_UPDATED,
    "session.updated": _SESSION_UPDATED,
    "session.deleted": _event_kind(_Deleted, _session_deleted),
    "session.status": _event_kind(
        _Status, lambda server, data, _: ActivityReported(server, data.sessionID[:SHORT], *data.status.to_core())
    ),
    "session.idle": _event_kind(
        _Idle, lambda server, data, _: ActivityReported(server, data.sessionID[:SHORT], Activity.IDLE)
    ),
    "session.error": _event_kind(_Failed, _session_failed),
    "permission.asked": _PERMISSION_ASKED,
    "permission.updated": _PERMISSION_ASKED,
    "permission.replied": _REQUEST_CLOSED,
    "question.asked": _event_kind(QuestionInfo, lambda server, data, at: RequestAsked(server, data.to_core(at))),
    "question.replied": _REQUEST_CLOSED,
    "question.rejected": _REQUEST_CLOSED,
    "todo.updated": _event_kind(
        _Todos, lambda server, data, _: TodosReported(server, data.sessionID[:SHORT], todos_to_core(data.todos))
    ),
    "message.updated": _event_kind(
        _Message, lambda server, data, _: MessageReported(server, data.info.sessionID[:SHORT], data.info.to_core())
    ),
    "message.part.updated": _events_kind(_Part, _part_updated),
    "tray.edit": _event_kind(_Edited, _edited),
    "vcs.branch.updated": _event_kind(_Branch, lambda server, data, _: BranchReported(server, data.branch[:SHORT])),
    "server.instance.disposed": _event_kind(_Disposed, lambda server, *_: InstanceDisposed(server)),
}

_event = msgspec.json.Decoder(_Event | _Envelope)


def decode_event(server_id: str, raw: bytes | msgspec.Raw, at: int) -> tuple[SourceEvent, ...]:
    """Decode one of OpenCode's events, in the form of protocol 2 or 1. Raises FrameError.

    Return `()` for an event that the tray does not use. `at` is the time now, in ms since the Unix epoch.
    """
    return decode_numbered_event(server_id, raw, at)[1]


def decode_numbered_event(server_id: str, raw: bytes | msgspec.Raw, at: int) -> tuple[int, tuple[SourceEvent, ...]]:
    """Decode as `decode_event` does; return the number of its frame as well, 0 if it has none. Raises FrameError."""
    try:
        event = _event.decode(raw)
        kind = EVENTS.get(event.type)
        number = event.number if isinstance(event, _Event) else 0
        return number, () if kind is None else kind.decode(server_id, event.properties, at)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
