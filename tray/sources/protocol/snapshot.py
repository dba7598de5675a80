"""A snapshot frame into `SnapshotTaken`, and the parts of one made from the answers to read calls."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.fleet_state import MAX_SESSIONS
from tray.core.model import Activity, Request, Retry, Service, Todo, Tokens
from tray.core.opencode_ids import is_inherited
from tray.core.text import last_line
from tray.opencode.lenient_json import JSON_ERRORS
from tray.opencode.services import services_of
from tray.sources.protocol.events import ABSENT, FrameError
from tray.sources.protocol.schema import (
    LARGEST,
    OUTPUT,
    SHORT,
    MessageInfo,
    Number,
    PartInfo,
    PermissionInfo,
    QuestionInfo,
    SessionInfo,
    StatusInfo,
    TodoInfo,
    TokensInfo,
    money,
    todos_known,
)

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")

MAX_LISTED = 1_000  # entries that are read of one section
BUSY = StatusInfo("busy")


class _Used(msgspec.Struct, omit_defaults=True):
    cost: Number = 0
    tokens: TokensInfo | None = None


class _Digest(msgspec.Struct, omit_defaults=True):
    messages: int = 0
    cost: Number = 0
    tokens: TokensInfo | None = None
    inherited: _Used | None = None
    last: MessageInfo | None = None
    output: str = ""
    tool: str = ""
    partial: bool = False

    def known(self) -> Digest:
        """The record of core."""
        inherited = self.inherited or _Used()
        return Digest(
            messages=max(0, self.messages),
            cost=money(self.cost),
            tokens=self.tokens.known() if self.tokens else Tokens(),
            inherited_cost=money(inherited.cost),
            inherited_tokens=inherited.tokens.known() if inherited.tokens else Tokens(),
            last=self.last.known() if self.last else None,
            output=last_line(self.output, OUTPUT),
            tool=self.tool[:SHORT],
            partial=self.partial,
        )


class _Listed(SessionInfo):
    digest: _Digest | None = None

    def known(self) -> SessionFacts:
        """The record of core."""
        facts = SessionInfo.known(self)
        return replace(facts, digest=self.digest.known()) if self.digest else facts


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
    """A snapshot frame. Raises FrameError if it is none.

    A section that is no list or object is absent; what is wrong within one is left out alone, but for a session whose
    status is not understood: that one is busy, as only who is not idle is named.
    """
    try:
        told = _snapshot.decode(raw)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    branch = _one(told.branch, str)
    return SnapshotTaken(
        server_id,
        sessions=_sessions(told.sessions),
        activities=_activities(told.status),
        permissions=_requests(told.permissions, PermissionInfo, at),
        questions=_requests(told.questions, QuestionInfo, at),
        todos=_todos(told.todos),
        limits=_limits(told.limits),
        branch=None if branch is None else branch[:SHORT],
        services=_services(told.mcp, told.lsp),
    )


def _sessions(section: msgspec.Raw) -> tuple[SessionFacts, ...] | None:
    listed = _list(section)
    return None if listed is None else tuple(session.known() for session in _each(listed[:MAX_SESSIONS], _Listed))


def _activities(section: msgspec.Raw) -> dict[str, tuple[Activity, Retry | None]] | None:
    table = _table(section)
    if table is None:
        return None
    return {key[:SHORT]: (_one(value, StatusInfo) or BUSY).known() for key, value in table.items()}


def _requests(section: msgspec.Raw, shape: type[PermissionInfo | QuestionInfo], at: int) -> tuple[Request, ...] | None:
    listed = _list(section)
    return None if listed is None else tuple(request.known(at) for request in _each(listed[:MAX_LISTED], shape))


def _todos(section: msgspec.Raw) -> dict[str, tuple[Todo, ...]] | None:
    table = _table(section)
    if table is None:
        return None
    return {key[:SHORT]: todos_known(_each(_list(value) or [], TodoInfo)) for key, value in table.items()}


def _limits(section: msgspec.Raw) -> dict[str, int] | None:
    table = _table(section)
    if table is None:
        return None
    sizes = {key: _one(value, float) or 0 for key, value in table.items()}
    return {key: int(size) for key, size in sizes.items() if 0 < size <= LARGEST}


def _services(mcp: msgspec.Raw, lsp: msgspec.Raw) -> tuple[Service, ...] | None:
    told = _one(mcp, object), _one(lsp, object)
    return None if told == (None, None) else services_of(*told)[:MAX_LISTED]


def _one(raw: msgspec.Raw, shape: type[V]) -> V | None:
    """None for what is absent, too: no bytes are no JSON."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except JSON_ERRORS:
        return None


def _list(raw: msgspec.Raw) -> list[msgspec.Raw] | None:
    return _one(raw, list[msgspec.Raw])


def _table(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    table = _one(raw, dict[str, msgspec.Raw])
    return None if table is None else dict(islice(table.items(), MAX_LISTED))


def _each(items: list[msgspec.Raw], shape: type[T]) -> list[T]:
    decoder = msgspec.json.Decoder(shape)
    found = []
    for item in items:
        try:
            found.append(decoder.decode(item))
        except JSON_ERRORS:
            continue
    return found


# ---------------------------------------------------------------------- from the answers to read calls


class _Listing(msgspec.Struct):
    info: MessageInfo
    parts: list[PartInfo] = []


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
    """`config.providers` into the `limits` of a snapshot. Raises FrameError."""
    try:
        told = msgspec.json.decode(providers, type=_Providers)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    return {f"{p.id}/{name}": model.limit.context for p in told.providers for name, model in p.models.items()}


def digest_of(messages: msgspec.Raw, limit: int) -> dict[str, object]:
    """The newest `limit` messages of a session into the `digest` of a snapshot's session. Raises FrameError."""
    try:
        told = msgspec.json.decode(messages, type=list[_Listing])
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    assistants = [listing for listing in told if listing.info.role == "assistant"]
    parts = [part for listing in assistants for part in listing.parts]
    last = assistants[-1] if assistants else None
    running = last.parts if last is not None and not last.info.time.completed else []
    copies = [listing.info for listing in assistants if is_inherited(listing.info.known())]
    copied = {info.id for info in copies}
    used = _used(listing.info for listing in assistants if listing.info.id not in copied)
    sums = _Digest(
        messages=len(told),
        cost=used.cost,
        tokens=used.tokens,
        inherited=_used(copies) if copies else None,
        last=last.info if last is not None else None,
        output=next((line for p in reversed(parts) if p.type == "text" and (line := last_line(p.text, OUTPUT))), ""),
        tool=next((p.tool for p in reversed(running) if p.type == "tool" and p.running), ""),
        partial=len(told) >= limit,
    )
    return dict(msgspec.to_builtins(sums))


def _used(messages: Iterable[MessageInfo]) -> _Used:
    """What these messages cost together."""
    cost, total = 0.0, TokensInfo()
    for message in messages:
        cost += money(message.cost)
        count = message.tokens or TokensInfo()
        total.input += count.input
        total.output += count.output
        total.reasoning += count.reasoning
        total.cache.read += count.cache.read
        total.cache.write += count.cache.write
    return _Used(cost, total)
