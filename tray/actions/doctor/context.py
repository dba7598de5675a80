"""What the checks look at, gathered once, all at the same time, in less than two seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from tray.actions.doctor.finding import Finding, unchecked
from tray.actions.serve.listing import FoundServer, find_servers
from tray.core.errors import UserError
from tray.core.loopback import connect_host
from tray.core.settings import HOST, PORT, SERVERS, Settings, parse_settings
from tray.opencode.executable import opencode_program
from tray.opencode.processes import OpenCodeProcess, running_processes
from tray.storage.endpoint import Address, tray_address
from tray.storage.settings_file import load_settings
from tray.system import notification_daemon, tray_host
from tray.system.notification_daemon import NotificationDaemon
from tray.system.paths import Paths
from tray.system.ports import port_owner
from tray.system.subprocesses import run
from tray.system.tray_host import TrayHost

TIMEOUT = 1.5  # s that each part gets
ANSWER = 0.8  # s of these that a server gets to answer

T = TypeVar("T")


class DoctorContext(msgspec.Struct, frozen=True, dict=True):  # dict: for the cached property
    """The machine at this moment. `report` is what the running tray says of itself; None: none runs."""

    paths: Paths
    environment: Mapping[str, str]
    settings: Settings
    settings_problem: str
    report: Mapping[str, Any] | None
    address: Address  # where the tray is reached, or would be
    holder: str | None  # who has that port
    daemon: NotificationDaemon | None
    tray_host: TrayHost
    processes: list[OpenCodeProcess]
    servers: list[FoundServer]
    program: str
    version: str  # of the OpenCode that is on the PATH, or ""
    unchecked: tuple[Finding, ...] = ()  # what could not be looked at, and counts as not there

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
) -> DoctorContext:
    """Look at everything; what does not answer in time counts as not there."""
    try:
        settings, problem = load_settings(paths.settings, environment, {PORT.key: port}), ""
    except UserError as error:
        settings, problem = parse_settings({}, "", {}, {PORT.key: port}), str(error)
    try:
        address = tray_address(paths.endpoint, paths.settings, environment, port)
    except UserError:
        address = Address(connect_host(settings[HOST]), settings[PORT])
    program = opencode_program(settings)
    accounts, look = settings[SERVERS], _Look()
    held, daemon, host, processes, servers, version = await asyncio.gather(
        look.at("port", "who has the port", None, lambda: asyncio.to_thread(port_owner, address.port)),
        look.at("notifications", "the notification service", None, notification_daemon.find),
        look.at("tray host", "what shows the icon", TrayHost(), tray_host.find),
        look.at(
            "opencode", "which OpenCodes run", list[OpenCodeProcess](), lambda: asyncio.to_thread(running_processes)
        ),
        look.at(
            "servers",
            "which HTTP servers run",
            list[FoundServer](),
            lambda: find_servers(paths, accounts, environment, ANSWER),
        ),
        look.at("opencode", "OpenCode's version", "", lambda: _version(program)),
    )
    return DoctorContext(
        paths, environment, settings, problem, report, address, held, daemon, host, processes, servers,
        program, version, tuple(look.failures),
    )  # fmt: skip


class _Look:
    """Looks at one thing after the other; keeps what could not be looked at."""

    def __init__(self) -> None:
        self.failures: list[Finding] = []

    async def at(self, check: str, what: str, otherwise: T, look: Callable[[], Awaitable[T]]) -> T:
        """What `look` gives; `otherwise` if it takes too long or fails."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await look()
        except TimeoutError:
            return otherwise
        except Exception as error:  # noqa: BLE001  # of libraries, on systems that we do not know; it is logged
            self.failures.append(unchecked(check, what, error))
            return otherwise


async def _version(program: str) -> str:
    told = await run([program, "--version"], timeout=TIMEOUT)
    return told.out.strip().splitlines()[-1] if told.ok and told.out.strip() else ""
