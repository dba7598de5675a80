"""The directories of one HTTP address, reported as servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from tray.core.events import ServerConnected, ServerForgotten, ServerLost, SourceEvent
from tray.core.loopback import is_loopback
from tray.core.paths import base_name
from tray.core.servers import Server, Source
from tray.core.text import clean
from tray.opencode.api import ServerAddress
from tray.system.git import repository_of
from tray.system.own_host import own_host

MAX_SHOWN = 200  # servers of one address that are reported at the same time, including those of earlier connections


class ReportedServers:
    """Reports servers, and remembers which ones are shown. Reports nothing after `end` or `forget`.

    A server that cannot be followed is shown as one server without a directory that has a `problem`.
    """

    def __init__(self, address: ServerAddress, report: Callable[[SourceEvent], None]) -> None:
        self.opencode_version = ""
        self.ended = False
        self._address = address
        self._report = report
        self._shown: dict[str, None] = {}  # server ids, the oldest first

    def shows(self, server_id: str) -> bool:
        """Return whether a server is shown."""
        return server_id in self._shown

    def report(self, event: SourceEvent) -> None:
        """Report an event of one of the servers."""
        if not self.ended:
            self._report(event)

    def connect(self, directory: str) -> Server:
        """Report that the server of a directory connected, and return it. The oldest of too many is forgotten."""
        server = self._server(directory)
        self._shown.pop(server.id, None)
        self._shown[server.id] = None
        if len(self._shown) > MAX_SHOWN:
            self._forget(next(iter(self._shown)))
        self.report(ServerConnected(server))
        return server

    def disconnect(self, server_ids: Iterable[str], reason: str) -> None:
        """Report that the connection to these servers was lost. If no server is shown, show the reason."""
        for server_id in server_ids:
            self.report(ServerLost(server_id))
        if self._shown.keys() <= {self.id_of("")}:
            self.show_problem(reason)

    def show_problem(self, problem: str) -> None:
        """Show, instead of all servers, that this address cannot be followed, and why."""
        server = self._server("", problem)
        for server_id in self._shown.keys() - {server.id}:
            self._forget(server_id)
        self._shown[server.id] = None
        self.report(ServerConnected(server))

    def clear_problem(self) -> None:
        """Stop showing the problem."""
        if self.id_of("") in self._shown:
            self._forget(self.id_of(""))

    def end(self) -> None:
        """Report that the process ended: its servers are shown as disconnected for a while."""
        self.clear_problem()
        for server_id in self._shown:
            self.report(ServerLost(server_id, goodbye=True))
        self.ended = True

    def forget(self) -> None:
        """Stop showing the servers."""
        for server_id in list(self._shown):
            self._forget(server_id)
        self.ended = True

    def _forget(self, server_id: str) -> None:
        del self._shown[server_id]
        self.report(ServerForgotten(server_id))

    def id_of(self, directory: str) -> str:
        """Return the id of the server of a directory."""
        return f"{self._address.url} {directory}"

    def _server(self, directory: str, problem: str = "") -> Server:
        parts = urlsplit(self._address.url)
        is_local = self._address.pid or is_loopback(parts.hostname or "")
        return Server(
            id=self.id_of(directory),
            name=clean(base_name(directory)) or parts.netloc,
            host=own_host() if is_local else parts.hostname or "",
            directory=directory,
            repository=repository_of(directory) if is_local else "",
            url=self._address.url,
            pid=self._address.pid,
            version=self.opencode_version,
            source=Source.HTTP,
            verified=self._address.trusted,
            problem=problem,
        )
