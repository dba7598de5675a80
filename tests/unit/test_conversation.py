"""The messages that the transcripts of agents contain, in the form of `session.messages`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import copilot_events as copilot
from claude_lines import AT_MS, answer, prompt, result, text, tool
from codex_recordings import ROLLOUT
from tray.agents.claude.conversation import add_line as add_claude_line
from tray.agents.codex.conversation import add_line as add_codex_line
from tray.agents.conversation import AddLine, Conversation
from tray.agents.copilot.conversation import add_line as add_copilot_line
from tray.agents.transcripts import last_lines
from tray.core.servers import AgentKind
from tray.core.source_calls import CallError
from tray.sources.agents.conversations import read_messages
from tray.surfaces.session_content import ShownMessage, ToolUse
from tray.surfaces.session_content import read_messages as shown_messages


def conversation(add_line: AddLine, lines: Iterable[bytes | str], limit: int = 50) -> list[ShownMessage]:
    read = Conversation("Agent", limit)
    for line in lines:
        add_line(read, line.encode() if isinstance(line, str) else line)
    return list(shown_messages(json.loads(json.dumps(read.messages))))


def claude(*lines: dict[str, Any], limit: int = 50) -> list[ShownMessage]:
    return conversation(add_claude_line, map(json.dumps, lines), limit)


def parts(message: ShownMessage) -> list[str | tuple[str, str, str]]:
    """Return the texts, and tool, title and status of each use of a tool."""
    return [(part.tool, part.title, part.status) if isinstance(part, ToolUse) else part for part in message.parts]


def test_what_claude_does_between_two_prompts_is_one_message() -> None:
    failed = result("toolu_2")
    failed["message"]["content"][0]["is_error"] = True
    running = tool("Read", "toolu_3", file_path="a.py")
    read = claude(
        prompt("Fix *it*"),
        answer(text("I look"), tool(command="make"), tool("Bash", "toolu_2", command="false"), stop_reason="tool_use"),
        result(),
        failed,
        answer(text("It **works**"), running),
        prompt("Thanks"),
    )
    assert [(message.author, message.at) for message in read] == [("you", AT_MS), ("Agent", AT_MS), ("you", AT_MS)]
    assert parts(read[1]) == [
        "I look",
        ("Bash", "make", "completed"),
        ("Bash", "false", "error"),
        "It **works**",
        ("Read", "a.py", "running"),
    ]


def test_what_the_user_did_not_write_and_what_subagents_do_is_left_out() -> None:
    read = claude(
        prompt("<command-name>/clear</command-name>"),
        prompt("context", isMeta=True),
        prompt("summary", isCompactSummary=True),
        {**answer(text("of a subagent")), "isSidechain": True},
    )
    assert read == []


def test_an_error_and_an_interruption_are_those_of_the_message() -> None:
    failed = claude(prompt("a"), answer(text("API Error: 400"), isApiErrorMessage=True))
    stopped = claude(prompt("a"), answer(text("I begin")), prompt("[Request interrupted by user]"))
    assert [message.error for message in (failed[-1], stopped[-1])] == ["API Error: 400", "Interrupted"]


def test_only_the_newest_messages_are_kept() -> None:
    read = claude(*(line for n in range(5) for line in (prompt(f"prompt {n}"), answer(text(f"reply {n}")))), limit=3)
    assert [message.parts for message in read] == [("reply 3",), ("prompt 4",), ("reply 4",)]


def test_the_messages_of_codex_are_those_of_its_rollout() -> None:
    read = conversation(add_codex_line, ROLLOUT.read_bytes().splitlines())
    assert [message.author for message in read[:4]] == ["you", "Agent", "you", "Agent"]
    assert parts(read[1]) == ["word0 word1 word2"]
    assert parts(read[3]) == [("exec_command", "touch a.txt", "completed"), "word0 word1 word2"]
    assert parts(read[5])[0] == ("apply_patch", "f.txt", "completed")
    assert "scripted 400" in read[-3].error
    assert read[-1].error == "Interrupted"


def test_the_messages_of_copilot_are_those_of_its_events() -> None:
    lines = [json.loads(line) for line in copilot.RECORDING.read_text(encoding="utf-8").splitlines()]
    read = conversation(add_copilot_line, (json.dumps(line) for line in lines if "data" in line))
    assert parts(read[1])[:2] == [("bash", "touch a.txt", "completed"), "word0 word1 word2 "]
    tools = [part.title for message in read for part in message.parts if isinstance(part, ToolUse)]
    assert "touch a.txt" in tools
    assert "touch s.txt" not in tools  # of a subagent


@pytest.mark.parametrize("add_line", [add_claude_line, add_codex_line, add_copilot_line])
@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"type": 1}', b'{"type": "user", "message": 3}'])
def test_an_invalid_line_changes_nothing(add_line: AddLine, line: bytes) -> None:
    assert conversation(add_line, [line]) == []


@pytest.mark.parametrize(
    ("kind", "path", "line"),
    [
        (AgentKind.CLAUDE, ".claude/projects/-work/ses-1.jsonl", json.dumps(prompt("do it"))),
        (AgentKind.COPILOT, ".copilot/session-state/ses-1/events.jsonl", copilot.prompt("do it")),
    ],
)
def test_the_transcript_of_a_session_is_found_by_its_id(tmp_path: Path, kind: AgentKind, path: str, line: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line + "\n", encoding="utf-8")
    (message,) = read_messages(kind, {}, tmp_path, {"sessionID": "ses-1", "limit": 5})
    assert message["parts"] == [{"type": "text", "text": "do it"}]


def test_a_rollout_is_found_by_the_end_of_its_name(tmp_path: Path) -> None:
    name = "rollout-2026-11-26T19-16-22-01a21949-9382-7fa0-8261-486f41b6a1b6.jsonl"
    file = tmp_path / "sessions" / "2026" / "11" / "26" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(ROLLOUT.read_bytes())
    params = {"sessionID": "01a21949-9382-7fa0-8261-486f41b6a1b6", "limit": 2}
    assert len(read_messages(AgentKind.CODEX, {"CODEX_HOME": str(tmp_path)}, Path(), params)) == 2


@pytest.mark.parametrize("session_id", ["*", "../x", "a/b", "[a]", ""])
def test_an_id_that_is_a_pattern_or_a_path_is_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(CallError, match="not one of a transcript"):
        read_messages(AgentKind.CLAUDE, {}, tmp_path, {"sessionID": session_id})


def test_an_agent_without_transcripts_says_so(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="Qwen Code keeps no messages"):
        read_messages(AgentKind.QWEN, {}, tmp_path, {"sessionID": "ses"})


@pytest.mark.parametrize("kind", [kind for kind in AgentKind if kind.has_transcripts])
def test_a_session_without_a_prompt_has_no_messages(tmp_path: Path, kind: AgentKind) -> None:
    assert read_messages(kind, {}, tmp_path, {"sessionID": "ses"}) == []


def test_only_complete_lines_of_the_end_of_a_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"one\ntwo\nthree\nfou")
    assert last_lines(file, 1000) == [b"one", b"two", b"three"]
    assert last_lines(file, 12) == [b"three"]
