"""Infer the state of a stored session from its files. Pure rules, adopted from otop where they hold.

| newest message | state |
|---|---|
| of the user, less than a minute old | working: the model has not started to answer |
| of the agent, not completed | working, unless it is older than the process; a running tool is named |
| … with a running `question` tool | waiting for an answer |
| … with a tool that has not started since its permission was asked | waiting for that permission |
| of the agent, completed with tool calls, a few seconds old | working: between two steps |
| of the agent, completed otherwise | idle |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from tray.core.events import Digest, SessionFacts
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.messages import Message, Tokens
from tray.core.numbers import whole
from tray.core.sessions import Activity, Request, RequestKind, Todo
from tray.core.text import last_line
from tray.core.transitions.turns import FINISH_TOOL_CALLS
from tray.core.transitions.usage import own_cost
from tray.sources.local.logs import Ask
from tray.sources.local.records import MAX_MESSAGES, StoredPart, StoredSession
from tray.sources.protocol.digest import sum_messages
from tray.sources.protocol.requests import PermissionInfo, QuestionInfo
from tray.sources.protocol.schema import LONG, OUTPUT, SHORT, todos_to_core

THINKING_TIME = 60_000  # ms between a prompt and the start of the answer, at most (otop's value)
STEP_GAP = 5_000  # ms between two steps of a turn, at most
TOOL_START = 1_500  # ms after its call in which a tool starts if it needs no permission
ASK_DELAY = 3_000  # ms between the call of a tool and its permission request in the log, at most
EARLY_ASK = 1_000  # ms that the request may be logged before the call is stored

# The tools of permissions that are not named like their tool; None: any tool.
_TOOLS = {"edit": {"edit", "write", "patch", "multiedit", "apply_patch"}, "external_directory": None}


class Inferred(msgspec.Struct, frozen=True):
    """The facts and the inferred state of a session."""

    facts: SessionFacts
    activity: Activity
    permission: Request | None
    question: Request | None
    todos: tuple[Todo, ...]
    steps: tuple[Message, ...]  # the newest responses of the model
    recheck_at: int = 0  # when the state may change without a write, in ms since the Unix epoch; 0: never


def infer(stored: StoredSession, asks: Sequence[Ask], started: int, now: int, *, logs_answers: bool) -> Inferred:
    """Return the state of a session at `now` in a process that started at `started` (ms since the Unix epoch).

    `asks` are the permission requests in the process's log. `logs_answers`: answered requests are already removed.
    """
    last = stored.messages[-1] if stored.messages else None
    messages = tuple(message.to_core() for message in stored.messages)
    facts = replace(_without_inherited(stored.info.to_core(), *stored.inherited), digest=_digest(stored, messages))
    idle = Inferred(facts, Activity.IDLE, None, None, todos_to_core(list(stored.todos)), messages)
    if last is None or whole(last.time.created) < started:
        return idle
    if last.role != "assistant":
        return _busy_until(idle, whole(last.time.created) + THINKING_TIME, now)
    if last.time.completed or last.error:
        continues = last.finish == FINISH_TOOL_CALLS and not last.error
        return _busy_until(idle, whole(last.time.completed or 0) + STEP_GAP if continues else 0, now)
    called = [part for part in stored.parts if part.called]
    question = next((_question(stored, part) for part in called if part.tool == "question"), None)
    tools = [part for part in called if part.tool != "question"]
    waiting = next((part for part in tools if _waits(part, asks, now, logs_answers=logs_answers)), None)
    return replace(
        idle,
        activity=Activity.BUSY,
        permission=_permission(stored, waiting) if waiting is not None else None,
        question=question,
        recheck_at=_next_start(tools, now),
    )


def _busy_until(idle: Inferred, end: int, now: int) -> Inferred:
    return replace(idle, activity=Activity.BUSY, recheck_at=end) if now < end else idle


def _without_inherited(facts: SessionFacts, cost: float, tokens: Tokens) -> SessionFacts:
    return replace(
        facts,
        cost=None if facts.cost is None else own_cost(facts.cost, cost),
        tokens=None if facts.tokens is None else facts.tokens.without(tokens),
    )


def _digest(stored: StoredSession, messages: Iterable[Message]) -> Digest:
    sums = sum_messages(messages)
    texts = (last_line(part.text, OUTPUT) for part in reversed(stored.parts) if part.type == "text")
    running = [part for part in stored.parts if part.type == "tool" and part.running]
    newest = stored.messages[-1] if stored.messages else None
    return Digest(
        messages=stored.count,
        cost=sums.own.cost,
        tokens=sums.own.tokens,
        last=sums.last,
        output=next(filter(None, texts), "") if newest is not None and newest.role == "assistant" else "",
        tool=running[-1].tool[:SHORT] if running and sums.last is not None and not sums.last.completed else "",
        tool_since=_called_at(running[-1]) if running else 0,
        partial=stored.count > MAX_MESSAGES and sums.inherited is None,  # inherited messages are the oldest
    )


# ---------------------------------------------------------------------- tools


def _waits(part: StoredPart, asks: Sequence[Ask], now: int, *, logs_answers: bool) -> bool:
    """Whether the tool waits for a permission: one was asked after its call, and it has not started since."""
    if not _has_not_started(part):
        return False
    if part.tool == "bash" and now >= _called_at(part) + TOOL_START:
        return True  # a running shell is stored at once
    return any(_is_for(ask, part, logs_answers=logs_answers) for ask in asks)


def _is_for(ask: Ask, part: StoredPart, *, logs_answers: bool) -> bool:
    tools = _TOOLS.get(ask.kind, {ask.kind})
    if tools is not None and ask.kind and part.tool not in tools and not part.tool.startswith(ask.kind):
        return False
    return logs_answers or -EARLY_ASK <= ask.at - _called_at(part) <= ASK_DELAY


def _next_start(tools: Iterable[StoredPart], now: int) -> int:
    """Return until when the next tool may still start without a permission, in ms since the Unix epoch; 0: none."""
    ends = [_called_at(part) + TOOL_START for part in tools if _has_not_started(part)]
    return min((end for end in ends if end > now), default=0)


def _has_not_started(part: StoredPart) -> bool:
    return part.state is not None and not part.state.metadata


def _called_at(part: StoredPart) -> int:
    return whole(part.state.time.start) if part.state is not None else 0


# ---------------------------------------------------------------------- requests


def _permission(stored: StoredSession, part: StoredPart) -> Request:
    """Return the permission that a tool waits for; never complete, as only the tool's arguments are known."""
    try:
        arguments = _arguments(part)
    except JSON_ERRORS:
        arguments = {}
    info = PermissionInfo(
        id=part.id, sessionID=stored.info.id, permission=part.tool, metadata=arguments, more=True
    )  # fmt: skip
    return replace(info.to_core(0), asked_at=_called_at(part))


def _question(stored: StoredSession, part: StoredPart) -> Request:
    try:
        fields = _arguments(part) | {"id": part.id, "sessionID": stored.info.id}
        request = msgspec.convert(fields, QuestionInfo).to_core(0)
    except JSON_ERRORS:
        request = Request(part.id, stored.info.id, RequestKind.QUESTION, "question", "", complete=False)
    return replace(request, detail=request.detail[:LONG], asked_at=_called_at(part))


def _arguments(part: StoredPart) -> dict[str, object]:
    """Return the arguments of a tool call. Raises JSON_ERRORS."""
    return decode(bytes(part.state.input), dict[str, object]) if part.state is not None else {}
