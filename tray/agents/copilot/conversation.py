"""The messages in Copilot CLI's events of a session."""

from __future__ import annotations

from typing import Any

from tray.agents.conversation import Conversation
from tray.agents.copilot.events import AssistantMessage, ErrorData, EventLine, Tool, UserMessage
from tray.agents.tool_call import subject_of
from tray.agents.transcripts import milliseconds
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or


def add_line(conversation: Conversation, raw: bytes) -> None:
    """Apply one line. Those of subagents change nothing."""
    try:
        line = decode(raw, EventLine)
        if not line.agent_id:
            _add(conversation, line.type, bytes(line.data), milliseconds(line.timestamp))
    except JSON_ERRORS:
        return


def _add(conversation: Conversation, kind: str, data: bytes, at: int) -> None:
    match kind:
        case "user.message":
            conversation.prompt(at, decode(data, UserMessage).content)
        case "assistant.message" if text := decode(data, AssistantMessage).content:
            conversation.text(at, text)
        case "tool.execution_start":
            tool = decode(data, Tool)
            arguments = decode_or(bytes(tool.arguments), dict[str, Any], {})
            conversation.tool(at, tool.tool_call_id, tool.tool_name, subject_of(arguments))
        case "tool.execution_complete":
            tool = decode(data, Tool)
            conversation.result(at, tool.tool_call_id, failed=tool.success is False)
        case "session.error":
            conversation.error(at, decode(data, ErrorData).message)
        case "abort":
            conversation.interruption(at)
