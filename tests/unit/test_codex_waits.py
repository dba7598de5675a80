"""The permissions that hooks of Codex report: when they are shown, and when they have ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_recordings import rollout
from tray.agents.codex.hooks import decode_hook
from tray.agents.codex.rollout import Rollout
from tray.sources.agents.codex_waits import CONFIRM_TIME, PermissionWaits

PID, STARTED = 7, 1000.0  # of the process, and of its hook in s since the Unix epoch


class Waits:
    """The permissions of one process whose turn calls a tool."""

    def __init__(self, tool: str = "Bash", command: str = "touch a.txt") -> None:
        self.now = 0
        self.rollout = rollout('"exec_command"')
        self.waits = PermissionWaits(lambda: self.now)
        payload = {
            "hook_event_name": "PermissionRequest", "turn_id": self.rollout.turn_id, "tool_name": tool,
            "tool_input": {"command": command},
        }  # fmt: skip
        hook = decode_hook(json.dumps(payload).encode())
        assert hook is not None
        self.waits.add(PID, hook, STARTED, {PID})
        self.now = CONFIRM_TIME

    def shown(self, pid: int = PID, command_started: float = STARTED) -> list[str]:
        """Return the text of each request of the thread."""
        asked = self.waits.update(pid, [self.rollout], command_started).get(self.rollout.thread_id, ())
        return [f"{item.request.title}: {item.request.detail}" for item in asked]


def line(kind: str, **payload: Any) -> bytes:
    return json.dumps({"timestamp": "2026-11-26T19:16:30Z", "type": kind, "payload": payload}).encode()


def test_a_permission_is_shown_after_a_while_and_until_its_command_starts() -> None:
    waits = Waits()
    waits.now = CONFIRM_TIME - 1
    assert waits.shown() == []
    waits.now = CONFIRM_TIME
    assert waits.shown() == ["command: touch a.txt"]
    assert waits.shown(command_started=STARTED + 0.2) == ["command: touch a.txt"]  # another hook
    assert waits.shown(pid=8, command_started=STARTED + 5) == []
    assert waits.shown(command_started=STARTED + 1) == []
    assert not waits.waits.is_waiting(PID)


@pytest.mark.fault
def test_a_clock_that_is_set_back_hides_no_permission() -> None:
    waits = Waits()
    waits.now = -86_400_000
    assert waits.shown() == ["command: touch a.txt"]


@pytest.mark.parametrize(
    "end",
    [
        line("response_item", type="function_call_output", call_id="call_2_0"),
        line("event_msg", type="turn_aborted"),
        line("event_msg", type="task_started", turn_id="another"),
    ],
)
def test_a_permission_ends_with_its_call_and_with_its_turn(end: bytes) -> None:
    waits = Waits()
    assert waits.shown()
    (call,) = waits.rollout.running
    waits.rollout.add(end.replace(b"call_2_0", call.encode()))
    assert waits.shown() == []


def test_what_the_automatic_reviewer_decides_is_not_shown() -> None:
    waits = Waits()
    waits.rollout.add(line("turn_context", model="gpt-5.5", approvals_reviewer="auto_review"))
    assert waits.shown() == []


def test_a_patch_is_shown_without_the_lines_that_enclose_it() -> None:
    waits = Waits("apply_patch", "*** Begin Patch\n*** Add File: f.txt\n+hello\n*** End Patch")
    assert waits.shown() == ["edit: *** Add File: f.txt\n+hello"]


def test_of_two_calls_the_one_with_the_command_is_shown() -> None:
    waits = Waits(command="make test")
    waits.rollout.add(line("response_item", type="function_call", call_id="other", arguments='{"cmd": "make test"}'))
    waits.rollout.add(line("response_item", type="function_call", call_id="last", arguments='{"cmd": "ls"}'))
    assert waits.shown() == ["command: make test"]
    waits.rollout.add(line("response_item", type="function_call_output", call_id="last"))
    assert waits.shown() == ["command: make test"]
    waits.rollout.add(line("response_item", type="function_call_output", call_id="other"))
    assert waits.shown() == []


def test_a_process_that_is_not_followed_is_forgotten() -> None:
    waits = Waits()
    hook = decode_hook(b'{"hook_event_name": "PermissionRequest", "turn_id": "t"}')
    assert hook is not None
    waits.waits.add(8, hook, STARTED, ())
    assert not waits.waits.is_waiting(PID)


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"hook_event_name": "Stop", "turn_id": "t"}'])
def test_other_hooks_are_ignored(payload: bytes) -> None:
    assert decode_hook(payload) is None


def test_a_new_rollout_waits_for_nothing() -> None:
    waits = Waits()
    waits.rollout = Rollout()
    assert waits.shown() == []
