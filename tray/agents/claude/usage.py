"""What a Claude Code session has used: each message once, over all files that contain it. Pure.

A message has one line for each of its blocks, all with the same id and with its usage, or with zeros. Subagents have
files of their own. A fork begins with copies of its parent's lines, without those that have no uuid: only the parent
has such lines between them. A fork made with `--fork-session` continues its parent's cost. The copies of one made with
`/branch` name the parent, and its cost begins at zero. (Measured with 2.1.332.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from tray.agents.new_steps import NewSteps
from tray.agents.transcripts import milliseconds
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.messages import Message, Tokens
from tray.core.numbers import money, token_count

SUBAGENT = "subagent"  # the agent of its steps
SYNTHETIC = "<synthetic>"  # the model of messages that Claude Code wrote itself


class UsageMessage(msgspec.Struct):
    """The usage fields of a line's message."""

    id: str = ""
    model: str = ""
    usage: msgspec.Raw = msgspec.Raw(b"{}")  # decoded apart from the rest: its fields change most often


class UsageLine(msgspec.Struct, rename="camel"):
    """The usage fields of a line of a transcript."""

    type: str = ""
    uuid: str = ""
    timestamp: str = ""
    is_sidechain: bool = False  # whether it is of a subagent
    message: UsageMessage | None = None
    forked_from: msgspec.Raw = msgspec.Raw(b"")  # the parent of a branch
    total_cost: float = msgspec.field(default=0.0, name="totalCostUSD")
    start_time: float = 0  # of the process whose cost it is, or of the one whose cost that process continued


class _Usage(msgspec.Struct):
    input_tokens: int | None = 0
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0
    output_tokens: int | None = 0


class _Cost(msgspec.Struct, frozen=True):
    total: float  # USD, as Claude Code computed it, with its subagents
    start: float
    messages: int  # before it


class SessionUsage(msgspec.Struct, frozen=True):
    """The sums of a session. What it inherited was used by the session of which it is a fork."""

    tokens: Tokens = Tokens()
    cost: float = 0.0
    inherited_tokens: Tokens = Tokens()
    inherited_cost: float = 0.0


class FileUsage:
    """What the lines of one file, or of several, say about usage. Lines that are added again change nothing."""

    def __init__(self) -> None:
        self.messages: dict[str, Tokens] = {}  # by id, in the order of the file
        self.total = Tokens()
        self.steps = NewSteps()
        self.breaks: dict[str, int] = {}  # by message id: how many lines before it a fork does not copy
        self.copies: set[str] = set()  # ids of the messages that name a parent
        self.user_lines: set[str] = set()  # ids of the prompts and results of tools
        self._costs: list[_Cost] = []
        self._begun = False  # whether a line with a uuid was read
        self._breaks = 0  # lines since then that a fork does not copy

    @property
    def cost(self) -> float:
        """The newest cost that Claude Code computed: it does so when it leaves a session."""
        return self._costs[-1].total if self._costs else 0.0

    @property
    def is_cost_complete(self) -> bool:
        """Whether the newest cost contains all messages."""
        return (self._costs[-1].messages if self._costs else 0) == len(self.messages)

    @property
    def alone(self) -> SessionUsage:
        """The sums of a session that has no other files."""
        return SessionUsage(self.total, self.cost)

    def add(self, raw: bytes) -> None:
        """Apply one line of JSON; an invalid one changes nothing."""
        try:
            self.take(decode(raw, UsageLine))
        except JSON_ERRORS:
            return

    def take(self, line: UsageLine) -> None:
        """Apply one line."""
        self._begun = self._begun or bool(line.uuid)
        self._breaks += self._begun and not line.uuid
        if line.type == "assistant" and line.message is not None and line.message.model != SYNTHETIC:
            self._take_message(line.message.id or line.uuid, line.message, line)
            if bytes(line.forked_from):
                self.copies.add(line.message.id or line.uuid)
        elif line.type == "user" and line.uuid:
            self.user_lines.add(line.uuid)
        elif line.type == "cost-state":
            self._costs.append(_Cost(money(line.total_cost), line.start_time, len(self.messages)))

    def _take_message(self, message_id: str, message: UsageMessage, line: UsageLine) -> None:
        before = self.messages.get(message_id, Tokens())
        self.messages[message_id] = after = _largest(before, _tokens(message.usage))
        self.breaks.setdefault(message_id, self._breaks)
        self.total += after - before
        agent = SUBAGENT if line.is_sidechain else ""
        ended = milliseconds(line.timestamp)
        self.steps.add(Message(message_id, model=model_name(message.model), agent=agent, tokens=after, completed=ended))

    def inherits_from(self, other: FileUsage) -> bool:
        """Whether messages that both files contain were copied into this one."""
        shared = self.messages.keys() & other.messages.keys()
        if not shared:
            return False
        if shared <= self.copies or shared <= other.copies:
            return shared <= self.copies
        own, others = (max(file.breaks[message] for message in shared) for file in (self, other))
        return own < others or (own == others and len(self.messages) > len(other.messages))

    def cost_inherited_from(self, other: FileUsage) -> float:
        """Return the cost that the session of `other` had when this one began as its fork, if it continued that."""
        shared = [number for number, message in enumerate(other.messages, 1) if message in self.messages]
        starts = {cost.start for cost in self._costs}
        known = [cost for cost in other._costs if cost.start in starts and shared and cost.messages <= shared[-1]]
        return known[-1].total if known else 0.0


def session_usage(own: FileUsage, subagents: FileUsage, related: Collection[FileUsage]) -> SessionUsage:
    """Return the sums of a session: of its own file, of those of its subagents, without what it inherited.

    `related` are the files that contain some of the same messages.
    """
    twice = own.messages.keys() & subagents.messages.keys()
    tokens = (own.total + subagents.total) - _sum(_smallest(own.messages[i], subagents.messages[i]) for i in twice)
    parents = [file for file in related if own.inherits_from(file)]
    inherited = _sum(used for i, used in own.messages.items() if any(i in parent.messages for parent in parents))
    inherited_cost = max((own.cost_inherited_from(parent) for parent in parents), default=0.0)
    cost = max(0.0, round(own.cost - inherited_cost, 9)) if inherited_cost else own.cost
    return SessionUsage(tokens.without(inherited), cost, inherited, inherited_cost)


def model_name(name: str) -> str:
    """Return the name of a model with its provider."""
    return f"anthropic/{name}" if name else ""


def _sum(counts: Iterable[Tokens]) -> Tokens:
    return sum(counts, Tokens())


def _tokens(raw: msgspec.Raw) -> Tokens:
    try:
        usage = decode(bytes(raw), _Usage)
    except JSON_ERRORS:
        return Tokens()
    counts = (usage.input_tokens, usage.output_tokens, 0, usage.cache_read_input_tokens,
              usage.cache_creation_input_tokens)  # fmt: skip
    return Tokens(*map(token_count, counts))


def _largest(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(*map(max, _counts(one), _counts(other)))


def _smallest(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(*map(min, _counts(one), _counts(other)))


def _counts(tokens: Tokens) -> tuple[int, ...]:
    return tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write
