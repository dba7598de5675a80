"""What Gemini CLI's transcript of a session says, from a recording of the real program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tray.agents.gemini.chat import Chat, ChatFile
from tray.core.messages import Message, Tokens

RECORDING = Path(__file__).parents[1] / "recordings" / "gemini" / "chat.jsonl"
STEP = Tokens(1_200, 34)  # of each request to the model


def ends(read: Chat) -> list[tuple[str, str, str]]:
    """Return finish, error and its text after each line that changed the newest message."""
    found: list[Message] = []
    for line in RECORDING.read_bytes().splitlines():
        read.add(line)
        if read.last is not None and read.last not in found:
            found.append(read.last)
    return [(message.finish, message.error, message.error_text) for message in found]


def test_the_recorded_session_finished_failed_and_was_stopped_twice() -> None:
    read = Chat()
    answered, stopped = ("stop", "", ""), ("", "MessageAbortedError", "")
    error = '[API Error: {"error":{"code":400,"message":"scripted 400","status":"INVALID_ARGUMENT"}}]'
    assert ends(read) == [
        answered,  # with a tool call
        answered,
        ("", "APIError", error),
        stopped,  # while it wrote
        answered,  # with a tool call
        stopped,  # Escape in the dialog
    ]


def test_each_message_is_counted_once_although_it_is_written_several_times() -> None:
    file = ChatFile(RECORDING)
    file.read()
    assert file.content.tokens == STEP + STEP + STEP
    assert file.content.output == "word0"


def test_cached_tokens_are_counted_once() -> None:
    read = Chat()
    usage = {"input": 1_200, "output": 34, "cached": 200, "thoughts": 5, "tool": 0, "total": 1_239}
    read.add(json.dumps({"id": "a", "type": "gemini", "content": "x", "model": "gemini-3", "tokens": usage}).encode())
    assert read.tokens == Tokens(1_000, 34, 5, 200)
    assert read.last is not None
    assert read.last.model == "google/gemini-3"


@pytest.mark.parametrize(
    "line", [b"", b"[]", b'{"type": 1}', b'{"type": "info", "content": "other"}', b'{"type": "gemini", "tokens": []}']
)
def test_a_line_of_another_shape_changes_nothing(line: bytes) -> None:
    read = Chat()
    read.add(line)
    assert (read.last, read.tokens) == (None, Tokens())
