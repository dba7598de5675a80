"""Publishes where the tray listens, for the plugin and the commands."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from tray.app.problems import Problems
from tray.core.loopback import connect_host
from tray.storage.endpoint import Endpoint, read_endpoint, remove_endpoint, write_endpoint

log = logging.getLogger(__name__)

TOPIC = "endpoint"


class EndpointPublisher:
    """The endpoint file of this process. Without it, plugin and commands use the host and port of the settings."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._endpoint: Endpoint | None = None

    async def publish(self, host: str, port: int) -> None:
        """Write the file for a listener on this host and port."""
        self._endpoint = Endpoint(connect_host(host), port, os.getpid())
        await self._write(self._endpoint)

    async def restore(self) -> None:
        """Write the file again if it was removed or damaged. The file of another running tray stays."""
        if self._endpoint is not None and await asyncio.to_thread(read_endpoint, self._path) is None:
            await self._write(self._endpoint)

    async def remove(self) -> None:
        """Remove the file if it is this process's."""
        try:
            await asyncio.to_thread(remove_endpoint, self._path, os.getpid())
        except OSError as error:
            log.warning("cannot remove %s: %s", self._path, error)

    async def _write(self, endpoint: Endpoint) -> None:
        try:
            await asyncio.to_thread(write_endpoint, self._path, endpoint)
        except OSError as error:
            effect = f"plugins may not find the tray on port {endpoint.port}"
            self._problems.report(TOPIC, f"{effect}: cannot write {self._path}: {error.strerror}")
        else:
            self._problems.clear(TOPIC)
