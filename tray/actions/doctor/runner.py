"""Run all checks and apply the fixes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tray.actions.doctor import agents, connections, desktop, installation, network
from tray.actions.doctor.context import DoctorContext, gather
from tray.actions.doctor.finding import Finding, failed
from tray.core.errors import UserError
from tray.system.paths import Paths

Check = Callable[[DoctorContext], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    installation.sandbox,
    installation.settings,
    installation.token,
    installation.plugin,
    connections.plugins,
    installation.autostart,
    installation.opencode,
    agents.agents,
    installation.port,
    desktop.tray_host,
    desktop.notifications,
    desktop.duplicates,
    desktop.terminal,
    network.servers,
    network.clocks,
)


async def run_checks(
    paths: Paths, environment: Mapping[str, str], status: Mapping[str, Any] | None, port: int | None = None
) -> list[Finding]:
    """Run all checks within 2 s, without changing anything. `port` overrides the configured port of the tray.

    `status` is the report of `status --json`; None if no tray is running.
    """
    context = await gather(paths, environment, status, port)
    return await asyncio.to_thread(check_all, context, CHECKS)


def check_all(context: DoctorContext, checks: Iterable[Check]) -> list[Finding]:
    """Return the findings of these checks. A check that raises an error becomes a finding and stops no other check."""
    return [*context.failures, *(finding for check in checks for finding in _findings(check, context))]


def _findings(check: Check, context: DoctorContext) -> Iterator[Finding]:
    try:
        yield from check(context)
    except Exception as error:  # noqa: BLE001  # libraries on unknown systems raise anything; `failed` logs it
        name = check.__name__.replace("_", " ")
        yield failed(name, f"“{name}”", error)


def apply_fixes(findings: Iterable[Finding]) -> list[str]:
    """Apply the fixes that are safe; return a line for each."""
    lines = []
    for finding in findings:
        if finding.apply_fix is not None:
            try:
                lines.append(f"fixed: {finding.apply_fix()}")
            except (UserError, OSError) as error:
                lines.append(f"not fixed: {error}")
    return lines
