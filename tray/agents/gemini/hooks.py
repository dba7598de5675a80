"""Decode what Gemini CLI passes to its hooks. Pure.

No hook tells that Escape closed a dialog, or that an error ended the turn: the transcript does (chat.py). Neither tells
that the process was killed.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tray.agents.hook import (
    Hook,
    PermissionShown,
    SessionEnded,
    SessionStarted,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    TurnStopped,
)
from tray.agents.tool_call import MAX_TEXT
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or

NO_RESPONSE = "[no response text]"  # the value of `prompt_response` if the turn ended before the first word
PERMISSION = "ToolPermission"  # the only value of `notification_type`


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    """What a dialog asks for. The field that is set depends on its `type`."""

    type: str = ""  # "exec", "edit", "info", "mcp" …
    command: str = ""
    file_path: str = ""
    file_name: str = ""
    tool_name: str = ""
    prompt: str = ""


class _Payload(msgspec.Struct, frozen=True):
    hook_event_name: str = ""
    session_id: str = ""
    cwd: str = ""
    transcript_path: str = ""
    prompt: str = ""
    prompt_response: str = ""
    tool_name: str = ""
    notification_type: str = ""
    message: str = ""
    details: msgspec.Raw = msgspec.Raw(b"{}")


def decode_hook(raw: bytes) -> Hook | None:
    """Return what a hook reports; None if it says nothing about the state of a session."""
    try:
        payload = decode(raw, _Payload)
    except JSON_ERRORS:
        return None
    hook = _hook(payload) if payload.session_id else None
    return replace(hook, transcript=payload.transcript_path) if hook is not None else None


def _hook(payload: _Payload) -> Hook | None:
    session = payload.session_id, payload.cwd
    match payload.hook_event_name:
        case "SessionStart":
            return SessionStarted(*session)
        case "BeforeAgent":
            return TurnStarted(*session, payload.prompt[:MAX_TEXT])
        case "BeforeTool":
            return ToolStarted(*session, payload.tool_name)
        case "AfterTool":
            return ToolEnded(*session, payload.tool_name)
        case "Notification" if payload.notification_type == PERMISSION:
            details = decode_or(bytes(payload.details), _Details, _Details())
            return PermissionShown(*session, details.type or "permission", _subject(payload, details)[:MAX_TEXT])
        case "AfterAgent" if payload.prompt_response == NO_RESPONSE:
            return TurnStopped(*session)
        case "AfterAgent":
            return TurnEnded(*session, payload.prompt_response[:MAX_TEXT])
        case "SessionEnd":
            return SessionEnded(*session)
        case _:
            return None


def _subject(payload: _Payload, details: _Details) -> str:
    """Return what the tool is about to do."""
    named = (details.command, details.file_path, details.file_name, details.tool_name, details.prompt)
    return next(filter(None, named), payload.message)
