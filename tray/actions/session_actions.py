"""What can be done with one session through its OpenCode: stop, fork, rename, archive, delete, prompt, and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from tray.core.commands import (
    ArchiveSession,
    CommandResult,
    DeleteSession,
    ForkSession,
    PromptSession,
    RenameSession,
    ShowDiff,
    ShowMessages,
    ShowTodos,
    StopTurn,
)
from tray.core.source_calls import CallError, CallErrorKind, SourceCall
from tray.core.text import clean

LONGEST_TITLE = 200  # characters (opencode-pilot's)
LONGEST_PROMPT = 50_000  # characters (opencode-pilot's)

Deed = (
    StopTurn
    | ForkSession
    | RenameSession
    | ArchiveSession
    | DeleteSession
    | PromptSession
    | ShowMessages
    | ShowTodos
    | ShowDiff
)


class _Step(msgspec.Struct, frozen=True):
    """One call, and the words for what came of it."""

    method: str
    did: str
    did_not: str
    params: Mapping[str, Any]


async def act(call: SourceCall, deed: Deed, now: int) -> CommandResult:
    """Have OpenCode do it; what came of it. The fleet learns of it from OpenCode's own events."""
    step = _step(deed, now)
    if isinstance(step, str):
        return CommandResult(step, ok=False)
    key = deed.session
    try:
        answer = await call(key.server, step.method, {"sessionID": key.session, **step.params})
    except CallError as error:
        if error.kind is CallErrorKind.NOT_FOUND:
            return CommandResult(f"{step.did_not}: OpenCode does not know this session any more", ok=False)
        return CommandResult(f"{step.did_not}: {error}", ok=False)
    return CommandResult(
        step.did.format(id=clean(str(answer.get("id", "")))) if isinstance(answer, dict) else step.did, result=answer
    )


def _step(deed: Deed, now: int) -> _Step | str:
    """What to call; or why it cannot be done."""
    match deed:
        case StopTurn():
            return _Step("session.abort", "Stopped", "Not stopped", {})
        case ForkSession():
            return _Step("session.fork", "Forked: {id}", "Not forked", {})
        case RenameSession(_, title):
            told = clean(title or "")
            if not 0 < len(told) <= LONGEST_TITLE:
                return f"A title has 1 to {LONGEST_TITLE} characters; this one has {len(told)}"
            return _Step("session.update", "Renamed", "Not renamed", {"title": told})
        case ArchiveSession():
            return _Step("session.update", "Archived", "Not archived", {"archived": now})
        case DeleteSession():
            return _Step("session.delete", "Deleted", "Not deleted", {})
        case PromptSession(_, text):
            told = (text or "").strip()
            if not 0 < len(told) <= LONGEST_PROMPT:
                return f"A prompt has 1 to {LONGEST_PROMPT} characters; this one has {len(told)}"
            return _Step("session.prompt", "Sent", "Not sent", {"text": told})
        case ShowMessages(_, limit):
            return _Step("session.messages", "", "Not read", {"limit": limit})
        case ShowTodos():
            return _Step("session.todo", "", "Not read", {})
        case ShowDiff():
            return _Step("session.diff", "", "Not read", {})
        case _:
            assert_never(deed)
