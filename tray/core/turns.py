"""The rules of one session: what a report makes of it. Pure functions from a session to the next one.

The order of OpenCode's events differs by version. A stop by the person is error → idle in 1.18, idle → error → idle
in 1.1 and idle → error in 1.0; a stop while a provider is retried is just idle in 1.18, and a stop before the model
answers is reported by the message alone, before the idle. So an error sticks through the idle that follows, a late
abort takes a completion back, and a turn counts as completed only if its last assistant message finished.
"""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.events import Digest, SessionFacts
from tray.core.model import Activity, Failure, Message, Outcome, Retry, Session, Tokens
from tray.core.opencode_ids import is_inherited

FINISH_TOOL_CALLS = "tool-calls"  # the model wanted tools: a turn that ends here was cut short (a rejected permission)


def with_facts(session: Session, facts: SessionFacts) -> Session:
    """Take over what the report says; what it does not say stays."""
    told = {
        name: value
        for name in _PLAIN_FACTS
        if (value := getattr(facts, name)) is not None and value != getattr(session, name)
    }
    if facts.parent is not None and session.outcome is Outcome.COMPLETED:
        told["outcome"] = Outcome.NONE  # it turns out to be a subagent: its turns are no news
    after = replace(session, **told) if told else session
    if facts.tokens is not None or facts.cost is not None:
        after = _with_count(after, facts.cost, facts.tokens)
    return with_digest(after, facts.digest) if facts.digest else after


_PLAIN_FACTS = (
    "parent", "title", "directory", "agent", "model", "created", "updated", "archived",
    "additions", "deletions", "files",
)  # fmt: skip


def _with_count(session: Session, cost: float | None, tokens: Tokens | None) -> Session:
    """Take over OpenCode's own sums, which include what was inherited. None: not told."""
    return replace(
        session,
        counted=True,
        cost=session.cost if cost is None else own_cost(cost, session.inherited_cost),
        tokens=session.tokens if tokens is None else tokens.without(session.inherited_tokens),
    )


def _with_inherited(session: Session, cost: float, tokens: Tokens) -> Session:
    """So much was inherited; a sum of OpenCode's own includes it."""
    if (cost, tokens) == (session.inherited_cost, session.inherited_tokens):
        return session
    after = replace(session, inherited_cost=cost, inherited_tokens=tokens)
    if not session.counted:
        return after
    return _with_count(after, session.cost + session.inherited_cost, session.tokens + session.inherited_tokens)


def own_cost(told: float, inherited: float) -> float:
    """What is left of OpenCode's own sum; rounded, as two sums of the same prices may differ in their last digits."""
    return max(0.0, round(told - inherited, 9)) if inherited else told


def with_digest(session: Session, digest: Digest) -> Session:
    """Take over what the messages say. An error that was seen before and dismissed does not come back.

    Counts of the newest messages alone (`partial`) are taken only where less was known.
    """
    last = digest.last
    before = session.last
    known = before is not None and last is not None and (before.id, before.error) == (last.id, last.error)
    after = replace(session, last_output=digest.output or session.last_output, tool=digest.tool)
    if digest.tool and digest.tool_since:
        after = replace(after, tool_since=digest.tool_since)
    if not digest.partial or digest.messages > session.messages:
        after = replace(after, messages=digest.messages)
    after = _with_digested_count(after, digest)
    if last is None:
        return after
    after = replace(
        after,
        last=last,
        last_message=max(last.id, session.last_message),
        context_tokens=_context(last, after.context_tokens),
        agent=last.agent or after.agent,
        model=last.model or after.model,
    )
    failure = Failure(last.error, last.error_text) if last.error and not is_inherited(last) else None
    if failure is None or failure.aborted or known:
        return after
    return replace(after, failure=session.failure or failure, turn_ended=last.completed)


def _with_digested_count(session: Session, digest: Digest) -> Session:
    """Take over the sums of a digest, as far as they are whole or more than was known."""
    cost, tokens = digest.inherited_cost, digest.inherited_tokens
    inherits = cost > 0 or tokens.total > 0
    if inherits and digest.partial and session.counted:  # what was not read was inherited as well
        cost = max(cost, own_cost(session.cost + session.inherited_cost, digest.cost))
        tokens += (session.tokens + session.inherited_tokens).without(digest.tokens + tokens)
    is_whole = inherits or not digest.partial
    after = _with_inherited(session, cost, tokens) if is_whole else session
    if session.counted or not (is_whole or digest.tokens.total > session.tokens.total):
        return after
    return replace(after, tokens=digest.tokens, cost=digest.cost)


