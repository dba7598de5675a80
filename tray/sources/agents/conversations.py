"""Reads the newest messages of a session from the transcript of its agent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tray.agents.catalog import AGENTS
from tray.agents.claude import transcript as claude
from tray.agents.claude.conversation import add_line as add_claude_line
from tray.agents.codex import home as codex
from tray.agents.codex.conversation import add_line as add_codex_line
from tray.agents.conversation import AddLine, Conversation
from tray.agents.copilot import open_sessions as copilot
from tray.agents.copilot.conversation import add_line as add_copilot_line
from tray.agents.transcripts import last_lines
from tray.core.servers import AgentKind
from tray.core.source_calls import CallError, CallErrorKind

MESSAGES = "session.messages"  # the method of plugin/PROTOCOL.md
MAX_MESSAGES = 200  # the most that OpenCode's plugin returns
MAX_READ = 8_000_000  # bytes of the end of a transcript
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class _Transcripts(NamedTuple):
    """Where the transcripts of an agent are, and what their lines say."""

    pattern: str  # of the paths in its folder, with the id of the session
    add_line: AddLine


_TRANSCRIPTS = {
    AgentKind.CLAUDE: _Transcripts(claude.TRANSCRIPTS, add_claude_line),
    AgentKind.CODEX: _Transcripts(codex.ROLLOUTS, add_codex_line),
    AgentKind.COPILOT: _Transcripts(copilot.TRANSCRIPTS, add_copilot_line),
}


def read_messages(
    kind: AgentKind, environment: Mapping[str, str], home: Path, params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the result of `session.messages`, [] for a session that has no transcript yet. Blocks.

    Raises CallError if the agent has no transcripts, the ID is not one of a transcript, or it cannot be read.
    """
    transcripts = _TRANSCRIPTS.get(kind)
    if transcripts is None:
        raise CallError(f"{kind.title} keeps no messages that can be read", CallErrorKind.UNSUPPORTED)
    session_id, limit = str(params["sessionID"]), int(params.get("limit", 50))
    if not _SESSION_ID.fullmatch(session_id):
        raise CallError("its ID is not one of a transcript", CallErrorKind.NOT_FOUND)
    folder = AGENTS[kind].folder(environment, home)
    conversation = Conversation(kind.short_title, max(1, min(limit, MAX_MESSAGES)))
    try:
        path = next(folder.glob(transcripts.pattern.format(session_id)), None)
        lines = last_lines(path, MAX_READ) if path is not None else []
    except OSError as error:
        raise CallError(f"its transcript cannot be read: {error.strerror}") from error
    for line in lines:
        transcripts.add_line(conversation, line)
    return conversation.messages
