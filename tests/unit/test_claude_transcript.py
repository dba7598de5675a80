"""Claude Code's transcripts: what their lines say, and that a growing file is read once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_lines import AT, AT_MS, answer, prompt, result, text, tool, transcript
from tray.agents.claude.transcript import ABORTED, Transcript, TranscriptFile, transcript_path
from tray.core.messages import Tokens


def test_the_title_is_the_users_then_the_models_then_the_first_prompt() -> None:
    lines = [
        prompt("First\nprompt"),
        prompt("second"),
        {"type": "ai-title", "aiTitle": "By the model"},
        {"type": "custom-title", "customTitle": "By the user"},
    ]
    titles = [transcript(*lines[:count]).title for count in (1, 2, 3, 4)]
    assert titles == ["First prompt", "First prompt", "By the model", "By the user"]


@pytest.mark.parametrize(
    "line",
    [
        prompt("<command-name>/clear</command-name>"),
        prompt("<task-notification>a subagent has ended</task-notification>"),
        prompt("context", isMeta=True),
        prompt("the summary", isCompactSummary=True),
        prompt("of a subagent", isSidechain=True),
    ],
)
def test_texts_that_the_user_did_not_write_are_not_prompts(line: dict[str, Any]) -> None:
    read = transcript(line)
    assert (read.title, read.messages, read.prompted_at) == ("", 0, 0)


def test_an_answer_sets_model_finish_tokens_and_output() -> None:
    read = transcript(prompt("do it"), answer(text("First line\nLast line\n")))
    assert read.last is not None
    assert (read.last.model, read.last.finish, read.last.completed) == ("anthropic/claude-opus-5-5", "stop", AT_MS)
    assert (read.output, read.messages) == ("Last line", 2)
    assert read.usage.total == Tokens(1200, 34, 0, 300, 100)


def test_a_message_of_several_lines_is_counted_once() -> None:
    zero = answer(tool(), stop_reason="tool_use")
    zero["message"]["usage"] = {"input_tokens": 0, "output_tokens": 0}
    read = transcript(answer(text("x"), stop_reason=None), zero)
    assert (read.messages, read.usage.total.total) == (1, 1634)


@pytest.mark.parametrize("usage", [None, {"input_tokens": None, "output_tokens": 5}, {"output_tokens": "5"}, [1]])
def test_an_answer_whose_usage_has_another_shape_still_ends_the_turn(usage: Any) -> None:
    line = answer(text("done"))
    line["message"]["usage"] = usage
    read = transcript(prompt("do it"), line)
    assert read.last is not None
    assert (read.last.finish, read.output, read.usage.total.input) == ("stop", "done", 0)


def test_a_tool_runs_until_its_result_an_interruption_or_the_next_prompt() -> None:
    call = answer(tool(command="make"), stop_reason="tool_use")
    assert [call.name for call in transcript(call).running.values()] == ["Bash"]
    for end in (result(), prompt("[Request interrupted by user for tool use]"), prompt("go on")):
        assert transcript(call, end).running == {}
    assert list(transcript(call, result("toolu_2")).running) == ["toolu_1"]


def test_an_interruption_and_an_api_error_are_the_end_of_the_turn() -> None:
    interrupted = transcript(answer(text("x")), prompt("[Request interrupted by user]")).last
    failed = transcript(answer(text("API Error: 400"), isApiErrorMessage=True)).last
    assert interrupted is not None
    assert failed is not None
    assert (interrupted.error, failed.error, failed.error_text) == (ABORTED, "APIError", "API Error: 400")


def test_a_retry_lasts_until_the_next_answer() -> None:
    error = {
        "type": "system", "subtype": "api_error", "timestamp": AT, "retryInMs": 600.5, "retryAttempt": 2,
        "error": {"formatted": "529 overloaded", "message": "529 {…}"},
    }  # fmt: skip
    retry = transcript(prompt("do it"), error).retry
    assert retry is not None
    assert (retry.attempt, retry.message, retry.next_at) == (2, "529 overloaded", AT_MS + 600)
    assert transcript(error, answer(text("x"))).retry is None


def test_the_cost_is_the_newest_that_claude_code_computed() -> None:
    costs = [{"type": "cost-state", "totalCostUSD": cost} for cost in (0.5, 0.75)]
    assert transcript(*costs).usage.cost == 0.75


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"type": 1}',
        b'{"type": "assistant"}',
        b'{"type": "assistant", "message": {"content": [1]}}',
        b'{"type": "user", "timestamp": "never", "message": {"content": {}}}',
        b'{"type": "system", "subtype": "api_error", "error": "text"}',
    ],
)
def test_a_line_of_another_shape_is_no_error(raw: bytes) -> None:
    read = Transcript()
    read.add(raw)
    assert read.usage.total.total == 0


def test_a_growing_file_is_read_once_and_a_replaced_one_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    first, second = (json.dumps(line).encode() + b"\n" for line in (prompt("first"), prompt("second")))
    path.write_bytes(first + second[:20])
    file = TranscriptFile(path)
    file.read()
    assert file.content.messages == 1
    path.write_bytes(first + second)
    file.read()
    file.read()
    assert file.content.messages == 2
    (tmp_path / "new").write_bytes(second)
    (tmp_path / "new").replace(path)
    file.read()
    assert (file.content.messages, file.content.title) == (1, "second")


def test_the_path_contains_the_directory_without_special_characters() -> None:
    path = transcript_path(Path("/c"), "0992", "/home/dev/my.project_é")
    assert path == Path("/c/projects/-home-dev-my-project--/0992.jsonl")
