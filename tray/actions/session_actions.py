"""Run the session commands that OpenCode executes: stop, fork, rename, archive, delete, prompt, and read."""

from __future__ import annotations

from typing import Any

from tray.core.commands import (
    SESSION_COMMAND_RECORDS,
    ArchiveSession,
    CommandResult,
    NewSession,
    OpenCodeCommand,
    PromptSession,
    RenameSession,
    ShowMessages,
)
from tray.core.session_commands import SESSION_COMMANDS
from tray.core.source_calls import CallError, CallErrorKind, SourceCall
from tray.core.text import clean

MAX_TITLE = 200  # characters (opencode-pilot's limit)
MAX_PROMPT = 50_000  # characters (opencode-pilot's limit)

_INFOS = {record: SESSION_COMMANDS[name] for name, record in SESSION_COMMAND_RECORDS.items()}


async def run_session_command(call: SourceCall, command: OpenCodeCommand, now: int) -> CommandResult:
    """Call OpenCode and return the result. The fleet learns of the change from OpenCode's own events."""
    info = _INFOS[type(command)]
    try:
        params = _params(command, now)
    except ValueError as error:
        return CommandResult(str(error), ok=False)
    key = command.session
    try:
        result = await call(key.server, info.method, {"sessionID": key.session, **params})
    except CallError as error:
        unknown = error.kind is CallErrorKind.NOT_FOUND
        reason = "OpenCode no longer has this session" if unknown else error
        return CommandResult(f"{info.failed}: {reason}", ok=False)
    new_id = clean(str(result.get("id", ""))) if isinstance(result, dict) else ""
    return CommandResult(info.done.format(id=new_id), result=result)


def _params(command: OpenCodeCommand, now: int) -> dict[str, Any]:
    """Return the parameters besides `sessionID`. Raises ValueError with the reason if the user's text is invalid."""
    match command:
        case RenameSession(_, title):
            return {"title": _check_length(clean(title or ""), "title", MAX_TITLE)}
        case PromptSession(_, text) | NewSession(_, text):
            return {"text": _check_length((text or "").strip(), "prompt", MAX_PROMPT)}
        case ArchiveSession():
            return {"archived": now}
        case ShowMessages(_, limit):
            return {"limit": limit}
        case _:
            return {}


def _check_length(text: str, kind: str, limit: int) -> str:
    """Return the text. Raises ValueError if it is empty or longer than the limit."""
    if not 0 < len(text) <= limit:
        raise ValueError(f"A {kind} must have 1 to {limit:,} characters; this one has {len(text):,}")
    return text
