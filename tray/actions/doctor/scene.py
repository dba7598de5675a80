"""What the checks look at, gathered once, all at the same time, in less than two seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from tray.actions.program import opencode_program
from tray.actions.serve.listing import FoundServer, find_servers
from tray.core.problem import Problem
from tray.core.settings import HOST, PORT, SERVERS, Settings, parse_settings
from tray.opencode.processes import OpenCodeProcess, running
from tray.storage.endpoint import Address, reached_at, tray_address
from tray.storage.settings_file import load_settings
from tray.system import notification_daemon, tray_host
from tray.system.notification_daemon import Daemon
from tray.system.paths import Paths
from tray.system.ports import holder
from tray.system.run import run
from tray.system.tray_host import TrayHost

TIMEOUT = 1.5  # s that each part gets
ANSWER = 0.8  # s of these that a server gets to answer

T = TypeVar("T")


class Scene(msgspec.Struct, frozen=True, dict=True):  # dict: for the cached property
    """The machine at this moment. `report` is what the running tray says of itself; None: none runs."""

    paths: Paths
    environment: Mapping[str, str]
    settings: Settings
    settings_problem: str
    report: Mapping[str, Any] | None
    address: Address  # where the tray is reached, or would be
    holder: str | None  # who has that port
    daemon: Daemon | None
    tray_host: TrayHost
    processes: list[OpenCodeProcess]
    servers: list[FoundServer]
    program: str
    version: str  # of the OpenCode that is on the PATH, or ""

    @cached_property
    def told(self) -> list[Mapping[str, Any]]:
        """The servers that the running tray knows."""
        return list(self.report["servers"]) if self.report is not None else []

    @property
    def host(self) -> str:
        """This machine, as plugins name it."""
        return socket.gethostname()


async def gather(
    paths: Paths, environment: Mapping[str, str], port: int | None, report: Mapping[str, Any] | None
) -> Scene:
    """Look at everything; what does not answer in time counts as not there."""
    try:
        settings, problem = load_settings(paths.settings, environment, {PORT.key: port}), ""
    except Problem as error:
        settings, problem = parse_settings({}, "", {}, {PORT.key: port}), str(error)
    try:
        address = tray_address(paths.endpoint, paths.settings, environment, port)
    except Problem:
        address = Address(reached_at(settings[HOST]), settings[PORT])
    program = opencode_program(settings)
    accounts, no_servers = settings[SERVERS], list[FoundServer]()
    held, daemon, host, processes, servers, version = await asyncio.gather(
        _or(None, lambda: asyncio.to_thread(holder, address.port)),
        _or(None, notification_daemon.find),
        _or(TrayHost(), tray_host.find),
        asyncio.to_thread(running),
        _or(no_servers, lambda: find_servers(paths, accounts, environment, ANSWER)),
        _or("", lambda: _version(program)),
    )
    return Scene(
        paths, environment, settings, problem, report, address, held, daemon, host, processes, servers, program, version
    )


async def _or(otherwise: T, look: Callable[[], Awaitable[T]]) -> T:
    try:
        return await asyncio.wait_for(look(), TIMEOUT)
    except asyncio.TimeoutError:
        return otherwise


async def _version(program: str) -> str:
    told = await run([program, "--version"], timeout=TIMEOUT)
    return told.out.strip().splitlines()[-1] if told.ok and told.out.strip() else ""
