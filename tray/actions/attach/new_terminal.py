"""Run OpenCode in a new terminal, with the password of its server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from tray.actions.attach.target import WSL
from tray.core.remote_hosts import HttpServer
from tray.core.settings import SERVERS, TERMINAL, Settings
from tray.system.programs import command_words
from tray.system.secret_variables import whole_environment
from tray.system.terminals import open_terminal

CONNECT_TIMEOUT = 1.0  # s for a connection to a server on another machine


class NewTerminal:
    """Opens the user's terminal program."""

    def __init__(self, settings: Callable[[], Settings], running: Callable[[], Collection[HttpServer]]) -> None:
        """`running` returns the servers that were started by the tray."""
        self._settings = settings
        self._running = running

    async def run(
        self,
        command: Sequence[str],
        folder: str = "",
        url: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> str | None:
        """Run a command in a new terminal; return the terminal's name, or None if none could be opened.

        `environment` is added to its own. It also has the password of the server at `url`, and of no other server.
        """
        if shutil.which(command[0]) is None:
            return None  # instead of a terminal that shows only this error
        account = await asyncio.to_thread(self._account, url) if url is not None else None
        password = (
            (account.password or whole_environment().get(account.password_env, "")) if account is not None else ""
        )
        variables = dict(environment)
        if account is not None and password:
            variables |= {"OPENCODE_SERVER_USERNAME": account.username, "OPENCODE_SERVER_PASSWORD": password}
        preferred = command_words(self._settings()[TERMINAL])
        return await open_terminal(command, folder=folder, environment=variables, preferred=preferred)

    def _account(self, url: str) -> HttpServer | None:
        known = (*self._settings()[SERVERS], *self._running())
        return next((server for server in known if _origin(server.url) == _origin(url)), None)


def why_not_opened(command: Sequence[str]) -> str:
    """Return why no terminal could be opened for this command, and what to do."""
    if shutil.which(command[0]) is None and command[0] in ("ssh", WSL):
        return f"{command[0]} was not found"
    if shutil.which(command[0]) is None:
        return f"{command[0]} was not found; set `attach.opencode` in the settings to its path"
    return "No terminal could be opened; set `attach.terminal` in the settings"


async def is_reachable(url: str) -> bool:
    """Return whether the server at this URL accepts connections."""
    _, host, port = _origin(url)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, UnicodeError, TimeoutError):
        return False
    writer.close()
    return True


def _origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)
