"""Ids of requests and sessions that have ended, so that a late report does not add them again."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 512  # ids for each server; a new one replaces the oldest


class ClosedIds:
    """The newest closed ids of each server, oldest first."""

    def __init__(self) -> None:
        self._of_server: dict[str, dict[str, None]] = {}

    def add(self, server_id: str, name: str) -> None:
        """Add an id that ended now."""
        closed = self._of_server.setdefault(server_id, {})
        closed.pop(name, None)
        closed[name] = None
        if len(closed) > MOST:
            del closed[next(iter(closed))]

    def reopen(self, server_id: str, names: Iterable[str]) -> None:
        """Remove these ids: a snapshot lists them, so they have not ended."""
        closed = self._of_server.get(server_id)
        if closed:
            for name in names:
                closed.pop(name, None)

    def forget(self, server_id: str) -> None:
        """Remove all ids of this server."""
        self._of_server.pop(server_id, None)

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether the (server id, id) ended not long ago."""
        return key[1] in self._of_server.get(key[0], ())

    def of_server(self, server_id: str) -> tuple[str, ...]:
        """Return the ids of this server, oldest first."""
        return tuple(self._of_server.get(server_id, ()))
