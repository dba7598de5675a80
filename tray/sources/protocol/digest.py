"""The digest of a session: its JSON record in snapshots, and the sums over messages that it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tray.core.events import Digest
from tray.core.lenient_json import JSON_ERRORS
from tray.core.messages import Message, Tokens
from tray.core.numbers import money
from tray.core.opencode_ids import is_inherited
from tray.core.text import last_line
from tray.sources.protocol.events import FrameError
from tray.sources.protocol.schema import OUTPUT, SHORT, MessageInfo, Number, PartInfo, TokensInfo


class Usage(NamedTuple):
    """The cost and tokens of messages."""

    cost: float
    tokens: Tokens


class MessageSums(NamedTuple):
    """What the messages of a session have used, and the newest assistant message."""

    own: Usage
    inherited: Usage | None  # of messages that were copied from another session; None if there are none
    last: Message | None


def sum_messages(messages: Iterable[Message]) -> MessageSums:
    """Sum the assistant messages of a session. They have to be in the order of their creation."""
    assistants = [message for message in messages if message.role == "assistant"]
    own = [message for message in assistants if not is_inherited(message)]
    inherited = [message for message in assistants if is_inherited(message)]
    return MessageSums(_usage(own), _usage(inherited) if inherited else None, assistants[-1] if assistants else None)


def _usage(messages: Iterable[Message]) -> Usage:
    cost, tokens = 0.0, Tokens()
    for message in messages:
        cost += message.cost
        tokens += message.tokens
    return Usage(cost, tokens)


class _UsageInfo(msgspec.Struct, omit_defaults=True):
    cost: Number = 0
    tokens: TokensInfo | None = None

    @classmethod
    def from_core(cls, usage: Usage) -> _UsageInfo:
        """Return the JSON record."""
        return cls(usage.cost, TokensInfo.from_core(usage.tokens))


class DigestInfo(msgspec.Struct, omit_defaults=True):
    """The `digest` of a session in a snapshot."""

    messages: int = 0
    cost: Number = 0
    tokens: TokensInfo | None = None
    inherited: _UsageInfo | None = None
    last: MessageInfo | None = None
    output: str = ""
    prompt: str = ""
    tool: str = ""
    partial: bool = False

    def to_core(self) -> Digest:
        """Return the record of core."""
        inherited = self.inherited or _UsageInfo()
        return Digest(
            messages=max(0, self.messages),
            cost=money(self.cost),
            tokens=self.tokens.to_core() if self.tokens else Tokens(),
            inherited_cost=money(inherited.cost),
            inherited_tokens=inherited.tokens.to_core() if inherited.tokens else Tokens(),
            last=self.last.to_core() if self.last else None,
            output=last_line(self.output, OUTPUT),
            prompt=self.prompt[:SHORT],
            tool=self.tool[:SHORT],
            partial=self.partial,
        )


class _ListedMessage(msgspec.Struct):
    info: MessageInfo
    parts: list[PartInfo] = []


class _OnlyInfo(msgspec.Struct):
    info: MessageInfo


def messages_of(answer: object) -> tuple[Message, ...]:
    """Return the messages in the result of `session.messages`. Raises FrameError."""
    try:
        return tuple(message.info.to_core() for message in msgspec.convert(answer, list[_OnlyInfo]))
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error


def digest_of(messages: msgspec.Raw, limit: int) -> dict[str, object]:
    """Return the JSON digest of a list of messages, read with this limit. Raises FrameError."""
    try:
        listed = msgspec.json.decode(messages, type=list[_ListedMessage])
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    assistants = [message for message in listed if message.info.role == "assistant"]
    sums = sum_messages(message.info.to_core() for message in assistants)
    last = assistants[-1] if assistants else None
    parts = [part for message in assistants for part in message.parts]
    texts = (last_line(part.text, OUTPUT) for part in reversed(parts) if part.type == "text")
    open_parts = last.parts if last is not None and not last.info.time.completed else []
    digest = DigestInfo(
        messages=len(listed),
        cost=sums.own.cost,
        tokens=TokensInfo.from_core(sums.own.tokens),
        inherited=_UsageInfo.from_core(sums.inherited) if sums.inherited else None,
        last=last.info if last is not None else None,
        output=next(filter(None, texts), ""),
        prompt=next((message.info.id for message in reversed(listed) if message.info.role == "user"), ""),
        tool=next((part.tool for part in reversed(open_parts) if part.type == "tool" and part.running), ""),
        partial=len(listed) >= limit,
    )
    return dict(msgspec.to_builtins(digest))
