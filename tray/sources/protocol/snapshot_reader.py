"""Read a snapshot call by call: opencode-monitor's plugin and OpenCode's HTTP server do not send one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Collection, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from tray.core.events import SnapshotTaken
from tray.sources.protocol.digest import digest_of
from tray.sources.protocol.events import FrameError
from tray.sources.protocol.snapshot import decode_snapshot, limits_of

RECENT = 24 * 3600_000  # ms; older sessions that are idle are left out
SESSIONS = 200  # sessions in the list
DIGESTS = 5  # sessions whose messages are read
FORKS = 10  # further sessions whose messages are read because they may be forks
DIGEST_MESSAGES = 50  # newest messages of each; all messages of a long session are megabytes
EXTRA_SESSIONS = 50  # sessions outside the list that are read one by one

# Raised for values that cannot be encoded or decoded, for example if they are nested too deeply.
SNAPSHOT_ERRORS = (FrameError, RecursionError, ValueError)

Json = dict[str, Any]


class Read(Protocol):
    """Reads one section of a snapshot. Returns None if it cannot be read."""

    def __call__(self, section: str, /, session: str = "", limit: int = 0) -> Awaitable[Any]:
        """Read a section of the server or, if `session` is its id, of a session.

        The sections of a server are sessions, status, permissions, questions, branch and providers, those of a session
        are session, messages and todos. `limit` is the number of sessions or messages.
        """


async def take_snapshot(server_id: str, directory: str, read: Read, at: int) -> SnapshotTaken:
    """Read a snapshot. Sections that cannot be read are None. `at` is the time now, in ms since the Unix epoch."""
    names = ("sessions", "status", "permissions", "questions", "branch")
    sections = await asyncio.gather(read("sessions", limit=SESSIONS), *map(read, names[1:]))
    snapshot: Json = {name: section for name, section in zip(names, sections, strict=True) if section is not None}
    if "sessions" in snapshot:
        active = _active(snapshot)
        sessions = await _select(read, _records(snapshot["sessions"]), active, directory, at)
        snapshot["sessions"] = sessions
        newest = sorted((s for s in sessions if s["id"] in active), key=_updated, reverse=True)[:DIGESTS]
        todos = {session["id"]: await read("todos", session["id"]) for session in newest}
        forks = [session for session in sessions if session["id"] not in todos and _may_be_fork(session)][:FORKS]
        for session in newest + forks:
            session.update(_digest(await read("messages", session["id"], DIGEST_MESSAGES)))
        if any(todo_list is not None for todo_list in todos.values()):
            snapshot["todos"] = todos
    try:
        return decode_snapshot(server_id, msgspec.json.encode(snapshot), at)
    except SNAPSHOT_ERRORS:
        return SnapshotTaken(server_id)  # confirms the server; its state comes from events only


async def read_limits(server_id: str, read: Read) -> SnapshotTaken:
    """Return a snapshot that has only the context sizes of the configured models."""
    providers = await read("providers")
    try:
        limits = limits_of(msgspec.Raw(msgspec.json.encode(providers)))
    except SNAPSHOT_ERRORS:
        return SnapshotTaken(server_id)
    return decode_snapshot(server_id, msgspec.json.encode({"limits": limits}), 0)


def _active(snapshot: Json) -> frozenset[str]:
    """Return the ids of the sessions that are not idle or have a pending request."""
    busy = set(snapshot["status"]) if isinstance(snapshot.get("status"), dict) else set()
    requests = [request for name in ("permissions", "questions") for request in _records(snapshot.get(name))]
    return frozenset(busy | {str(request.get("sessionID")) for request in requests})


async def _select(read: Read, listed: list[Json], active: Collection[str], directory: str, at: int) -> list[Json]:
    """Return the active sessions and the recent ones of this directory, without archived ones, and all their ancestors.

    The list may contain all sessions of a project. Idle sessions of its other directories are left to other instances.
    """
    sessions: dict[str, Json] = {session["id"]: session for session in listed if session.get("id")}
    reads_left = EXTRA_SESSIONS

    async def find(session_id: str) -> Json | None:
        nonlocal reads_left
        if session_id not in sessions and reads_left > 0:
            reads_left -= 1
            found = _records([await read("session", session_id)])
            if found and found[0].get("id") == session_id:
                sessions[session_id] = found[0]
        return sessions.get(session_id)

    for session_id in active:
        await find(session_id)
    wanted = [
        session
        for session in sessions.values()
        if session["id"] in active or (_is_recent(session, at) and session.get("directory", directory) == directory)
    ]
    wanted.sort(key=lambda session: (session["id"] in active, _updated(session)), reverse=True)
    selected: dict[str, Json] = {}
    for session in wanted:
        ancestor: Json | None = session
        while ancestor is not None and ancestor["id"] not in selected:
            selected[ancestor["id"]] = ancestor
            parent = ancestor.get("parentID")
            ancestor = await find(parent) if isinstance(parent, str) else None
    return list(selected.values())


def _may_be_fork(session: Json) -> bool:
    """Whether OpenCode may have included another session's messages in the cost of this one. Its messages show it."""
    if not session.get("cost"):
        return False
    return bool(_FORK.search(str(session.get("title")))) or _updated(session) == _times(session).get("created")


_FORK = re.compile(r" \(fork #\d+\)$")


def _is_recent(session: Json, at: int) -> bool:
    return _updated(session) > at - RECENT and not _times(session).get("archived")


def _records(items: Any) -> list[Json]:
    """Return the objects of a list, without those with an invalid id."""
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
    """Return `{"digest": …}`, or `{}` if the messages could not be read."""
    try:
        return {"digest": digest_of(msgspec.Raw(msgspec.json.encode(messages)), DIGEST_MESSAGES)}
    except SNAPSHOT_ERRORS:
        return {}
