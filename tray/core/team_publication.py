"""What this tray shares with its team. Pure: the cost of a change depends on the number of sessions that changed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tray.core.events import Change as FleetChange
from tray.core.events import ServerChanged, SessionChanged, SessionRemoved
from tray.core.fleet import Fleet
from tray.core.servers import DEMO, Server, Source
from tray.core.sessions import Activity, Request, Session, SessionKey, Status
from tray.core.team import Change, SharedServer, Snapshot

MAX_SESSIONS = 500  # shared at once; a new one replaces a less important one. A snapshot of these has half a megabyte
MAX_TITLE = 200  # characters
MAX_DETAIL = 20_000  # characters of a request; a longer one is cut, and cannot be answered from another tray
MAX_REQUESTS = 20  # of a session
TOO_LONG = "it is too long for another tray; answer it where it was asked"


class Publication:
    """What was published last, and what may have changed since."""

    def __init__(self, fleet: Fleet, started: int) -> None:
        """`started` is when this tray started, in ms since the Unix epoch."""
        self._fleet = fleet
        self.started = started
        self.number = 0
        self._servers: dict[str, SharedServer] = {}
        self._sessions: dict[SessionKey, Session] = {}
        self._stale_servers: set[str] = set(fleet.servers)
        self._stale_sessions: set[SessionKey] = set(fleet.sessions)

    @property
    def is_stale(self) -> bool:
        """Whether something has changed since the last `take_change`. It may be nothing that is shared."""
        return bool(self._stale_servers or self._stale_sessions)

    def note(self, changes: Iterable[FleetChange]) -> None:
        """Note what has changed in the fleet."""
        for change in changes:
            match change:
                case SessionChanged(_, session) | SessionRemoved(session):
                    self._stale_sessions.add(session.key)
                case ServerChanged(server_id, _):
                    self._stale_servers.add(server_id)
                case _:
                    pass

    def take_change(self) -> Change | None:
        """Return what has changed since the last call; None if it is nothing that is shared."""
        servers, removed_servers = self._changed_servers()
        sessions, removed_sessions = self._changed_sessions(set(removed_servers))
        if not (servers or sessions or removed_servers or removed_sessions):
            return None
        self.number += 1
        changed, removed = (tuple(servers), tuple(sessions)), (tuple(removed_servers), tuple(removed_sessions))
        return Change(self.started, self.number, *changed, *removed)

    def snapshot(self) -> Snapshot:
        """Return everything, as of the last `take_change`."""
        return Snapshot(self.started, self.number, tuple(self._servers.values()), tuple(self._sessions.values()))

    def _changed_servers(self) -> tuple[list[SharedServer], list[str]]:
        changed: list[SharedServer] = []
        removed: list[str] = []
        for server_id in self._stale_servers:
            server, before = self._fleet.servers.get(server_id), self._servers.get(server_id)
            after = shared_server(server) if server is not None else None
            if after is None and before is not None:
                del self._servers[server_id]
                removed.append(server_id)
            elif after is not None and after != before:
                self._servers[server_id] = after
                changed.append(after)
            if (before is None) != (after is None):
                self._stale_sessions.update(self._fleet.keys(server_id))
        self._stale_servers.clear()
        return changed, removed

    def _changed_sessions(self, removed_servers: set[str]) -> tuple[list[Session], list[SessionKey]]:
        changed: dict[SessionKey, Session] = {}
        removed: list[SessionKey] = []
        for key in [key for key in self._sessions if key.server in removed_servers] if removed_servers else ():
            del self._sessions[key]
        for key in self._stale_sessions:
            session, before = self._fleet.sessions.get(key), self._sessions.get(key)
            after = shared_session(session) if session is not None and key.server in self._servers else None
            if after is None and before is not None:
                del self._sessions[key]
                removed.append(key)
            elif after is not None and after != before:
                if before is None and len(self._sessions) >= MAX_SESSIONS:
                    if (replaced := self._replaceable(after)) is None:
                        continue
                    del self._sessions[replaced]
                    changed.pop(replaced, None)
                    removed.append(replaced)
                self._sessions[key] = changed[key] = after
        self._stale_sessions.clear()
        return list(changed.values()), removed

    def _replaceable(self, new: Session) -> SessionKey | None:
        """Return the session that is used least recently: an idle one, or for one that waits, any that does not."""
        idle = [key for key, session in self._sessions.items() if session.status in (Status.IDLE, Status.ABORTED)]
        if not idle and new.requests:
            idle = [key for key, session in self._sessions.items() if not session.requests]
        return min(idle, key=lambda key: self._sessions[key].touched, default=None)


def shared_server(server: Server) -> SharedServer | None:
    """Return a server as others see it; None if it is not shared: simulated, unproven, or another tray's."""
    if not server.verified or server.plugin == DEMO or server.source is Source.TEAM:
        return None
    return SharedServer(
        id=server.id,
        name=_encodable(server.name),
        host=server.host,
        directory=_encodable(server.directory),
        project=server.project,
        branch=server.branch,
        repository=_encodable(server.repository),
        agent_kind=server.agent_kind,
        version=server.version,
        refusal=server.read_only_reason,
        connected=server.connected,
        confirmed=server.confirmed,
        lost_at=server.lost_at,
        said_goodbye=server.said_goodbye,
        runs_once=server.runs_once,
        finished=server.finished,
    )


def shared_session(session: Session) -> Session | None:
    """Return a session as others see it: no prompt, no output, no todo list. None: an idle subagent's."""
    if session.is_child and session.activity is Activity.IDLE and not session.requests:
        return None
    return replace(
        session,
        title=_encodable(session.title[:MAX_TITLE]),
        directory=_encodable(session.directory),
        last=None,
        prompt_text="",
        last_output="",
        todos=(),
        requests=tuple(map(_shared_request, session.requests[:MAX_REQUESTS])),
    )


def _encodable(text: str) -> str:
    """Return the text without surrogates: a path may have bytes that are no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _shared_request(request: Request) -> Request:
    whole = replace(request, sending=False, refusal="", draft=())
    texts = [request.detail, *request.always]
    for question in request.questions:
        texts += [question.question, question.header]
        texts += [text for option in question.options for text in (option.label, option.description)]
    if sum(map(len, texts)) <= MAX_DETAIL:
        return whole
    cut = request.detail[:MAX_DETAIL]
    return replace(whole, detail=cut, complete=False, read_only_reason=TOO_LONG, always=(), questions=())
