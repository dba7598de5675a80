"""Events of Copilot CLI, in the shapes of 1.0.102."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tray.agents.copilot.events import Events

RECORDING = Path(__file__).parent / "recordings" / "copilot" / "events.jsonl"  # with marks: the state at that time
AT = "2026-11-25T22:56:40.000Z"
AT_MS = 1_795_647_400_000


def line(kind: str, at: str = AT, agent: str | None = None, **data: Any) -> str:
    """Return a line; `agent` is the id of a subagent."""
    return json.dumps({"type": kind, "timestamp": at, "data": data, **({"agentId": agent} if agent else {})})


def events(*lines: str) -> Events:
    read = Events()
    for text in lines:
        read.add(text.encode())
    return read


def prompt(text: str = "do it", at: str = AT) -> str:
    return line("user.message", at, content=text)


def answer(text: str = "done", *, tools: int = 0, at: str = AT) -> str:
    return line("assistant.message", at, messageId="m1", model="fake-1", content=text, toolRequests=[{}] * tools)


def permission(request: dict[str, Any], at: str = AT, id_: str = "p1", agent: str | None = None) -> str:
    return line("permission.requested", at, agent, requestId=id_, permissionRequest=request)


def finished_turn() -> tuple[str, ...]:
    return prompt(), line("assistant.turn_start"), answer(), line("assistant.turn_end")
