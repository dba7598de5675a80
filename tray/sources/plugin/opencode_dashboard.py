"""The plugin of opencode-dashboard: it posts events, one JSON object at a time, and cannot be called.

Posts may arrive in another order than they were sent. The plugin does not report what a permission is for (with current
OpenCode versions), that a request was answered, or that it ends. So any later activity closes the pending requests, and
an instance that has not posted for long is shown as disconnected.
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
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.messages import Message, Tokens
from tray.core.numbers import moment, money, token_count, whole
from tray.core.paths import base_name
from tray.core.servers import Server, Source
from tray.core.sessions import Activity, Failure, Request, RequestKind
from tray.core.text import clean, last_line
from tray.sources.protocol.events import FrameError
from tray.sources.protocol.schema import LONG, MAX_PATH, OUTPUT, SHORT, Number

SILENCE = 10 * 60_000  # ms without a post after which an instance counts as disconnected
MAX_INSTANCES = 100  # of all hosts; a further one replaces the one that has not posted for the longest time
MAX_SESSIONS = 200  # of one instance whose details are kept
MAX_FILES = 1_000  # edited files that are counted for a session


class Post(msgspec.Struct, rename="camel"):
    """A post of the plugin, with the fields of all types."""

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
        """The model as "PROVIDER/MODEL", or ""."""
        return f"{self.provider_id or ''}/{self.model_id}"[:SHORT] if self.model_id else ""


def decode_post(body: bytes) -> Post:
    """Decode the body of a post. Raises FrameError."""
    try:
        post = decode(body, Post)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    if not post.session_id or not post.type:
        raise FrameError("`type` and `sessionId` are required")
    return post


class _Session(msgspec.Struct):
    """Details of a session that its posts do not repeat."""

    idle_at: Number = 0  # newest `session.idle`, by the sender's clock
    requests: list[str] = msgspec.field(default_factory=list)  # ids of the pending requests
    files: set[str] = msgspec.field(default_factory=set)
    additions: int = 0
    deletions: int = 0


class Dashboard:
    """Converts posts to events. Each directory of each host is a server of its own.

    `report` is called with each event, `now` returns the time in ms since the Unix epoch.
    """

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self._report = report
        self._now = now
        self._last_posts: dict[str, int] = {}  # time of the last post by server id, the oldest first
        self._sessions: dict[str, dict[str, _Session]] = {}  # by server id and session id
        self._last_request = 0

    def take(self, post: Post) -> None:
        """Report the events of a post."""
        server_id = f"dashboard:{post.hostname[:SHORT]}:{post.instance[:MAX_PATH]}"
        if server_id not in self._last_posts:
            self._connect(server_id, post)
        del self._last_posts[server_id]
        self._last_posts[server_id] = self._now()
        sessions, session_id = self._sessions[server_id], post.session_id[:SHORT]
        session = sessions.pop(session_id, None) or _Session()
        sessions[session_id] = session  # the last one: the session without a post for the longest time is forgotten
        if len(sessions) > MAX_SESSIONS:
            oldest = next(iter(sessions))
            for event in _close_requests(server_id, oldest, sessions.pop(oldest)):
                self._report(event)
        for event in self._events(server_id, session_id, post, session):
            self._report(event)

    def sweep(self) -> None:
        """Disconnect the instances that have not posted for SILENCE."""
        now = self._now()
        for server_id, at in list(self._last_posts.items()):
            if not 0 <= now - at <= SILENCE:
                self._disconnect(server_id)

    def _connect(self, server_id: str, post: Post) -> None:
        self._last_posts[server_id] = self._now()
        self._sessions[server_id] = {}
        if len(self._last_posts) > MAX_INSTANCES:
            self._disconnect(next(iter(self._last_posts)))
        directory, host = post.instance[:MAX_PATH], clean(post.hostname)[:SHORT]
        name = clean(base_name(directory)) or host
        self._report(ServerConnected(Server(server_id, name, host, directory, source=Source.DASHBOARD)))
        self._report(SnapshotTaken(server_id))

    def _disconnect(self, server_id: str) -> None:
        del self._last_posts[server_id]
        del self._sessions[server_id]
        self._report(ServerLost(server_id))

    def _events(self, server_id: str, session_id: str, post: Post, session: _Session) -> Iterator[SourceEvent]:
        """Convert a post. A type of a later version yields no event."""
        match post.type:
            case "session.created" | "session.updated":
                yield SessionReported(server_id, self._facts(session_id, post))
            case "session.idle":
                session.idle_at = max(session.idle_at, post.timestamp)
                if post.silent:
                    yield SessionFailed(server_id, session_id, Failure("MessageAbortedError"))
                yield from _close_requests(server_id, session_id, session)
                yield ActivityReported(server_id, session_id, Activity.IDLE)
            case "session.error":
                yield SessionFailed(server_id, session_id, Failure("Error", post.error[:LONG]))
            case "tokens":
                yield from _activity(server_id, session_id, post, session)
                yield MessageReported(server_id, session_id, _message(post))
            case "file.edit":
                if len(session.files) < MAX_FILES:
                    session.files.add(post.file_path[:SHORT])
                session.additions += whole(post.lines_added)
                session.deletions += whole(post.lines_removed)
                facts = SessionFacts(
                    session_id, additions=session.additions, deletions=session.deletions, files=len(session.files)
                )
                yield SessionReported(server_id, facts)
            case "timeline":
                yield from self._timeline_events(server_id, session_id, post, session)

    def _timeline_events(self, server_id: str, session_id: str, post: Post, session: _Session) -> Iterator[SourceEvent]:
        match post.event_type:
            case "permission" | "question":
                yield from _activity(server_id, session_id, post, session)
                yield RequestAsked(server_id, self._request(session_id, post, session))
            case "message":
                yield OutputReported(server_id, session_id, "", last_line(post.summary, OUTPUT))
            case "error":
                if post.summary == "Cancelled":
                    yield SessionFailed(server_id, session_id, Failure("MessageAbortedError"))
            case "user" | "tool":
                yield from _activity(server_id, session_id, post, session)
                if post.tool:
                    yield ToolReported(server_id, session_id, post.tool[:SHORT], running=True)

    def _facts(self, session_id: str, post: Post) -> SessionFacts:
        return SessionFacts(
            session_id,
            parent=(post.parent_session_id or "")[:SHORT] or None,
            title=(post.title or "")[:SHORT] or None,
            directory=post.instance[:MAX_PATH],
            created=moment(post.timestamp) or None if post.type == "session.created" else None,
            updated=self._now(),
        )

    def _request(self, session_id: str, post: Post, session: _Session) -> Request:
        self._last_request += 1
        request_id = f"dashboard-{self._last_request}"
        session.requests.append(request_id)
        kind = RequestKind.PERMISSION if post.event_type == "permission" else RequestKind.QUESTION
        detail = post.summary.partition(": ")[2][:LONG]  # "Permission: bash"
        if detail in ("", "undefined"):
            detail = "no details reported"
        return Request(request_id, session_id, kind, post.event_type, detail, complete=False, asked_at=self._now())


def _activity(server_id: str, session_id: str, post: Post, session: _Session) -> Iterator[SourceEvent]:
    """Report the session as busy, unless the post was sent before the session became idle."""
    yield from _close_requests(server_id, session_id, session)
    if post.timestamp >= session.idle_at:
        yield ActivityReported(server_id, session_id, Activity.BUSY)


def _close_requests(server_id: str, session_id: str, session: _Session) -> Iterator[SourceEvent]:
    for request_id in session.requests:
        yield RequestClosed(server_id, session_id, request_id)
    session.requests.clear()


def _message(post: Post) -> Message:
    """Convert a post of type `tokens`. It has no time from the clock behind the message id, so `completed` is 0."""
    counts = (post.tokens_in, post.tokens_out, post.reasoning, post.cache_read, post.cache_write)
    return Message(
        post.message_id[:SHORT],
        finish="stop",
        agent=(post.agent or "")[:SHORT],
        model=post.model,
        tokens=Tokens(*map(token_count, counts)),
        cost=money(post.cost),
    )
