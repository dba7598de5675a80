"""Codex' hooks: what the tray installs in its settings, and what they report. Pure.

Only processes without a daemon need them: their rollouts do not tell that a tool waits for a permission.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from tray.agents.codex.asked import Asked
from tray.agents.codex.requests import PATCH, TERMINAL_ONLY, patch_text
from tray.agents.codex.rollout import Rollout
from tray.agents.hook_file import HookFile
from tray.agents.tool_call import MAX_TEXT, describe
from tray.agents.transcripts import ToolCall
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or
from tray.core.sessions import Request, RequestKind

PERMISSION_REQUEST = "PermissionRequest"
REPORT = 1  # s; the tray answers at once: a hook that waits would hide the dialog of a permission
HOOK_FILE = HookFile("codex", "hooks.json", {PERMISSION_REQUEST: REPORT}, keeps_places=True)
TITLES = {"Bash": "command", PATCH: "edit"}  # of the tools' requests; others have the tool's name


class PermissionHook(msgspec.Struct, frozen=True):
    """What Codex passes to a hook before a tool that needs a permission. It does not contain the id of the call."""

    turn_id: str
    hook_event_name: str = ""
    tool_name: str = ""
    tool_input: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the tool."""
        return decode_or(bytes(self.tool_input), dict[str, Any], {})


def decode_hook(raw: bytes) -> PermissionHook | None:
    """Return what a hook reports; None if it is not a permission."""
    try:
        hook = decode(raw, PermissionHook)
    except JSON_ERRORS:
        return None
    return hook if hook.hook_event_name == PERMISSION_REQUEST else None


def waiting_call(hook: PermissionHook, rollout: Rollout) -> ToolCall | None:
    """Return the tool call that a hook is about; None if the turn has gone on, or if the user is not asked.

    Codex calls the hook for what its automatic reviewer decides, too.
    """
    if rollout.turn_id != hook.turn_id or not rollout.turn_started or not rollout.is_reviewed_by_user:
        return None
    calls = list(rollout.running.values())
    command = hook.arguments.get("command")
    text = json.dumps(command, ensure_ascii=False)[1:-1].encode() if isinstance(command, str) else b""
    return next((call for call in calls if text in call.arguments), calls[-1] if calls else None)


def waiting(hook: PermissionHook, call: ToolCall, thread_id: str, asked_at: int) -> Asked:
    """Return the request of a tool call. `asked_at` is in ms since the Unix epoch."""
    if hook.tool_name == PATCH:
        text = patch_text(str(hook.arguments.get("command", "")))
        is_complete = bool(text) and len(text) <= MAX_TEXT
    else:
        text, is_complete = describe(hook.arguments)
    request = Request(
        id=f"{thread_id}-{call.id}",
        session=thread_id,
        kind=RequestKind.PERMISSION,
        title=TITLES.get(hook.tool_name, hook.tool_name[:MAX_TEXT] or "tool"),
        detail=text[:MAX_TEXT],
        asked_at=asked_at,
    )
    return Asked("", hook.turn_id, replace(request, complete=is_complete, read_only_reason=TERMINAL_ONLY))
