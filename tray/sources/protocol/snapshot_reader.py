"""A snapshot read call by call, of those that push none: opencode-monitor's plugin, and OpenCode's HTTP server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Collection, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from tray.core.events import SnapshotTaken
from tray.sources.protocol.events import FrameError
from tray.sources.protocol.snapshot import decode_snapshot, digest_of, limits_of

RECENT = 24 * 3600_000  # ms; an older session that is quiet is history
LISTED = 200  # sessions asked for
DIGESTS = 5  # sessions whose messages are read
FORKS = 10  # more of these that may be forks
DIGEST_MESSAGES = 50  # the newest of each; a long session's are megabytes
EXTRA = 50  # sessions read one by one that the list leaves out

# What a wrong answer may come to, read or written again: a nesting too deep, half a character.
NO_SNAPSHOT = (FrameError, RecursionError, ValueError)

Json = dict[str, Any]


class Read(Protocol):
    """Reads one thing; None where that cannot be read."""

    def __call__(self, what: str, session: str = "", limit: int = 0) -> Awaitable[Any]:
        """Of all: sessions, status, permissions, questions, branch, providers. Of one: session, messages, todos."""


async def take_snapshot(server_id: str, directory: str, read: Read, at: int) -> SnapshotTaken:
    """Read what can be read; what cannot is absent, and what was known of it stays."""
    names = ("sessions", "status", "permissions", "questions", "branch")
    sections = await asyncio.gather(read("sessions", limit=LISTED), *map(read, names[1:]))
    told: Json = {name: section for name, section in zip(names, sections, strict=True) if section is not None}
    if "sessions" in told:
        live = _live(told)
        chosen = told["sessions"] = await _chosen(read, _dicts(told["sessions"]), live, directory, at)
        newest = sorted((s for s in chosen if s["id"] in live), key=_updated, reverse=True)[:DIGESTS]
        forks = [s for s in chosen if s not in newest and _may_be_fork(s)][:FORKS]
        todos = {}
        for session in newest:
            todos[session["id"]] = await read("todos", session["id"])
        for session in newest + forks:
            session.update(_digest(await read("messages", session["id"], DIGEST_MESSAGES)))
        if any(listed is not None for listed in todos.values()):
            told["todos"] = todos
    try:
        return decode_snapshot(server_id, msgspec.json.encode(told), at)
    except NO_SNAPSHOT:
        return SnapshotTaken(server_id)  # nothing usable was said: events alone must do


async def read_limits(server_id: str, read: Read) -> SnapshotTaken:
    """A snapshot of nothing but the context sizes of the configured models."""
    providers = await read("providers")
    try:
        limits = limits_of(msgspec.Raw(msgspec.json.encode(providers)))
    except NO_SNAPSHOT:
        return SnapshotTaken(server_id)
    return decode_snapshot(server_id, msgspec.json.encode({"limits": limits}), 0)


def _live(told: Json) -> frozenset[str]:
    """The sessions that work or wait."""
    busy = set(told["status"]) if isinstance(told.get("status"), dict) else set()
    waiting = {str(r.get("sessionID")) for name in ("permissions", "questions") for r in _dicts(told.get(name))}
    return frozenset(busy | waiting)


async def _chosen(read: Read, listed: list[Json], live: Collection[str], directory: str, at: int) -> list[Json]:
    """Those that work or wait, with their ancestors, and the recent ones of this directory; nothing archived.

    A list may be the whole project's: quiet sessions of another directory are another instance's to tell.
    """
    known: dict[str, Json] = {session["id"]: session for session in listed if session.get("id")}
    left = EXTRA

    async def find(name: str) -> Json | None:
        nonlocal left
        if name not in known and left > 0:
            left -= 1
            found = _dicts([await read("session", name)])
            if found and found[0].get("id") == name:
                known[name] = found[0]
        return known.get(name)

    for name in live:
        await find(name)
    chosen: dict[str, Json] = {}
    wanted = [
        s
        for s in known.values()
        if s["id"] in live or (_is_recent(s, at) and s.get("directory", directory) == directory)
    ]
    for session in sorted(wanted, key=lambda s: (s["id"] in live, _updated(s)), reverse=True):
        above: Json | None = session
        while above is not None and above["id"] not in chosen:
            chosen[above["id"]] = above
            parent = above.get("parentID")
            above = await find(parent) if isinstance(parent, str) else None
    return list(chosen.values())


def _may_be_fork(session: Json) -> bool:
    """Whether OpenCode may have summed another session's messages in this one's cost: its messages tell for sure."""
    if not session.get("cost"):
        return False
    return bool(_FORK.search(str(session.get("title")))) or _updated(session) == _times(session).get("created")


_FORK = re.compile(r" \(fork #\d+\)$")


def _is_recent(session: Json, at: int) -> bool:
    return _updated(session) > at - RECENT and not _times(session).get("archived")


def _dicts(items: Any) -> list[Json]:
    """The records of a list, without those whose ids are no ids."""
    records: Iterable[Any] = items if isinstance(items, list) else ()
    return [
        item
        for item in records
        if isinstance(item, dict) and all(isinstance(item.get(name, ""), str) for name in ("id", "sessionID"))
    ]


def _times(session: Json) -> Mapping[str, Any]:
    time = session.get("time")
    return time if isinstance(time, dict) else {}


def _updated(session: Json) -> float:
    updated = _times(session).get("updated")
    return updated if isinstance(updated, (int, float)) else 0


def _digest(messages: Any) -> Json:
    """The session's `digest`, where its messages could be read."""
    try:
        return {"digest": digest_of(msgspec.Raw(msgspec.json.encode(messages)), DIGEST_MESSAGES)}
    except NO_SNAPSHOT:
        return {}
