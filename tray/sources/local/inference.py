"""What a stored session does, as far as its files show: pure rules. otop's, where they are sound.

| newest message | then |
|---|---|
| the person's, less than a minute old | working: the model has not begun to answer |
| the agent's, without an end | working, unless it is older than the process; a tool that runs is named |
| … its `question` tool runs | waits for an answer |
| … a tool runs that has not begun since a permission for it was asked | waits for that permission |
| the agent's, ended because it wants tools, some seconds old | working: between two steps |
| the agent's, ended otherwise | idle |
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tray.core.events import Digest, SessionFacts
from tray.core.model import Activity, Request, RequestKind, Todo, Tokens
from tray.core.opencode_ids import is_inherited
from tray.core.text import last_line
from tray.core.transitions.turns import FINISH_TOOL_CALLS
from tray.core.transitions.usage import own_cost
from tray.opencode.lenient_json import JSON_ERRORS
from tray.sources.local.logs import Ask
from tray.sources.local.records import NEWEST, StoredPart, StoredSession
from tray.sources.protocol.schema import LONG, OUTPUT, SHORT, PermissionInfo, QuestionInfo, todos_known, whole

THINKS = 60_000  # ms after a prompt within which the model begins to answer (otop's)
STEP = 5_000  # ms between two steps of a turn, at most
BEGINS = 1_500  # ms within which a tool begins that needs no permission
ASKED_WITHIN = 3_000  # ms between the tool's part and the permission that is asked for it

_KINDS = {"edit": {"edit", "write", "patch", "multiedit", "apply_patch"}, "external_directory": None}  # None: any tool


class Inferred(msgspec.Struct, frozen=True):
    """What can be told of a session."""

    facts: SessionFacts
    activity: Activity
    permission: Request | None
    question: Request | None
    todos: tuple[Todo, ...]
    again: int = 0  # when time alone may change it, in ms since the Unix epoch; 0: never


def infer(stored: StoredSession, asks: Sequence[Ask], started: int, now: int, *, tells_answers: bool) -> Inferred:
    """What the session does at `now` in a process that began at `started`. Times in ms since the Unix epoch."""
    last = stored.messages[-1] if stored.messages else None
    facts = replace(_without_copies(stored.info.known(), *stored.inherited), digest=_digest(stored))
    todos = todos_known(list(stored.todos))
    if last is None or whole(last.time.created) < started:
        return Inferred(facts, Activity.IDLE, None, None, todos)
    if last.role != "assistant":
        end = whole(last.time.created) + THINKS
        return Inferred(
            facts, Activity.BUSY if now < end else Activity.IDLE, None, None, todos, end if now < end else 0
        )
    if last.time.completed or last.error:
        end = whole(last.time.completed or 0) + STEP if last.finish == FINISH_TOOL_CALLS and not last.error else 0
        return Inferred(
            facts, Activity.BUSY if now < end else Activity.IDLE, None, None, todos, end if now < end else 0
        )
    called = [part for part in stored.parts if part.called]
    question = next((_question(stored, part) for part in called if part.tool == "question"), None)
    others = [part for part in called if part.tool != "question"]
    waiting = next((part for part in others if _waits(part, asks, now, tells_answers=tells_answers)), None)
    permission = _permission(stored, waiting) if waiting is not None else None
    begins = [end for part in others if (end := _started(part) + BEGINS) > now and _has_not_begun(part)]
    return Inferred(facts, Activity.BUSY, permission, question, todos, min(begins, default=0))


def _without_copies(facts: SessionFacts, cost: float, tokens: Tokens) -> SessionFacts:
    return replace(
        facts,
        cost=None if facts.cost is None else own_cost(facts.cost, cost),
        tokens=None if facts.tokens is None else facts.tokens.without(tokens),
    )


def _digest(stored: StoredSession) -> Digest:
    assistants = [message for message in stored.messages if message.role == "assistant"]
    last, known = (assistants[-1] if assistants else None), [message.known() for message in assistants]
    own = [message for message in known if not is_inherited(message)]  # where OpenCode sums, copies are left out there
    lines = (last_line(part.text, OUTPUT) for part in reversed(stored.parts) if part.type == "text")
    of_agent = last is not None and last is stored.messages[-1]
    running = [part for part in stored.parts if part.type == "tool" and part.running]
    return Digest(
        messages=stored.count,
        cost=sum(message.cost for message in own),
        tokens=sum((message.tokens for message in own), Tokens()),
        last=known[-1] if known else None,
        output=next(filter(None, lines), "") if of_agent else "",
        tool=running[-1].tool[:SHORT] if running and last is not None and not last.time.completed else "",
        tool_since=_started(running[-1]) if running else 0,
        partial=stored.count > NEWEST and len(own) == len(known),  # copies are the oldest: all that is its own was read
    )


def _waits(part: StoredPart, asks: Sequence[Ask], now: int, *, tells_answers: bool) -> bool:
    """Whether the tool stands still for a permission: one was asked after it was called, and it has not begun since."""
    if not _has_not_begun(part):
        return False
    if part.tool == "bash" and now >= _started(part) + BEGINS:
        return True  # a shell that runs says so at once
    return any(_fits(part, ask, tells_answers=tells_answers) for ask in asks)


def _fits(part: StoredPart, ask: Ask, *, tells_answers: bool) -> bool:
    tools = _KINDS.get(ask.kind, {ask.kind})
    if tools is not None and ask.kind and part.tool not in tools and not part.tool.startswith(ask.kind):
        return False
    return tells_answers or -1_000 <= ask.at - _started(part) <= ASKED_WITHIN


def _has_not_begun(part: StoredPart) -> bool:
    return part.state is not None and not part.state.metadata


def _started(part: StoredPart) -> int:
    return whole(part.state.time.start) if part.state is not None else 0


def _permission(stored: StoredSession, part: StoredPart) -> Request:
    """The request as it can be seen from outside: by the tool's own arguments, never whole."""
    state = part.state
    try:
        told = msgspec.json.decode(state.input, type=dict[str, object]) if state is not None else {}
    except JSON_ERRORS:
        told = {}
    asked = PermissionInfo(id=part.id, sessionID=stored.info.id, permission=part.tool, metadata=told, more=True)
    return replace(asked.known(0), asked_at=_started(part))


def _question(stored: StoredSession, part: StoredPart) -> Request:
    state = part.state
    try:
        asked = msgspec.json.decode(state.input, type=dict[str, object]) if state is not None else {}
        told = msgspec.convert(asked | {"id": part.id, "sessionID": stored.info.id}, QuestionInfo).known(0)
    except JSON_ERRORS:
        told = Request(part.id, stored.info.id, RequestKind.QUESTION, "question", "", complete=False)
    return replace(told, detail=told.detail[:LONG], asked_at=_started(part))
