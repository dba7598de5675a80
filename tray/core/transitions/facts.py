"""What a report of a session, or a digest of its messages, changes in the session."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.events import Digest, SessionFacts
from tray.core.opencode_ids import is_inherited
from tray.core.sessions import Failure, Outcome, Session
from tray.core.transitions.messages import context_tokens
from tray.core.transitions.usage import own_cost, with_inherited_usage, with_reported_usage

_PLAIN_FACTS = (
    "parent", "title", "directory", "agent", "model", "created", "updated", "archived",
    "additions", "deletions", "files",
)  # fmt: skip


def with_facts(session: Session, facts: SessionFacts) -> Session:
    """Apply the fields that the report contains; the others stay."""
    changed = {
        name: value
        for name in _PLAIN_FACTS
        if (value := getattr(facts, name)) is not None and value != getattr(session, name)
    }
    if facts.parent is not None and session.outcome is Outcome.COMPLETED:
        changed["outcome"] = Outcome.NONE  # a subagent session: the end of its turn is not announced
    after = replace(session, **changed) if changed else session
    if facts.tokens is not None or facts.cost is not None:
        after = with_reported_usage(after, facts.cost, facts.tokens)
    return with_digest(after, facts.digest) if facts.digest else after


def with_digest(session: Session, digest: Digest) -> Session:
    """Apply what the messages say. An error that was seen before and dismissed does not come back.

    An error is over if the user has asked again meanwhile, and what the agent wrote then has none.

    Counts of the newest messages alone (`partial`) are applied only where less was known.
    """
    last = digest.last
    before = session.last
    is_known = before is not None and last is not None and (before.id, before.error) == (last.id, last.error)
    is_newer = digest.prompt > session.prompt
    after = replace(
        session,
        last_output=digest.output or session.last_output,
        prompt=max(digest.prompt, session.prompt),
        prompt_text=digest.prompt_text or ("" if is_newer else session.prompt_text),
        tool=digest.tool,
    )
    if digest.tool and digest.tool_since:
        after = replace(after, tool_since=digest.tool_since)
    if not digest.partial or digest.messages > session.messages:
        after = replace(after, messages=digest.messages)
    after = _with_digested_usage(after, digest)
    if last is None:
        return after
    after = replace(
        after,
        last=last,
        last_message=max(last.id, session.last_message),
        context_tokens=context_tokens(last, after.context_tokens),
        agent=last.agent or after.agent,
        model=last.model or after.model,
    )
    if session.prompt and is_newer and last.id > digest.prompt and not last.error:
        after = replace(after, failure=None)
    failure = Failure(last.error, last.error_text) if last.error and not is_inherited(last) else None
    if failure is None or failure.aborted or is_known:
        return after
    return replace(after, failure=session.failure or failure, turn_ended=last.completed)


def _with_digested_usage(session: Session, digest: Digest) -> Session:
    """Apply the sums of a digest where they are complete, or larger than what was known."""
    cost, tokens = digest.inherited_cost, digest.inherited_tokens
    inherits = cost > 0 or tokens.total > 0
    if inherits and digest.partial and session.counted:  # the messages that were not read are inherited as well
        cost = max(cost, own_cost(session.cost + session.inherited_cost, digest.cost))
        tokens += (session.tokens + session.inherited_tokens).without(digest.tokens + tokens)
    is_complete = inherits or not digest.partial
    after = with_inherited_usage(session, cost, tokens) if is_complete else session
    if session.counted or not (is_complete or digest.tokens.total > session.tokens.total):
        return after
    return replace(after, tokens=digest.tokens, cost=digest.cost)
