"""The state of the machine that the checks examine, gathered once, in less than two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tray.actions.agent_hooks import AgentHooks
from tray.actions.doctor.finding import Finding, failed
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

TIMEOUT = 1.5  # s for each part, all of which are gathered at the same time
HEALTH_TIMEOUT = 0.8  # s for each server's answer; less than TIMEOUT

T = TypeVar("T")


class DoctorContext(msgspec.Struct, frozen=True, dict=True):  # dict: for the cached property
    """The state of the machine. Parts that could not be gathered are empty."""

    paths: Paths
    environment: Mapping[str, str]
    settings: Settings
    settings_problem: str
    status: Mapping[str, Any] | None  # the report of `status --json`; None: no tray is running
    address: Address  # of the running tray, or of the one that would be started
    port_owner: str | None  # the process that listens on that port
    daemon: NotificationDaemon | None
    tray_host: TrayHost
    processes: list[OpenCodeProcess]
    servers: list[FoundServer]
    program: str  # of OpenCode
    version: str  # of that program, or ""
    failures: tuple[Finding, ...] = ()  # parts that could not be gathered because of an error

    @cached_property
    def tray_servers(self) -> list[Mapping[str, Any]]:
        """The servers in the report of the running tray."""
        return list(self.status["servers"]) if self.status is not None else []

    @cached_property
    def agent_hooks(self) -> AgentHooks:
        """The hooks of other agents on this machine."""
        return AgentHooks(self.environment, Path.home(), self.paths.hook_socket)

    @property
    def host(self) -> str:
        """The name of this machine in the report of the running tray, which keeps it if the machine is renamed."""
        return str(self.status["host"]) if self.status is not None else ""


async def gather(
    paths: Paths, environment: Mapping[str, str], status: Mapping[str, Any] | None, port: int | None
) -> DoctorContext:
    """Gather the state of the machine. Parts that take longer than TIMEOUT stay empty."""
    try:
        settings, problem = load_settings(paths.settings, environment, {PORT.key: port}), ""
    except UserError as error:
        settings, problem = parse_settings({}, "", {}, {PORT.key: port}), str(error)
    try:
        address = tray_address(paths.endpoint, paths.settings, environment, port)
    except UserError:
        address = Address(connect_host(settings[HOST]), settings[PORT])
    program, accounts, parts = opencode_program(settings), settings[SERVERS], _Parts()
    owner, daemon, host, processes, servers, version = await asyncio.gather(
        parts.get("port", "the owner of the port", None, lambda: asyncio.to_thread(port_owner, address.port)),
        parts.get("notifications", "the notification daemon", None, notification_daemon.find),
        parts.get("tray host", "the tray host", TrayHost(), tray_host.find),
        parts.get(
            "opencode",
            "the processes of OpenCode",
            list[OpenCodeProcess](),
            lambda: asyncio.to_thread(running_processes),
        ),
        parts.get(
            "servers",
            "the HTTP servers",
            list[FoundServer](),
            lambda: find_servers(paths, accounts, environment, HEALTH_TIMEOUT),
        ),
        parts.get("opencode", "the version of OpenCode", "", lambda: _version(program)),
    )
    return DoctorContext(
        paths, environment, settings, problem, status, address, owner, daemon, host, processes, servers,
        program, version, tuple(parts.failures),
    )  # fmt: skip


class _Parts:
    """Gathers parts of the context and records those that fail."""

    def __init__(self) -> None:
        self.failures: list[Finding] = []

    async def get(self, check: str, subject: str, default: T, find: Callable[[], Awaitable[T]]) -> T:
        """Return what `find` returns, or the default if it fails or takes longer than TIMEOUT."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await find()
        except TimeoutError:
            return default
        except Exception as error:  # noqa: BLE001  # libraries on unknown systems raise anything; `failed` logs it
            self.failures.append(failed(check, subject, error))
            return default


async def _version(program: str) -> str:
    done = await run([program, "--version"], timeout=TIMEOUT)
    return done.out.strip().splitlines()[-1] if done.ok and done.out.strip() else ""
