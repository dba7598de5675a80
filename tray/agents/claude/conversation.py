"""The messages in Claude Code's transcript of a session."""

from __future__ import annotations

from typing import Any

from tray.agents.claude.transcript import Block, TranscriptLine, blocks_of, is_automatic, is_interruption
from tray.agents.conversation import Conversation
from tray.agents.tool_call import subject_of
from tray.agents.transcripts import milliseconds
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or


def add_line(conversation: Conversation, raw: bytes) -> None:
    """Apply one line. Those of subagents, and those that only the model reads, change nothing."""
    try:
        line = decode(raw, TranscriptLine)
    except JSON_ERRORS:
        return
    if line.message is None or line.is_sidechain or line.is_meta or line.is_compact_summary:
        return
    at = milliseconds(line.timestamp)
    for block in blocks_of(line.message.content):
        if line.type == "user":
            _add_users(conversation, at, block)
        elif line.is_api_error_message and block.text:
            conversation.error(at, block.text)
        elif block.type == "text" and block.text:
            conversation.text(at, block.text)
        elif block.type == "tool_use":
            arguments = decode_or(bytes(block.input), dict[str, Any], {})
            conversation.tool(at, block.id, block.name, subject_of(arguments))


def _add_users(conversation: Conversation, at: int, block: Block) -> None:
    if block.type == "tool_result":
        conversation.result(at, block.tool_use_id, failed=bool(block.is_error))
    elif is_interruption(block.text):
        conversation.interruption(at)
    elif block.text and not is_automatic(block.text):
        conversation.prompt(at, block.text)
