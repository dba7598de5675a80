"""What the hooks of Gemini CLI and Qwen Code report, from recordings of the real programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tray.agents.gemini.hooks import decode_hook as decode_gemini
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
from tray.agents.qwen.hooks import decode_hook as decode_qwen

RECORDINGS = Path(__file__).parents[1] / "recordings"
DECODERS = (decode_gemini, decode_qwen)
GEMINI, QWEN = "c0c9a8b4-071a-4b0f-9509-ea545fa0cd50", "b9e3a164-fa4f-487c-9fcb-8a6528af0f5c"
SHELL = "run_shell_command"


def recorded(agent: str, decode: Callable[[bytes], Hook | None]) -> list[Hook]:
    """Return what a recorded conversation reports."""
    lines = (RECORDINGS / agent / "conversation.jsonl").read_bytes().splitlines()
    return [replace(hook, transcript="") for line in lines if (hook := decode(line)) is not None]


def test_gemini_reports_turns_tools_and_permissions():
    at = GEMINI, "/home/user/proj"
    assert recorded("gemini", decode_gemini) == [
        SessionStarted(*at),
        TurnStarted(*at, "Do [[sh:touch g1.txt]] [[text:G1 done]]"),
        ToolStarted(*at, SHELL),
        PermissionShown(*at, "exec", "touch g1.txt"),
        ToolEnded(*at, SHELL),
        TurnEnded(*at, "G1 done"),
        TurnStarted(*at, "Do [[err:400]]"),
        TurnStopped(*at),
        TurnStarted(*at, "Do [[sh:touch g3.txt]] [[text:G3 done]]"),
        ToolStarted(*at, SHELL),
        PermissionShown(*at, "exec", "touch g3.txt"),  # closed with Escape: no hook tells
        TurnStarted(*at, "Do [[slow:9]] [[text:G4 done]]"),
        TurnStopped(*at),
        SessionEnded(*at),
        SessionEnded(*at),
        SessionEnded(*at),
    ]


def test_gemini_names_the_transcript():
    path = f"/home/user/.gemini/tmp/proj/chats/{GEMINI}.jsonl"
    payload = {"hook_event_name": "BeforeAgent", "session_id": GEMINI, "transcript_path": path}
    assert decode_gemini(json.dumps(payload).encode()) == TurnStarted(GEMINI, transcript=path)


def test_qwen_reports_turns_tools_permissions_and_errors():
    at = QWEN, "/home/user/proj"
    allowed = [
        PermissionShown(*at, SHELL, "touch q2.txt"),
        ToolStarted(*at, SHELL),
        ToolEnded(*at, SHELL),
        TurnStarted(*at),  # it goes on after a tool
        TurnEnded(*at, "Q2 done"),
        TurnStopped(*at),
    ]
    hooks = recorded("qwen", decode_qwen)
    assert hooks[0] == SessionStarted(*at)
    start = hooks.index(TurnStarted(*at, "Do [[sh:touch q2.txt]] [[text:Q2 done]]"))
    assert hooks[start + 1 :] == [
        *allowed,
        TurnStarted(*at, "Do [[err:400]]"),
        TurnFailed(*at, "400 fake error"),
        TurnStopped(*at),
        TurnStarted(*at, "Do [[slow:9]] [[text:Q4]]"),
        TurnStopped(*at),  # Escape
        SessionEnded(*at),
    ]


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"type": "exec", "command": "make"}, ("exec", "make")),
        ({"type": "edit", "filePath": "/a/b.txt", "fileName": "b.txt"}, ("edit", "/a/b.txt")),
        ({"type": "mcp", "toolName": "search"}, ("mcp", "search")),
        ({"type": "info", "prompt": "fetch https://a"}, ("info", "fetch https://a")),
        ({}, ("permission", "Tool requires confirmation")),
        (["of another shape"], ("permission", "Tool requires confirmation")),
    ],
)
def test_gemini_tells_what_a_dialog_asks_for(details: Any, expected: tuple[str, str]):
    payload = {
        "hook_event_name": "Notification", "session_id": "s", "notification_type": "ToolPermission",
        "message": "Tool requires confirmation", "details": details,
    }  # fmt: skip
    assert decode_gemini(json.dumps(payload).encode()) == PermissionShown("s", "", *expected)


def test_a_failed_tool_of_qwen_has_ended_and_its_subagents_do_not_change_the_session():
    payload = {"hook_event_name": "PostToolUseFailure", "session_id": "s", "tool_name": "edit"}
    assert decode_qwen(json.dumps(payload).encode()) == ToolEnded("s", "", "edit")
    assert decode_qwen(json.dumps({**payload, "agent_id": "a"}).encode()) is None


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"hook_event_name": "Stop"}',
        b'{"hook_event_name": 1, "session_id": "s"}',
        b'{"hook_event_name": "Unknown", "session_id": "s"}',
        b'{"hook_event_name": "Notification", "notification_type": "other", "session_id": "s"}',
    ],
)
def test_other_payloads_say_nothing(decode: Callable[[bytes], Hook | None], payload: bytes):
    assert decode(payload) is None
