"""What a message, or a line of output, changes in its session."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.messages import Message
from tray.core.opencode_ids import is_inherited
from tray.core.sessions import Activity, Failure, Outcome, Session
from tray.core.transitions.usage import with_inherited_usage


def with_message(session: Session, message: Message) -> Session:
    """Count a message once, however often it is reported. Sum tokens and cost where OpenCode reports no sums.

    The cost of an inherited message was paid in the session that it was copied from.
    """
    is_new = message.id > session.last_message
    is_prompt = message.role == "user" and message.id > session.prompt
    after = replace(
        session,
        messages=session.messages + 1 if is_new else session.messages,
        last_message=message.id if is_new else session.last_message,
        prompt=message.id if is_prompt else session.prompt,
        prompt_text="" if is_prompt else session.prompt_text,
        agent=message.agent or session.agent,
        model=message.model or session.model,
    )
    if message.role != "assistant" or (session.last is not None and message.id < session.last.id):
        return after
    previous = session.last if session.last is not None and session.last.id == message.id else Message(message.id)
    tokens, cost = message.tokens - previous.tokens, message.cost - previous.cost
    if is_inherited(message):
        after = with_inherited_usage(after, session.inherited_cost + cost, session.inherited_tokens + tokens)
    elif not session.counted:
        after = replace(after, tokens=session.tokens + tokens, cost=session.cost + cost)
    after = replace(
        after,
        last=message,
        last_output=message.output or session.last_output,
        context_tokens=context_tokens(message, session.context_tokens),
    )
    is_aborted = Failure(message.error).aborted
    if is_aborted and (after.activity is not Activity.IDLE or after.outcome is Outcome.COMPLETED):
        after = replace(after, outcome=Outcome.ABORTED)
    return after


def with_output(session: Session, message_id: str, line: str, beginning: str) -> Session:
    """Set the last line that the agent wrote, or the beginning of the newest prompt, which may have several texts.

    Without a message id the line is the agent's.
    """
    if not message_id or message_id > session.prompt:
        return replace(session, last_output=line)
    is_missing = message_id == session.prompt and not session.prompt_text
    return replace(session, prompt_text=beginning) if is_missing else session


def context_tokens(message: Message, before: int) -> int:
    """Return the number of tokens in the model's context: opencode-monitor's rule; after a compaction the summary."""
    if message.tokens.output == 0:
        return before
    return message.tokens.output if message.summary else message.tokens.total
