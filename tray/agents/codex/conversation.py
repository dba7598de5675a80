"""The messages in Codex' transcript of a thread."""

from __future__ import annotations

import shlex
from typing import Any

from tray.agents.codex.requests import PATCH, patched_files
from tray.agents.codex.rollout import Event, Item, ResponseItem, RolloutLine
from tray.agents.conversation import Conversation
from tray.agents.tool_call import subject_of
from tray.agents.transcripts import milliseconds
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or


def add_line(conversation: Conversation, raw: bytes) -> None:
    """Apply one line."""
    try:
        line = decode(raw, RolloutLine)
        at, payload = milliseconds(line.timestamp), bytes(line.payload)
        if line.type == "event_msg":
            _add_event(conversation, at, decode(payload, Event))
        elif line.type == "response_item":
            _add_call(conversation, at, decode(payload, ResponseItem))
    except JSON_ERRORS:
        return


def _add_event(conversation: Conversation, at: int, event: Event) -> None:
    match event.type:
        case "item_completed":
            item = decode(bytes(event.item), Item)
            if item.type == "UserMessage":
                conversation.prompt(at, item.text)
            elif item.type == "AgentMessage":
                conversation.text(at, item.text)
        case "task_complete" if event.error is not None:
            conversation.error(at, event.error.message)
        case "turn_aborted":
            conversation.interruption(at)


def _add_call(conversation: Conversation, at: int, item: ResponseItem) -> None:
    match item.type:
        case "function_call" | "custom_tool_call":
            conversation.tool(at, item.call_id, item.name, _title(item))
        case "function_call_output" | "custom_tool_call_output":
            conversation.result(at, item.call_id)


def _title(item: ResponseItem) -> str:
    if item.name == PATCH:
        return ", ".join(patched_files(item.input or item.arguments))
    arguments = decode_or(item.arguments.encode("utf-8", "replace"), dict[str, Any], {})
    match arguments:
        case {"cmd": str(command)}:
            return command
        case {"command": [*words]}:
            return shlex.join(map(str, words))
        case _:
            return subject_of(arguments)
