"""The turns of a stored session, from its messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tray.core.history import TurnOutcome, TurnRecord
from tray.core.messages import Message
from tray.core.opencode_ids import created_at, is_inherited
from tray.core.sessions import Failure
from tray.core.timestamps import is_timestamp
from tray.core.transitions.turns import FINISH_TOOL_CALLS


def stored_turns(session_id: str, messages: Iterable[Message], day_of: Callable[[int], int]) -> Iterator[TurnRecord]:
    """Yield the turns of a session of OpenCode: from a prompt to the response that ended the work on it.

    A prompt that was sent during a turn belongs to it, and so does what follows a compaction.
    """
    prompt, last = "", None
    for message in sorted(messages, key=lambda each: each.id):
        if message.role == "assistant":
            last = message if prompt and not is_inherited(message) else last
        elif not prompt or (last is not None and not _continues(last, message)):
            if last is not None:
                yield from _turn(session_id, prompt, last, day_of)
            prompt, last = message.id, None
    if last is not None:
        yield from _turn(session_id, prompt, last, day_of)


def _continues(last: Message, prompt: Message) -> bool:
    """Whether a prompt was sent before the turn of the last response had ended."""
    if last.error:
        return False
    is_earlier = 0 < created_at(prompt.id, last.completed + 1) < last.completed
    return last.summary or last.finish == FINISH_TOOL_CALLS or is_earlier


def _turn(session_id: str, prompt: str, last: Message, day_of: Callable[[int], int]) -> Iterator[TurnRecord]:
    started = created_at(prompt, last.completed)
    is_response = last.tokens.total > 0 or last.error  # else a shell command of the user
    if is_timestamp(last.completed) and started and is_response:
        yield TurnRecord(session_id, started, last.completed, day_of(last.completed), _outcome(last), prompt)


def _outcome(last: Message) -> TurnOutcome:
    if not last.error:
        return TurnOutcome.ABORTED if last.finish == FINISH_TOOL_CALLS else TurnOutcome.COMPLETED
    return TurnOutcome.ABORTED if Failure(last.error).aborted else TurnOutcome.FAILED
