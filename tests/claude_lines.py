"""Lines of Claude Code's transcripts, in the shapes of 2.1.332."""

from __future__ import annotations

import json
from typing import Any

from tray.agents.claude.transcript import Transcript

AT = "2026-11-25T22:56:40.000Z"
AT_MS = 1_795_647_400_000
USAGE = {
    "input_tokens": 1200,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 300,
    "output_tokens": 34,
}


def prompt(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "user", "timestamp": AT, "uuid": "u1", "message": {"role": "user", "content": text}, **fields}


def answer(*blocks: dict[str, Any], stop_reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": list(blocks),
        "stop_reason": stop_reason,
        "usage": USAGE,
    }
    return {"type": "assistant", "timestamp": AT, "uuid": "u2", "message": message, **fields}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def tool(name: str = "Bash", id_: str = "toolu_1", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": arguments}


def result(id_: str = "toolu_1") -> dict[str, Any]:
    content = [{"type": "tool_result", "tool_use_id": id_, "content": "done"}]
    return {"type": "user", "timestamp": AT, "uuid": "u3", "message": {"role": "user", "content": content}}


def transcript(*lines: dict[str, Any]) -> Transcript:
    read = Transcript()
    for line in lines:
        read.add(json.dumps(line).encode())
    return read
