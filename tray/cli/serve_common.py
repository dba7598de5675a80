"""What the `serve` commands share. They work with or without a running tray."""

from __future__ import annotations

import os

from tray.actions.serve.listing import FoundServer, find_servers, select_server
from tray.core.errors import UserError
from tray.core.settings import SERVERS
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths


class ServeUsageError(UserError):
    """Arguments of a `serve` command are missing, or contradict each other."""

    is_usage = True


async def servers() -> list[FoundServer]:
    """Return all OpenCode servers of this machine, sorted by ID. Raises UserError for invalid settings."""
    paths = Paths.of(os.environ)
    accounts = load_settings(paths.settings, os.environ, {})[SERVERS]
    return await find_servers(paths, accounts, os.environ)


async def server_with_id(server_id: str) -> FoundServer:
    """Return the server with this ID, URL or process ID. Raises ServeError if there is none."""
    return select_server(await servers(), server_id)
