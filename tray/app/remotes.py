"""The machines that report through a tunnel: adds and removes them, and keeps their tunnels open."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.commands import CommandResult
from tray.core.errors import UserError
from tray.core.remote_hosts import is_destination
from tray.core.remote_state import RemoteState
from tray.core.remotes import Remote, new_key, remote_token
from tray.core.servers import Server
from tray.core.text import clean, counted
from tray.sources.remote.setup import install, installed_plugin
from tray.sources.remote.tunnel import Tunnel, TunnelState
from tray.storage.remotes import read_remotes, write_remotes
from tray.system.resources import plugin_source
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

TOPIC = "remotes"
OPENS_WITHIN = 30.0  # s that `add` waits for the tunnel


class UnknownRemoteError(UserError):
    """There is no such machine, or its name is none."""


class TunnelListener(Protocol):
    """Where the tunnels end."""

    async def open_tunnel_port(self) -> int:
        """Return the port that plugins of other machines reach through tunnels. Raises OSError."""

    def disconnect_key(self, key: str, reason: str) -> None:
        """Close the connections with a key."""


class Remotes:
    """Lives on the event loop's thread."""

    def __init__(
        self,
        path: Path,
        state: AppState,
        token: Callable[[], str],
        problems: Problems,
        tasks: TaskSet,
    ) -> None:
        self._path = path
        self._state = state
        self._token = token
        self._listener: TunnelListener | None = None
        self._changing = asyncio.Lock()
        self._problems = problems
        self._tasks = tasks
        self._remotes: dict[str, Remote] = {}  # by key
        self._tunnels: dict[str, tuple[Tunnel, asyncio.Task[None]]] = {}  # by key

    def find(self, key: str) -> tuple[Remote, str] | None:
        """Return the machine with a key and its token; None if the key was revoked."""
        remote = self._remotes.get(key)
        return (remote, remote_token(self._token(), key)) if remote is not None else None

    async def start(self, listener: TunnelListener) -> None:
        """Open the tunnels."""
        self._listener = listener
        async with self._changing:
            remotes, problem = await asyncio.to_thread(read_remotes, self._path)
            if problem:
                self._problems.report(TOPIC, problem)
            self._remotes = {remote.key: remote for remote in remotes}
            await self._open_all()

    async def _open_all(self) -> None:
        if not self._remotes:
            return
        try:
            port = await self._open_port()
        except UserError as error:
            self._problems.report(TOPIC, str(error))
            return
        for remote in self._remotes.values():
            self._open(remote, port)

    def reopen(self) -> None:
        """Open all tunnels again, because the token has changed."""
        self._tasks.spawn(self._reopen(), "tunnels with the new token")

    async def _reopen(self) -> None:
        async with self._changing:
            await self._end(list(self._tunnels))
            await self._open_all()

    async def _open_port(self) -> int:
        if self._listener is None:
            raise UserError("the tray is still starting")
        try:
            return await self._listener.open_tunnel_port()
        except OSError as error:
            raise UserError(f"no port for tunnels: {error.strerror}") from error

    def _open(self, remote: Remote, port: int) -> Tunnel:
        tunnel = Tunnel(remote, lambda: remote_token(self._token(), remote.key), port, self._state.now)
        self._tunnels[remote.key] = tunnel, self._tasks.spawn(tunnel.run(), f"tunnel from {remote.ssh}")
        return tunnel

    async def _end(self, keys: Collection[str]) -> None:
        tasks = [self._tunnels.pop(key)[1] for key in keys if key in self._tunnels]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ used by the commands

    def overview(self) -> tuple[RemoteState, ...]:
        """Return what the user sees of each machine."""
        return tuple(self._state_of(remote) for remote in self._remotes.values())

    def _state_of(self, remote: Remote) -> RemoteState:
        sessions = sum(_is_from(row.server, remote) for row in self._state.index.rows())
        state = self._tunnels[remote.key][0].state if remote.key in self._tunnels else TunnelState(0)
        return RemoteState(remote.ssh, remote.host, state.is_connected, state.since, state.problem, sessions)

    async def add(self, destination: str) -> CommandResult:
        """Install the plugin there, and keep a tunnel from now on. Raises UserError."""
        if not is_destination(destination):
            raise UnknownRemoteError(f"{destination[:80]!r} is not HOST or USER@HOST")
        found = await install(destination, plugin_source().read_bytes())
        key = new_key(socket.gethostname(), secrets.token_hex(6))
        remote = Remote(key, destination, found.host, found.opencode or "opencode")
        async with self._changing:
            port = await self._open_port()
            await self._replace({**self._without(destination), key: remote})
            tunnel = self._open(remote, port)
        state = await tunnel.wait_for_change(OPENS_WITHIN)
        if not state.is_connected:
            problem = state.problem or f"not open after {OPENS_WITHIN:g} s"
            return CommandResult(f"Added {destination}, but there is no tunnel yet: {problem}", ok=False)
        missing = "" if found.opencode else "; OpenCode is not on the PATH there"
        return CommandResult(f"Added {clean(found.host)}: start OpenCode there, or restart it{missing}")

    async def check(self, destination: str) -> CommandResult:
        """Find out what is missing. Raises UserError."""
        remote = self._named(destination)
        state = self._state_of(remote)
        if not state.is_connected:
            return CommandResult(f"No tunnel: {state.problem or 'it is being opened'}", ok=False)
        installed = await installed_plugin(remote.ssh)
        if installed != plugin_source().read_bytes():
            found = "another version of the plugin" if installed else "no plugin"
            advice = f"run: opencode-tray remote add {remote.ssh}"
            return CommandResult(f"The tunnel is open, but there is {found} on {remote.ssh}; {advice}", ok=False)
        if not any(_is_from(server, remote) for server in self._state.fleet.servers.values()):
            return CommandResult("The tunnel is open; start OpenCode there, or restart it", as_requested=False)
        return CommandResult(f"The tunnel is open; {counted(state.sessions, 'session', 'sessions')}")

    async def remove(self, destination: str) -> CommandResult:
        """Close the tunnel and revoke the token. Raises UserError."""
        async with self._changing:
            remote = self._named(destination)
            await self._replace(self._without(remote.ssh))
        return CommandResult(f"Removed {remote.ssh}: its token is not valid any more. The plugin there stays")

    def _named(self, destination: str) -> Remote:
        remotes = self._remotes.values()
        found = [remote for remote in remotes if remote.ssh == destination]
        found = found or [remote for remote in remotes if remote.host == destination]
        if len(found) != 1:
            known = ", ".join(remote.ssh for remote in self._remotes.values()) or "none"
            problem = "several machines are" if found else "no machine is"
            raise UnknownRemoteError(f"{problem} named {destination[:80]!r}; known: {known}")
        return found[0]

    def _without(self, destination: str) -> dict[str, Remote]:
        return {key: remote for key, remote in self._remotes.items() if remote.ssh != destination}

    async def _replace(self, remotes: Mapping[str, Remote]) -> None:
        """Store which machines there are, then revoke the tokens of the others.

        Raises UserError if they cannot be stored; then nothing is changed.
        """
        try:
            await asyncio.to_thread(write_remotes, self._path, list(remotes.values()))
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror}") from error
        self._problems.clear(TOPIC)
        revoked = self._remotes.keys() - remotes.keys()
        self._remotes = dict(remotes)
        for key in revoked:
            if self._listener is not None:
                self._listener.disconnect_key(key, "the token of this machine was revoked")
            if key in self._tunnels:
                self._tunnels[key][0].revoke()
        await self._end(revoked)


def _is_from(server: Server, remote: Remote) -> bool:
    return server.connected and server.key == remote.key
