"""What the rollout of a Codex thread tells, line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codex_recordings import ROLLOUT, rollout
from tray.agents.codex.inference import ThreadState, snapshot
from tray.agents.codex.rollout import Rollout, RolloutFile
from tray.agents.transcripts import ABORTED
from tray.core.messages import Tokens
from tray.core.plan_limits import PlanLimit

STEP = Tokens(900, 30, 4, 300)  # of each recorded response
COMPLETED, ABORT = '"task_complete"', '"turn_aborted", "root'


def lines(*entries: tuple[str, dict[str, Any]]) -> Rollout:
    found = Rollout()
    for kind, payload in entries:
        found.add(json.dumps({"timestamp": "2026-11-26T19:16:30Z", "type": kind, "payload": payload}).encode())
    return found


def usage(thread: str, response: str, count: int = 10) -> tuple[str, dict[str, Any]]:
    return "token_usage_record", {"thread_id": thread, "response_id": response, "usage": {"input_tokens": count}}


def test_a_turn_that_ended_by_itself_is_finished() -> None:
    first = rollout(COMPLETED)
    assert first.last is not None
    assert (first.last.finish, first.last.error, first.turn_started) == ("stop", "", 0)
    assert (first.messages, first.output, first.first_prompt) == (2, "word0 word1 word2", 'work ##{"words": 3}')
    assert (first.model, first.directory, first.version) == ("scripted/gpt-5.5", "/home/dev/project", "0.171.0")
    assert (first.tokens, first.last.tokens, first.context_size) == (STEP, STEP, 258_400)
    assert first.last.id == first.turn_id


def test_a_running_turn_has_a_start_and_its_tool_calls() -> None:
    running = rollout('"exec_command"')
    assert running.turn_started > running.created > 0
    assert [(call.name, json.loads(call.arguments)["cmd"]) for call in running.running.values()] == [
        ("exec_command", "touch a.txt")
    ]
    assert running.last is not None
    assert running.last.completed == 0 or running.last.id < running.turn_id
    assert rollout('"function_call_output"').running == {}


def test_an_error_of_the_api_ends_the_turn_with_its_message() -> None:
    failed = rollout('"error": {"message"')
    assert failed.last is not None
    assert (failed.last.error, failed.last.finish, failed.turn_started) == ("APIError", "", 0)
    assert "scripted 400" in failed.last.error_text


def test_a_turn_that_the_user_stopped_is_aborted() -> None:
    stopped = rollout()
    assert stopped.last is not None
    assert (stopped.last.error, stopped.turn_started) == (ABORTED, 0)


def test_the_usage_of_a_response_is_counted_once_and_that_of_a_parent_thread_never() -> None:
    meta = ("session_meta", {"id": "fork"})
    parent = ("session_meta", {"id": "parent", "cwd": "/elsewhere"})
    found = lines(meta, parent, usage("parent", "r1"), usage("fork", "r2"), usage("fork", "r2"), usage("fork", "r3"))
    assert (found.thread_id, found.directory, found.tokens.input) == ("fork", "", 20)


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b'{"type": 1}', b'{"type": "event_msg", "payload": []}', b'{"type": "new"}']
)
def test_an_invalid_or_unknown_line_changes_nothing(line: bytes) -> None:
    found = rollout()
    before = (found.last, found.messages, found.tokens)
    found.add(line)
    assert (found.last, found.messages, found.tokens) == before


def test_a_rollout_is_read_from_where_the_last_reading_ended(tmp_path: Path) -> None:
    recorded = ROLLOUT.read_bytes()
    path = tmp_path / "rollout.jsonl"
    file = RolloutFile(path)
    for size in (10_000, 20_001, len(recorded)):
        path.write_bytes(recorded[:size])
        file.read()
    assert (file.content.last, file.content.tokens) == (rollout().last, rollout().tokens)


def test_the_limits_of_the_plan_are_those_reported_last() -> None:
    window = {"used_percent": 37.5, "window_minutes": 300, "resets_at": 1_795_744_000}
    known = {"type": "token_count", "rate_limits": {"primary": window, "secondary": None}}
    unknown = {"type": "token_count", "rate_limits": {"primary": None, "secondary": None}}
    limited = lines(("event_msg", known), ("event_msg", unknown))
    assert limited.plan_limits == (PlanLimit("5 hours", 37.5, 1_795_744_000_000),)
    assert lines(("event_msg", unknown)).plan_limits == ()
    threads = [ThreadState(name, "/p", found, is_active=False) for name, found in (("a", limited), ("b", Rollout()))]
    assert snapshot("s", threads).plan_limits == limited.plan_limits
    assert snapshot("s", threads[1:]).plan_limits is None
