"""A snapshot from opencode-monitor's own plugin, which pushes none: read by the few calls that protocol 1 allows us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from tray.core.events import SnapshotTaken
from tray.sources.link import CallError, Link
from tray.sources.snapshot import decode_snapshot, digest_of, limits_of
from tray.sources.wire import WRONG, FrameError

READ_TIMEOUT = 10.0  # s for one call
RECENT = 24 * 3600_000  # ms; an older session that is quiet is history
MAX_DIGESTS = 5  # sessions whose messages are read; a long one is megabytes


async def read_seed_snapshot(link: Link, now: Callable[[], int]) -> SnapshotTaken:
    """Read what can be read; what cannot is absent. Never calls anything that changes something."""
    read = await asyncio.gather(
        _read(link, "session.list"),
        _read(link, "session.status"),
        _read(link, "_client.get", {"url": "/permission"}),
        _read(link, "_client.get", {"url": "/question"}),
        _read(link, "config.providers"),
    )
    *sections, providers = read
    names = ("sessions", "status", "permissions", "questions")
    told: dict[str, Any] = {name: section for name, section in zip(names, sections, strict=True) if section is not None}
    if providers is not None:
        told["limits"] = _limits(providers)
    if "sessions" in told:
        told["sessions"] = await _worth_showing(link, told, now())
    try:
        return decode_snapshot(link.server.id, msgspec.json.encode(told), now())
    except FrameError:
        return SnapshotTaken(link.server.id)  # nothing usable was said: events alone must do


async def _read(link: Link, method: str, params: dict[str, Any] | None = None) -> Any:
    try:
        return msgspec.json.decode(await link.call(method, params, READ_TIMEOUT))
    except (CallError, *WRONG):
        return None


def _limits(providers: Any) -> dict[str, Any]:
    try:
        return dict(limits_of(msgspec.Raw(msgspec.json.encode(providers))))
    except FrameError:
        return {}


async def _worth_showing(link: Link, told: dict[str, Any], at: int) -> list[Any]:
    """The sessions that are recent, run or wait, with a digest for the few whose messages matter now."""
    listed = _dicts(told["sessions"])
    busy = set(told["status"]) if isinstance(told.get("status"), dict) else set()
    waiting = {r.get("sessionID") for name in ("permissions", "questions") for r in _dicts(told.get(name))}
    active = busy | waiting
    shown = [s for s in listed if s.get("id") in active or _updated(s) > at - RECENT]
    newest = sorted(shown, key=lambda s: (s.get("id") in active, _updated(s)), reverse=True)
    for session in newest[:MAX_DIGESTS]:
        messages = await _read(link, "session.messages", {"path": {"id": session.get("id")}})
        if messages is not None:
            session["digest"] = _digest(messages)
    return shown


def _dicts(items: Any) -> list[dict[str, Any]]:
    """The records of a list, without those whose ids are no ids."""
    records = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item for item in records if all(isinstance(item.get(name, ""), str) for name in ("id", "sessionID"))]


def _updated(session: dict[str, Any]) -> float:
    time = session.get("time")
    updated = time.get("updated") if isinstance(time, dict) else None
    return updated if isinstance(updated, (int, float)) else 0


def _digest(messages: Any) -> dict[str, Any]:
    try:
        return dict(digest_of(msgspec.Raw(msgspec.json.encode(messages))))
    except FrameError:
        return {}
