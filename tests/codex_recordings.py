"""The recordings of the real Codex: a rollout, and the frames between its daemon and a client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tray.agents.codex.protocol import Frame
from tray.agents.codex.rollout import Rollout
from tray.core.lenient_json import decode

FOLDER = Path(__file__).parent / "recordings" / "codex"
ROLLOUT = FOLDER / "rollout.jsonl"


def rollout(end: str = "", count: int = 1) -> Rollout:
    """Return the recorded rollout, up to the line that contains `end` for the `count`th time, if it is not ""."""
    found = Rollout()
    for line in ROLLOUT.read_bytes().splitlines():
        found.add(line)
        count -= bool(end) and end.encode() in line
        if not count:
            break
    return found


def frames(method: str) -> list[Frame]:
    """Return the recorded frames of the daemon with this method."""
    recorded = [json.loads(line) for line in (FOLDER / "daemon.jsonl").read_text(encoding="utf-8").splitlines()]
    sent = [frame_of(entry["frame"]) for entry in recorded if entry["to"] == "tray"]
    return [frame for frame in sent if frame.method == method]


def results(field: str) -> list[bytes]:
    """Return the recorded results that contain a field."""
    recorded = [json.loads(line) for line in (FOLDER / "daemon.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [entry["frame"].get("result") for entry in recorded if entry["to"] == "tray"]
    return [json.dumps(result).encode() for result in found if isinstance(result, dict) and field in result]


def frame_of(frame: dict[str, Any]) -> Frame:
    return decode(json.dumps(frame).encode(), Frame)
