"""HTTP routes for the history: search, the timeline of a session, and what the user adds to one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from tray.core.errors import UserError
from tray.core.history import Annotation, SessionsRemoved
from tray.core.text import clean
from tray.storage.history import search
from tray.storage.history.timeline import AskedRequest, Turn, timeline
from tray.surfaces.page.history_reading import read_in_thread
from tray.surfaces.page.markdown import render
from tray.surfaces.page.services import PageServices

MAX_QUERY = 200  # characters
MAX_NOTE = 10_000  # characters
MAX_TAGS, MAX_TAG = 20, 40  # tags of a session, and characters of one
FILTERS = ("project", "host", "program", "tag")


class AnnotationBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be changed. A field that is missing stays as it is."""

    note: str | None = None
    pinned: bool | None = None
    tags: list[str] | None = None


class RemovalBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a removal from the history."""

    with_usage: bool = False  # also from all sums of usage


class HistoryRoutes:
    """Reads the history in threads, and writes to it. Invalid parameters raise HTTPBadRequest."""

    def __init__(self, services: PageServices) -> None:
        self._path = services.history
        self._write = services.write
        self._now = services.now

    async def find(self, request: web.Request) -> dict[str, Any]:
        """Return the sessions that match, the most recent first, and on the first page what can be chosen from."""
        query, path = _query(request), self._path
        found = await read_in_thread(lambda: search.find_sessions(path, query))
        answer: dict[str, Any] = {
            "sessions": [_session(session) for session in found],
            "next": "-".join(map(str, found[-1].position)) if len(found) == search.PAGE else None,
        }
        if query.after is None:
            answer["choices"] = await read_in_thread(lambda: search.choices(path))
        return answer

    async def timeline(self, session_id: str) -> dict[str, Any]:
        """Return what the history knows of a session: itself (None: nothing), its note, turns and requests."""
        path = self._path
        with suppress(UserError):  # it cannot be written now, or is off: then what is stored is all there is
            await self._write([])  # what has just happened is stored before it is read
        session = await read_in_thread(lambda: search.find_session(path, session_id))
        found = await read_in_thread(lambda: timeline(path, session_id))
        return {
            "session": _session(session) if session is not None else None,
            "note": render(session.note) if session is not None else [],
            "turns": [_turn(turn) for turn in found.turns],
            "requests": [_request(request) for request in found.requests],
        }

    async def annotate(self, session_id: str, body: AnnotationBody) -> dict[str, Any]:
        """Change the note, the tags, or whether a session is pinned. Raises UserError, HTTPNotFound."""
        if body.note is not None and len(body.note) > MAX_NOTE:
            raise web.HTTPBadRequest(text=f"a note may have {MAX_NOTE:,} characters; this one has {len(body.note):,}")
        tags = _tags(body.tags) if body.tags is not None else None
        await self._check(session_id)
        await self._write([Annotation(session_id, self._now(), body.note, body.pinned, tags)])
        return await self.timeline(session_id)

    async def remove(self, session_id: str, body: RemovalBody) -> dict[str, Any]:
        """Remove the texts of a session and of its subagents. Raises UserError, HTTPNotFound."""
        await self._check(session_id)
        await self._write([SessionsRemoved((session_id,), body.with_usage)])
        return {"message": "Removed from the history"}

    async def _check(self, session_id: str) -> None:
        path = self._path
        if await read_in_thread(lambda: search.find_session(path, session_id)) is None:
            raise web.HTTPNotFound(text="the history does not have this session")


def _query(request: web.Request) -> search.SessionQuery:
    given = request.query
    text = given.get("q", "")
    if len(text) > MAX_QUERY:
        raise web.HTTPBadRequest(text=f"a search may have {MAX_QUERY} characters")
    filters = {name: given.get(name) for name in FILTERS}
    return search.SessionQuery(text, **filters, pinned=given.get("pinned") == "1", after=_position(given.get("after")))


def _position(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = text.split("-")
    if len(numbers) != 2 or not all(n.isascii() and n.isdecimal() and len(n) < 18 for n in numbers):
        raise web.HTTPBadRequest(text="after must be the value of `next` of an answer")
    return int(numbers[0]), int(numbers[1])


def _tags(names: list[str]) -> tuple[str, ...]:
    """Return the tags as they are stored: one line each, without a leading #, and once each."""
    tags = {tag.casefold(): tag for name in names if (tag := clean(name).lstrip("#").strip())}
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in tags.values()):
        raise web.HTTPBadRequest(text=f"a session may have {MAX_TAGS} tags of at most {MAX_TAG} characters")
    return tuple(sorted(tags.values(), key=str.casefold))


def _session(session: search.FoundSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": clean(session.title),
        "project": session.project,
        "program": session.program,
        "host": session.host,
        "created": session.created,
        "touched": session.touched,
        "is_deleted": bool(session.is_deleted),
        "is_pinned": bool(session.is_pinned),
        "tokens": session.tokens,
        "reported": session.reported / 1_000_000,
        "estimated": session.estimated / 1_000_000,
        "note": session.note,
        "tags": session.tags,
        "hits": [{"kind": hit.kind, "at": hit.at, "text": clean(hit.text)} for hit in session.hits],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(turn),
        "prompt": clean(turn.prompt),
        "reply": clean(turn.reply),
        "reported": turn.reported / 1_000_000,
        "estimated": turn.estimated / 1_000_000,
    }


def _request(request: AskedRequest) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(request),
        "title": clean(request.title),
    }  # the page shows hidden characters of the text
