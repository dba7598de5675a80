"""Decode what Qwen Code passes to its hooks. Pure.

A hook of PermissionRequest that waits hides Qwen Code's own dialog. No hook tells that the process was killed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tray.agents.hook import (
    Hook,
    PermissionShown,
    SessionEnded,
    SessionStarted,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnFailed,
    TurnStarted,
    TurnStopped,
)
from tray.agents.tool_call import MAX_TEXT, subject_of
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or

IDLE = "idle_prompt"  # the `notification_type` at each end of a turn, after its Stop or StopFailure


class _Payload(msgspec.Struct, frozen=True):
    hook_event_name: str = ""
    session_id: str = ""
    agent_id: str = ""  # of a subagent
    cwd: str = ""
    prompt: str = ""  # "" after each tool
    tool_name: str = ""
    tool_input: msgspec.Raw = msgspec.Raw(b"{}")
    notification_type: str = ""
    last_assistant_message: str = ""
    error: str = ""
    error_details: str = ""


def decode_hook(raw: bytes) -> Hook | None:
    """Return what a hook reports; None if it says nothing about the state of a session."""
    try:
        payload = decode(raw, _Payload)
    except JSON_ERRORS:
        return None
    return _hook(payload) if payload.session_id and not payload.agent_id else None


def _hook(payload: _Payload) -> Hook | None:
    session = payload.session_id, payload.cwd
    match payload.hook_event_name:
        case "SessionStart":
            return SessionStarted(*session)
        case "UserPromptSubmit":
            return TurnStarted(*session, payload.prompt[:MAX_TEXT])
        case "PreToolUse":
            return ToolStarted(*session, payload.tool_name)
        case "PostToolUse" | "PostToolUseFailure":
            return ToolEnded(*session, payload.tool_name)
        case "PermissionRequest":
            arguments = decode_or(bytes(payload.tool_input), dict[str, Any], {})
            return PermissionShown(*session, payload.tool_name, subject_of(arguments))
        case "Stop":
            return TurnEnded(*session, payload.last_assistant_message[:MAX_TEXT])
        case "StopFailure":
            return TurnFailed(*session, (payload.error_details or payload.error)[:MAX_TEXT])
        case "Notification" if payload.notification_type == IDLE:
            return TurnStopped(*session)
        case "SessionEnd":
            return SessionEnded(*session)
        case _:
            return None
