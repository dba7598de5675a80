"""Decode a snapshot frame to `SnapshotTaken`."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tray.core.events import SessionFacts, SnapshotTaken
from tray.core.fleet_state import MAX_SESSIONS
from tray.core.lenient_json import JSON_ERRORS
from tray.core.numbers import whole
from tray.core.servers import Service
from tray.core.sessions import Activity, Request, Retry, Todo
from tray.opencode.services import services_of
from tray.sources.protocol.digest import DigestInfo
from tray.sources.protocol.events import ABSENT, FrameError
from tray.sources.protocol.requests import PermissionInfo, QuestionInfo
from tray.sources.protocol.schema import SHORT, Number, SessionInfo, StatusInfo, TodoInfo, todos_to_core

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

MAX_ENTRIES = 1_000  # of one section; the rest is ignored
BUSY = StatusInfo("busy")


class _SessionInfo(SessionInfo):
    digest: DigestInfo | None = None

    def to_core(self) -> SessionFacts:
        """Return the record of core."""
        facts = SessionInfo.to_core(self)
        return replace(facts, digest=self.digest.to_core()) if self.digest else facts


class _Snapshot(msgspec.Struct):
    sessions: msgspec.Raw = ABSENT
    status: msgspec.Raw = ABSENT
    permissions: msgspec.Raw = ABSENT
    questions: msgspec.Raw = ABSENT
    todos: msgspec.Raw = ABSENT
    limits: msgspec.Raw = ABSENT
    branch: msgspec.Raw = ABSENT
    mcp: msgspec.Raw = ABSENT
    lsp: msgspec.Raw = ABSENT


_snapshot = msgspec.json.Decoder(_Snapshot)


def decode_snapshot(server_id: str, raw: bytes, at: int) -> SnapshotTaken:
    """Decode a snapshot frame that was received at `at`, in ms since the Unix epoch. Raises FrameError.

    A section of a wrong type counts as absent. An invalid entry of a section is left out, but a session with an unknown
    status is busy: only sessions that are not idle have a status.
    """
    try:
        snapshot = _snapshot.decode(raw)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    branch = _decode(snapshot.branch, str)
    return SnapshotTaken(
        server_id,
        sessions=_sessions(snapshot.sessions),
        activities=_activities(snapshot.status),
        permissions=_requests(snapshot.permissions, PermissionInfo, at),
        questions=_requests(snapshot.questions, QuestionInfo, at),
        todos=_todos(snapshot.todos),
        limits=_limits(snapshot.limits),
        branch=None if branch is None else branch[:SHORT],
        services=_services(snapshot.mcp, snapshot.lsp),
    )


def _sessions(section: msgspec.Raw) -> tuple[SessionFacts, ...] | None:
    entries = _decode_list(section)
    if entries is None:
        return None
    return tuple(session.to_core() for session in _decode_entries(entries[:MAX_SESSIONS], _SessionInfo))


def _activities(section: msgspec.Raw) -> dict[str, tuple[Activity, Retry | None]] | None:
    entries = _decode_object(section)
    if entries is None:
        return None
    return {key[:SHORT]: (_decode(entry, StatusInfo) or BUSY).to_core() for key, entry in entries.items()}


def _requests(section: msgspec.Raw, shape: type[PermissionInfo | QuestionInfo], at: int) -> tuple[Request, ...] | None:
    entries = _decode_list(section)
    if entries is None:
        return None
    return tuple(request.to_core(at) for request in _decode_entries(entries[:MAX_ENTRIES], shape))


def _todos(section: msgspec.Raw) -> dict[str, tuple[Todo, ...]] | None:
    entries = _decode_object(section)
    if entries is None:
        return None
    return {
        key[:SHORT]: todos_to_core(_decode_entries(_decode_list(entry) or [], TodoInfo))
        for key, entry in entries.items()
    }


def _limits(section: msgspec.Raw) -> dict[str, int] | None:
    entries = _decode_object(section)
    if entries is None:
        return None
    sizes = {key: whole(_decode(entry, float) or 0) for key, entry in entries.items()}
    return {key: size for key, size in sizes.items() if size}


def _services(mcp: msgspec.Raw, lsp: msgspec.Raw) -> tuple[Service, ...] | None:
    mcp_servers, lsp_servers = _decode(mcp, dict[str, object]), _decode(lsp, list[object])
    if mcp_servers is None and lsp_servers is None:
        return None
    return services_of(mcp_servers, lsp_servers)


def _decode(raw: msgspec.Raw, shape: type[T]) -> T | None:
    """Return None for invalid JSON and for an absent section, which is empty."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except JSON_ERRORS:
        return None


def _decode_list(raw: msgspec.Raw) -> list[msgspec.Raw] | None:
    return _decode(raw, list[msgspec.Raw])


def _decode_object(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    entries = _decode(raw, dict[str, msgspec.Raw])
    return None if entries is None else dict(islice(entries.items(), MAX_ENTRIES))


def _decode_entries(entries: list[msgspec.Raw], shape: type[S]) -> list[S]:
    """Return the valid entries."""
    decoder = msgspec.json.Decoder(shape)
    decoded = []
    for entry in entries:
        try:
            decoded.append(decoder.decode(entry))
        except JSON_ERRORS:
            continue
    return decoded


# ---------------------------------------------------------------------- limits


class _Limit(msgspec.Struct):
    context: Number = 0


class _ModelInfo(msgspec.Struct):
    limit: _Limit = msgspec.field(default_factory=_Limit)


class _Provider(msgspec.Struct):
    id: str
    models: dict[str, _ModelInfo] = {}


class _Providers(msgspec.Struct):
    providers: list[_Provider] = []


def limits_of(providers: msgspec.Raw) -> dict[str, Number]:
    """Convert the response of `config.providers` to the `limits` of a snapshot. Raises FrameError."""
    try:
        response = msgspec.json.decode(providers, type=_Providers)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    return {
        f"{provider.id}/{name}": model.limit.context
        for provider in response.providers
        for name, model in provider.models.items()
    }
