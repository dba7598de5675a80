"""All sessions of the fleet, with indexes by server, parent, id and request."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.answers import RequestKey
from tray.core.sessions import Session, SessionKey


class SessionTable:
    """Sessions by key. The cost of a lookup depends on its result, not on the number of sessions.

    `sessions` may be read freely; only `put` and `remove` change it.
    """

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, Session] = {}
        self._of_server: dict[str, dict[SessionKey, None]] = {}
        self._of_id: dict[str, dict[SessionKey, None]] = {}
        self._children: dict[SessionKey, dict[SessionKey, None]] = {}
        self._asking: dict[RequestKey, dict[SessionKey, None]] = {}

    def put(self, after: Session) -> None:
        """Add the session, or replace the one with its key."""
        key = after.key
        before = self.sessions.get(key)
        self.sessions[key] = after
        if before is None:
            self._of_server.setdefault(key.server, {})[key] = None
            self._of_id.setdefault(key.session, {})[key] = None
        if before is None or before.parent != after.parent:
            self._set_parent(key, before.parent if before is not None else None, after.parent)
        requests = before.requests if before is not None else ()
        if requests != after.requests:
            self._set_requests(key, (r.id for r in requests), (r.id for r in after.requests))

    def remove(self, key: SessionKey) -> Session | None:
        """Remove a session; return it, or None if it is not known."""
        before = self.sessions.pop(key, None)
        if before is not None:
            _discard(self._of_server, key.server, key)
            _discard(self._of_id, key.session, key)
            self._set_parent(key, before.parent, None)
            self._set_requests(key, (r.id for r in before.requests), ())
        return before

    # ------------------------------------------------------------------ reading

    def of_server(self, server_id: str) -> tuple[SessionKey, ...]:
        """The sessions of one server, in the order in which they were first reported."""
        return tuple(self._of_server.get(server_id, ()))

    def count(self, server_id: str) -> int:
        """The number of sessions of one server."""
        return len(self._of_server.get(server_id, ()))

    def of_id(self, session_id: str) -> tuple[SessionKey, ...]:
        """The session with this id on each server that reports it."""
        return tuple(self._of_id.get(session_id, ()))

    def asking(self, request: RequestKey) -> tuple[SessionKey, ...]:
        """The sessions that wait with this request: one, unless a server reports the same request twice."""
        return tuple(self._asking.get(request, ()))

    def children(self, key: SessionKey) -> tuple[SessionKey, ...]:
        """The known sessions that name this one as their parent."""
        return tuple(self._children.get(key, ()))

    def root_of(self, key: SessionKey) -> SessionKey:
        """The topmost known ancestor; the session itself if its parent is not known (yet).

        In a cycle of parents it is the same session for all of them: each has to be in one tree.
        """
        path = self.path(key)
        session = self.sessions.get(path[-1])
        above = SessionKey(key.server, session.parent) if session is not None and session.parent is not None else None
        return min(path[path.index(above) :]) if above in path else path[-1]

    def path(self, key: SessionKey) -> list[SessionKey]:
        """The session and its known ancestors, each once."""
        found = {key: None}
        while (session := self.sessions.get(key)) is not None and session.parent is not None:
            key = SessionKey(key.server, session.parent)
            if key not in self.sessions or key in found:
                break
            found[key] = None
        return list(found)

    def tree(self, root: SessionKey) -> list[Session]:
        """The session and all its descendants, itself first."""
        if root not in self._children:
            session = self.sessions.get(root)
            return [] if session is None else [session]
        found, waiting, visited = [], [root], {root}
        while waiting:
            key = waiting.pop()
            if (session := self.sessions.get(key)) is not None:
                found.append(session)
            for child in self._children.get(key, ()):
                if child not in visited:
                    visited.add(child)
                    waiting.append(child)
        return found

    # ------------------------------------------------------------------ indexes

    def _set_parent(self, key: SessionKey, before: str | None, after: str | None) -> None:
        if before is not None:
            _discard(self._children, SessionKey(key.server, before), key)
        if after is not None:
            self._children.setdefault(SessionKey(key.server, after), {})[key] = None

    def _set_requests(self, key: SessionKey, before: Iterable[str], after: Iterable[str]) -> None:
        for request_id in before:
            _discard(self._asking, RequestKey(key.server, request_id), key)
        for request_id in after:
            self._asking.setdefault(RequestKey(key.server, request_id), {})[key] = None


def _discard(index: dict, name: object, key: SessionKey) -> None:  # type: ignore[type-arg]  # of any kind of name
    keys = index.get(name)
    if keys is not None:
        keys.pop(key, None)
        if not keys:
            del index[name]