def with_activity(session: Session, activity: Activity, retry: Retry | None, at: int) -> Session:
    """Begin, go on with, or end a turn."""
    if activity is Activity.IDLE:
        return _turn_ended(session, at) if session.activity is not Activity.IDLE else session
    begins = session.activity is Activity.IDLE
    return replace(
        session,
        activity=activity,
        retry=retry,
        failure=None,
        outcome=Outcome.NONE,
        turn_started=at if begins else session.turn_started,
        turn_ended=0,
    )


def _turn_ended(session: Session, at: int) -> Session:
    told = session.last.completed if session.last is not None else 0
    ended = told if session.turn_started <= told <= at else at  # it may be long ago when the link was down
    outcome = session.outcome
    if outcome is Outcome.NONE and session.failure is None and not session.is_child and _finished(session):
        outcome = Outcome.COMPLETED
    return replace(
        session,
        activity=Activity.IDLE,
        retry=None,
        outcome=outcome,
        tool="",
        turn_started=0,
        turn_ended=ended,
        turn_length=max(0, ended - session.turn_started) if session.turn_started else 0,
    )


def _finished(session: Session) -> bool:
    last = session.last
    if last is None or last.error or last.id < session.prompt or is_inherited(last):
        return False
    if last.finish:
        return last.finish != FINISH_TOOL_CALLS
    return last.completed > 0 and last.tokens.output > 0  # OpenCode 0.5 knows no `finish`


def with_failure(session: Session, failure: Failure, at: int) -> Session:
    """Record how the turn failed. A stop by the person is no failure and takes a completion back."""
    if failure.aborted:
        return replace(session, outcome=Outcome.ABORTED, failure=None)
    ended = at if session.activity is Activity.IDLE else session.turn_ended
    return replace(session, failure=failure, outcome=Outcome.NONE, turn_ended=ended)


def with_message(session: Session, message: Message) -> Session:
    """Count a message once, whatever it is repeated; sum tokens and cost where the session does not tell them.

    What an inherited message cost was paid for in the session that it was copied from.
    """
    new = message.id > session.last_message
    after = replace(
        session,
        messages=session.messages + 1 if new else session.messages,
        last_message=message.id if new else session.last_message,
        prompt=max(message.id, session.prompt) if message.role == "user" else session.prompt,
        agent=message.agent or session.agent,
        model=message.model or session.model,
    )
    if message.role != "assistant" or (session.last is not None and message.id < session.last.id):
        return after
    previous = session.last if session.last is not None and session.last.id == message.id else Message(message.id)
    tokens, cost = message.tokens - previous.tokens, message.cost - previous.cost
    if is_inherited(message):
        after = _with_inherited(after, session.inherited_cost + cost, session.inherited_tokens + tokens)
    elif not session.counted:
        after = replace(after, tokens=session.tokens + tokens, cost=session.cost + cost)
    after = replace(
        after,
        last=message,
        last_output=message.output or session.last_output,
        context_tokens=_context(message, session.context_tokens),
    )
    stopped = Failure(message.error).aborted
    if stopped and (after.activity is not Activity.IDLE or after.outcome is Outcome.COMPLETED):
        after = replace(after, outcome=Outcome.ABORTED)
    return after


def with_output(session: Session, message_id: str, line: str) -> Session:
    """Take over the last line that the agent wrote; what the person wrote is no output.

    Without a message id it is the agent's: our plugin sends nothing else.
    """
    typed = message_id and message_id <= session.prompt
    return session if typed else replace(session, last_output=line)


def seen(session: Session) -> Session:
    """A person has looked: an error or a finished turn is no news any more."""
    outcome = Outcome.NONE if session.outcome is Outcome.COMPLETED else session.outcome
    return replace(session, failure=None, outcome=outcome)


def _context(message: Message, before: int) -> int:
    """Tokens the model's context holds now: opencode-monitor's rule, and after a compaction just the summary."""
    if message.tokens.output == 0:
        return before
    return message.tokens.output if message.summary else message.tokens.total
