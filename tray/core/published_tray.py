"""Another tray of the team, from what it publishes: pure rules for lost, repeated, reordered and old messages."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tray.core.events import ServerForgotten, ServerLost, SessionsShared, SourceEvent
from tray.core.servers import Server, Source
from tray.core.sessions import Request, Session
from tray.core.team import Beat, Change, Presence, SharedServer, Snapshot
from tray.core.text import clean

MAX_SERVERS = 200  # of one tray
MAX_REQUESTS = 100  # of one session
MAX_SILENT = 4  # checks in a row without a sign of life, after which a tray is lost


class PublishedTray:
    """One other tray. Its servers are shown once it is online and its snapshot has come.

    `needs_snapshot`: a change was missed; the tray has to be asked for a snapshot.
    """

    def __init__(self, tray_id: str, own_key: str) -> None:
        """`own_key` is the public key of this tray."""
        self.id = tray_id
        self.presence = Presence(0, 0, is_online=False)
        self.needs_snapshot = False
        self._own_key = own_key
        self._is_shown = False
        self._is_silent = False  # nothing has come from it for some time
        self._silent_checks = 0
        self._beat = (0, 0)  # start and number of the newest beat
        self._state = (0, -1)  # start and number of the newest change or snapshot that was applied
        self._waiting: Snapshot | None = None  # it came before the tray was online
        self._servers: dict[str, SharedServer] = {}  # by the tray's own ID of a server

    @property
    def is_online(self) -> bool:
        """Whether it is connected to the broker, and there have been signs of life."""
        return self.presence.is_online and not self._is_silent

    def server_id(self, name: str) -> str:
        """Return the ID in this tray's fleet of a server."""
        return f"team/{self.id}/{name}"

    def on_presence(self, presence: Presence) -> list[SourceEvent]:
        """Take a presence. One of an older connection has no effect: a last will may come late."""
        before, was_online = self.presence, self.is_online
        if (presence.started, presence.connection) < (before.started, before.connection):
            return []
        if not presence.is_online:
            self.presence = replace(before, started=presence.started, connection=presence.connection)
            return self.lose(goodbye=presence.said_goodbye)
        self.presence = presence
        self._note_life()
        if self._is_shown and was_online:
            return self._share(self._servers.values()) if presence != before else []
        waiting, self._waiting = self._waiting, None
        return self.on_snapshot(waiting) if waiting is not None else []

    def on_snapshot(self, snapshot: Snapshot) -> list[SourceEvent]:
        """Take a snapshot. One that is older than what is known has no effect, but another one is needed."""
        if not self.is_online:
            if self._waiting is None or _moment(snapshot) > _moment(self._waiting):
                self._waiting = snapshot
            return []
        if self._is_shown and _moment(snapshot) == self._state:
            return []
        if _moment(snapshot) < self._state:
            self.needs_snapshot |= not self._is_shown
            return []
        self._state, self._is_shown, self.needs_snapshot = _moment(snapshot), True, False
        events: list[SourceEvent] = []
        listed = {server.id for server in snapshot.servers[:MAX_SERVERS]}
        events += self._forget([name for name in self._servers if name not in listed])
        of_server = _by_server(snapshot.sessions)
        for shared in snapshot.servers[:MAX_SERVERS]:
            self._servers[shared.id] = shared
            server, sessions = self._server(shared), of_server.get(shared.id, ())
            events.append(SessionsShared(server, _of(server, sessions), is_complete=True))
        return events

    def on_change(self, change: Change) -> list[SourceEvent]:
        """Take a change. An old or repeated one has no effect; after a gap a snapshot is needed."""
        if _moment(change) > self._state:
            self._note_life()
        if not self._is_shown or _moment(change) <= self._state:
            self.needs_snapshot |= self.is_online and _moment(change) > self._state
            return []
        if _moment(change) != (self._state[0], self._state[1] + 1):
            self.needs_snapshot = True
            return []
        self._state = _moment(change)
        events = self._forget(change.removed_servers)
        for shared in change.servers:
            if shared.id in self._servers or len(self._servers) < MAX_SERVERS:
                self._servers[shared.id] = shared
        changed, removed = _by_server(change.sessions), _removed_by_server(change.removed_sessions)
        for name in {shared.id: None for shared in change.servers} | changed | removed:
            if (known := self._servers.get(name)) is not None:
                server = self._server(known)
                sessions = _of(server, changed.get(name, ()))
                events.append(SessionsShared(server, sessions, tuple(removed.get(name, ()))))
        return events

    def on_beat(self, beat: Beat) -> None:
        """Take a sign of life. One that is repeated, or of another connection, has no effect.

        It shows which change was the last one: all may have been missed since the retained snapshot.
        """
        connection = self.presence.started, self.presence.connection
        if (beat.started, beat.number) > self._beat and (beat.started, beat.connection) == connection:
            self._beat = beat.started, beat.number
            self._note_life()
            self.needs_snapshot |= (beat.started, beat.change) > self._state

    def check_life(self) -> list[SourceEvent]:
        """Return the events for a tray without a sign of life since MAX_SILENT calls of this. Call it regularly."""
        self._silent_checks += 1
        if self._silent_checks < MAX_SILENT or not self.is_online:
            return []
        self._is_silent = True
        return self._disconnect(goodbye=False)

    def lose(self, *, goodbye: bool = False) -> list[SourceEvent]:
        """Return the events for a tray, or a broker, that is no longer connected."""
        self.presence = replace(self.presence, is_online=False)
        return self._disconnect(goodbye=goodbye)

    def _note_life(self) -> None:
        """Note that the tray is there. After a silence, changes may have been missed."""
        self._silent_checks = 0
        self.needs_snapshot |= self._is_silent and self.presence.is_online
        self._is_silent = False

    def _disconnect(self, *, goodbye: bool) -> list[SourceEvent]:
        self._is_shown, self._waiting, self.needs_snapshot = False, None, False
        return [ServerLost(self.server_id(name), goodbye) for name in self._servers]

    def forget(self) -> list[SourceEvent]:
        """Return the events for a tray that is not shown any more."""
        return self._forget(list(self._servers))

    def _share(self, servers: Iterable[SharedServer]) -> list[SourceEvent]:
        return [SessionsShared(self._server(shared)) for shared in servers]

    def _forget(self, names: Iterable[str]) -> list[SourceEvent]:
        known = [name for name in names if self._servers.pop(name, None) is not None]
        return [ServerForgotten(self.server_id(name)) for name in known]

    def _name(self) -> str:
        return clean(self.presence.name)[:80] or self.id[:8]

    def _refusal(self, reason: str) -> str:
        if self._own_key not in self.presence.answers:
            return f"{self._name()} has not named this tray in team.answers"
        return clean(reason)

    def _server(self, shared: SharedServer) -> Server:
        return Server(
            id=self.server_id(shared.id),
            name=clean(shared.name),
            host=clean(shared.host),
            directory=shared.directory,
            project=shared.project,
            branch=clean(shared.branch),
            repository=shared.repository,
            agent_kind=shared.agent_kind,
            version=clean(shared.version),
            source=Source.TEAM,
            owner=self._name(),
            refusal=self._refusal(shared.refusal),
            connected=shared.connected,
            confirmed=shared.confirmed,
            lost_at=shared.lost_at,
            said_goodbye=shared.said_goodbye,
            runs_once=shared.runs_once,
            finished=shared.finished,
        )


def _moment(message: Snapshot | Change) -> tuple[int, int]:
    return message.started, message.number


def _of(server: Server, sessions: Iterable[Session]) -> tuple[Session, ...]:
    return tuple(replace(s, server=server.id, requests=_unanswered(s.requests)) for s in sessions)


def _unanswered(requests: tuple[Request, ...]) -> tuple[Request, ...]:
    """Return requests as they are before an answer from here."""
    return tuple(replace(request, sending=False, refusal="", draft=()) for request in requests[:MAX_REQUESTS])


def _by_server(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    found: dict[str, list[Session]] = {}
    for session in sessions:
        found.setdefault(session.server, []).append(session)
    return found


def _removed_by_server(removed: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for server, session in removed:
        found.setdefault(server, []).append(session)
    return found
