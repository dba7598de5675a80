"""opencode-dashboard's plugin: it posts what happened, one JSON object at a time, and can be asked nothing.

Its posts may overtake each other, it says neither what a permission is for (on today's OpenCode) nor that it was
answered, and nothing at its end: so any sign of work closes what waited, and who is silent for long is shown greyed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tray.core.events import (
    ActivityReported,
    MessageReported,
    OutputReported,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerLost,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SnapshotTaken,
    SourceEvent,
    ToolReported,
)
from tray.core.model import Activity, Failure, Message, Request, RequestKind, Server, Source, Tokens
from tray.core.text import clean, last_line
from tray.opencode.lenient_json import JSON_ERRORS, decode
from tray.sources.protocol.events import FrameError
from tray.sources.protocol.schema import LONG, OUTPUT, SHORT, Number, moment, money, whole

SILENT = 10 * 60_000  # ms without a post, after which what is shown may be old
INSTANCES = 100  # of all hosts together; beyond that the one that has been silent longest goes
SESSIONS = 200  # of one instance, whose details are remembered


class Post(msgspec.Struct, rename="camel"):
    """What the plugin posts: all types in one, as it sends them."""

    type: str
    session_id: str = ""
    parent_session_id: str | None = None
    title: str | None = None
    silent: bool = False
    error: str = ""
    event_type: str = ""
    summary: str = ""
    tool: str | None = None
    message_id: str = ""
    provider_id: str | None = None
    model_id: str | None = None
    agent: str | None = None
    tokens_in: Number = 0
    tokens_out: Number = 0
    cache_read: Number = 0
    cache_write: Number = 0
    reasoning: Number = 0
    cost: Number = 0
    file_path: str = ""
    lines_added: Number = 0
    lines_removed: Number = 0
    instance: str = ""
    hostname: str = ""
    timestamp: Number = 0

    @property
    def model(self) -> str:
        """The model, as OpenCode names it."""
        return f"{self.provider_id or ''}/{self.model_id}"[:SHORT] if self.model_id else ""


def decode_post(body: bytes) -> Post:
    """Raises FrameError for what is none."""
    try:
        post = decode(body, Post)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    if not post.session_id or not post.type:
        raise FrameError("`type` and `sessionId` are needed")
    return post


class _Known(msgspec.Struct):
    """What is remembered of a session."""

    idle_at: Number = 0  # the sender's own time of its last end
    waits: list[str] = msgspec.field(default_factory=list)
    files: set[str] = msgspec.field(default_factory=set)
    added: int = 0
    removed: int = 0


class Dashboard:
    """Takes posts. Each directory of each host is a server of its own."""

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self._report = report
        self._now = now
        self._heard: dict[str, int] = {}  # by server, when; in order
        self._sessions: dict[str, dict[str, _Known]] = {}
        self._asked = 0

    def take(self, post: Post) -> None:
        """Report what a post says."""
        name = f"dashboard:{post.hostname[:SHORT]}:{post.instance[:4096]}"
        if name not in self._heard:
            self._begin(name, post)
        del self._heard[name]
        self._heard[name] = self._now()
        sessions = self._sessions[name]
        known = sessions.setdefault(post.session_id, _Known())
        if len(sessions) > SESSIONS:
            del sessions[next(iter(sessions))]
        for event in self._told(name, post, known):
            self._report(event)

    def sweep(self) -> None:
        """Grey those that have been silent for long."""
        at = self._now()
        for name, heard in list(self._heard.items()):
            if at - heard > SILENT:
                self._end(name)

    def _begin(self, name: str, post: Post) -> None:
        self._heard[name] = self._now()
        self._sessions[name] = {}
        if len(self._heard) > INSTANCES:
            self._end(next(iter(self._heard)))
        folder = clean(post.instance.rstrip("/\\").replace("\\", "/").rpartition("/")[2])
        host = clean(post.hostname)[:SHORT]
        self._report(ServerConnected(Server(name, folder or host, host, post.instance[:4096], source=Source.DASHBOARD)))
        self._report(SnapshotTaken(name))

    def _end(self, name: str) -> None:
        del self._heard[name]
        del self._sessions[name]
        self._report(ServerLost(name))

    def _told(self, server: str, post: Post, known: _Known) -> Iterator[SourceEvent]:
        session, at = post.session_id[:SHORT], self._now()
        match post.type:
            case "session.created" | "session.updated":
                created = moment(post.timestamp) or None if post.type == "session.created" else None
                yield SessionReported(
                    server,
                    SessionFacts(
                        session, (post.parent_session_id or "")[:SHORT] or None, (post.title or "")[:SHORT] or None,
                        post.instance[:4096], created=created, updated=at,
                    ),
                )  # fmt: skip
            case "session.idle":
                known.idle_at = max(known.idle_at, post.timestamp)
                if post.silent:
                    yield SessionFailed(server, session, Failure("MessageAbortedError"))
                yield from self._goes_on(server, session, known)
                yield ActivityReported(server, session, Activity.IDLE)
            case "session.error":
                yield SessionFailed(server, session, Failure("Error", post.error[:LONG]))
            case "tokens":
                tokens = Tokens(*map(whole, (
                    post.tokens_in, post.tokens_out, post.reasoning, post.cache_read, post.cache_write
                )))  # fmt: skip
                yield from self._works(server, session, post, known)
                yield MessageReported(
                    server,
                    session,
                    Message(
                        post.message_id[:SHORT], finish="stop", agent=(post.agent or "")[:SHORT], model=post.model,
                        tokens=tokens, cost=money(post.cost),  # when it ended by the clock that made its id is not told
                    ),
                )  # fmt: skip
            case "file.edit":
                known.files.add(post.file_path[:SHORT])
                known.added += whole(post.lines_added)
                known.removed += whole(post.lines_removed)
                yield SessionReported(
                    server,
                    SessionFacts(
                        session, additions=known.added, deletions=known.removed, files=len(known.files)
                    ),
                )  # fmt: skip
            case "timeline":
                yield from self._timeline(server, session, post, known)
            case _:
                return  # a type of a later version

    def _timeline(self, server: str, session: str, post: Post, known: _Known) -> Iterator[SourceEvent]:
        match post.event_type:
            case "permission" | "question":
                yield from self._works(server, session, post, known)
                yield RequestAsked(server, self._request(session, post, known))
            case "message":
                yield OutputReported(server, session, "", last_line(post.summary, OUTPUT))
            case "error":
                if post.summary == "Cancelled":
                    yield SessionFailed(server, session, Failure("MessageAbortedError"))
            case "user" | "tool":
                yield from self._works(server, session, post, known)
                if post.tool:
                    yield ToolReported(server, session, post.tool[:SHORT], running=True)

    def _works(self, server: str, session: str, post: Post, known: _Known) -> Iterator[SourceEvent]:
        """Something is done in the session, unless this comes after its end and was sent before."""
        yield from self._goes_on(server, session, known)
        if post.timestamp >= known.idle_at:
            yield ActivityReported(server, session, Activity.BUSY)

    def _goes_on(self, server: str, session: str, known: _Known) -> Iterator[SourceEvent]:
        """What waited was answered: nobody says so."""
        for name in known.waits:
            yield RequestClosed(server, session, name)
        known.waits.clear()

    def _request(self, session: str, post: Post, known: _Known) -> Request:
        self._asked += 1
        name = f"dashboard-{self._asked}"
        known.waits.append(name)
        kind = RequestKind.PERMISSION if post.event_type == "permission" else RequestKind.QUESTION
        told = post.summary.partition(": ")[2][:LONG]
        detail = told if told not in ("", "undefined") else "what for is not told"
        return Request(name, session, kind, post.event_type, detail, complete=False, asked_at=self._now())
