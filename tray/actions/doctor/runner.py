"""The whole examination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tray.actions.doctor import connections, desktop, installation, network
from tray.actions.doctor.context import DoctorContext, gather
from tray.actions.doctor.finding import Finding, unchecked
from tray.core.errors import UserError
from tray.system.paths import Paths

Check = Callable[[DoctorContext], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    installation.settings,
    installation.token,
    installation.plugin,
    connections.connections,
    installation.at_login,
    installation.opencode,
    installation.port,
    desktop.tray_host,
    desktop.notifications,
    desktop.duplicates,
    desktop.terminal,
    network.servers,
    network.clocks,
)


async def examine(
    paths: Paths, environment: Mapping[str, str], report: Mapping[str, Any] | None, port: int | None = None
) -> list[Finding]:
    """Look at everything once, on this port or the configured one; changes nothing. Done within 2 s.

    `report` is what the running tray says of itself; None: none runs.
    """
    scene = await gather(paths, environment, port, report)
    return await asyncio.to_thread(check_all, scene, CHECKS)


def check_all(scene: DoctorContext, checks: Iterable[Check]) -> list[Finding]:
    """What all of them find; what one of them raises is a finding as well, and stops no other."""
    return [*scene.unchecked, *(finding for check in checks for finding in _alone(check, scene))]


def _alone(check: Check, scene: DoctorContext) -> Iterator[Finding]:
    try:
        yield from check(scene)
    except Exception as error:  # noqa: BLE001  # of libraries, on systems that we do not know; it is logged
        name = check.__name__.replace("_", " ")
        yield unchecked(name, f"“{name}”", error)


def mend(findings: Iterable[Finding]) -> list[str]:
    """Do what can be done safely; a line for each."""
    done = []
    for finding in findings:
        if finding.mend is not None:
            try:
                done.append(finding.mend())
            except (UserError, OSError) as error:
                done.append(f"not mended: {error}")
    return done
