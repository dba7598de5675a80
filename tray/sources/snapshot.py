"""A snapshot frame into `SnapshotTaken`, and the parts of one made from the answers to read calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import msgspec

from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.model import Tokens
from tray.core.text import last_line
from tray.sources.shapes import (
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
    todos_known,
)
from tray.sources.wire import WRONG, FrameError

T = TypeVar("T", bound=msgspec.Struct)


class _Digest(msgspec.Struct, omit_defaults=True):
    messages: int = 0
    cost: Number = 0
    tokens: TokensInfo | None = None
    last: MessageInfo | None = None
    output: str = ""
    tool: str = ""
    partial: bool = False

    def known(self) -> Digest:
        """The record of core."""
        return Digest(
            messages=max(0, self.messages),
            cost=float(self.cost),
            tokens=self.tokens.known() if self.tokens else Tokens(),
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
    sessions: list[msgspec.Raw] | None = None
    status: dict[str, StatusInfo] | None = None
    permissions: list[msgspec.Raw] | None = None
    questions: list[msgspec.Raw] | None = None
    todos: dict[str, list[TodoInfo]] | None = None
    limits: dict[str, Number] | None = None
    branch: str | None = None


_snapshot = msgspec.json.Decoder(_Snapshot)


def decode_snapshot(server_id: str, raw: bytes, at: int) -> SnapshotTaken:
    """A snapshot frame. Raises FrameError; one session or request that is wrong is left out alone."""
    try:
        told = _snapshot.decode(raw)
    except WRONG as error:
        raise FrameError(str(error)) from error
    asked = None if told.permissions is None else _each(told.permissions, PermissionInfo)
    put = None if told.questions is None else _each(told.questions, QuestionInfo)
    return SnapshotTaken(
        server_id,
        sessions=None if told.sessions is None else tuple(s.known() for s in _each(told.sessions, _Listed)),
        activities=None if told.status is None else {key[:SHORT]: s.known() for key, s in told.status.items()},
        permissions=None if asked is None else tuple(info.known(at) for info in asked),
        questions=None if put is None else tuple(info.known(at) for info in put),
        todos=None if told.todos is None else {key[:SHORT]: todos_known(list_) for key, list_ in told.todos.items()},
        limits=None if told.limits is None else {key: int(size) for key, size in told.limits.items() if size > 0},
        branch=None if told.branch is None else told.branch[:SHORT],
    )


def _each(items: list[msgspec.Raw], shape: type[T]) -> list[T]:
    decoder = msgspec.json.Decoder(shape)
    found = []
    for item in items:
        try:
            found.append(decoder.decode(item))
        except WRONG:
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
    except WRONG as error:
        raise FrameError(str(error)) from error
    return {f"{p.id}/{name}": model.limit.context for p in told.providers for name, model in p.models.items()}


def digest_of(messages: msgspec.Raw) -> dict[str, object]:
    """`session.messages` into the `digest` of a snapshot's session. Raises FrameError."""
    try:
        told = msgspec.json.decode(messages, type=list[_Listing])
    except WRONG as error:
        raise FrameError(str(error)) from error
    assistants = [listing for listing in told if listing.info.role == "assistant"]
    parts = [part for listing in assistants for part in listing.parts]
    sums = _Digest(
        messages=len(told),
        cost=sum(listing.info.cost for listing in assistants),
        tokens=_sum(listing.info.tokens for listing in assistants if listing.info.tokens),
        last=assistants[-1].info if assistants else None,
        output=next((line for p in reversed(parts) if p.type == "text" and (line := last_line(p.text, OUTPUT))), ""),
        tool=next((p.tool for p in reversed(parts) if p.type == "tool" and p.running), ""),
    )
    return dict(msgspec.to_builtins(sums))


def _sum(counts: Iterable[TokensInfo]) -> TokensInfo:
    total = TokensInfo()
    for count in counts:
        total.input += count.input
        total.output += count.output
        total.reasoning += count.reasoning
        total.cache.read += count.cache.read
        total.cache.write += count.cache.write
    return total
