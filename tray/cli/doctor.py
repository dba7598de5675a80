"""`doctor`: check the installation, print the findings, and fix what can be fixed safely."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tray.actions.attach.opener import SessionOpener
from tray.actions.doctor.finding import Finding, Level
from tray.actions.doctor.runner import apply_fixes, run_checks
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.core.errors import UserError
from tray.core.settings import PORT, Settings
from tray.core.source_calls import CallError
from tray.core.text import counted
from tray.storage.settings_file import load_settings
from tray.surfaces.notifications import Notifications
from tray.system import notification_daemon
from tray.system.notification_daemon import BALLOON
from tray.system.paths import TITLE, Paths
from tray.system.resources import app_icon

MARKS = {Level.OK: "ok", Level.NOTE: "· ", Level.BROKEN: "!!"}
TEST_DURATION = 4.0  # s for which the test notification is shown


def doctor(options: argparse.Namespace) -> int:
    """Print the findings, with --fix after fixing what can be fixed. Exit code 1 if something is broken."""
    if options.test_notification:
        return asyncio.run(_test_notification())
    if options.test_attach:
        return asyncio.run(_test_attach(options))
    findings = _run_checks(options)
    lines = apply_fixes(findings) if options.fix else []
    if lines:
        findings = _run_checks(options)
    if options.json:
        print(json.dumps([finding.plain() for finding in findings], ensure_ascii=False))
    else:
        _print(findings, lines)
    if options.wait:
        with suppress(EOFError):
            input("\nPress Enter to close this window. ")
    return FAILED if any(finding.level is Level.BROKEN for finding in findings) else OK


def _run_checks(options: argparse.Namespace) -> list[Finding]:
    try:
        status = call_tray(options.port, "status")
    except UserError:
        status = None  # the checks report why
    return asyncio.run(run_checks(Paths.of(os.environ), os.environ, status, options.port))


def _print(findings: list[Finding], lines: list[str]) -> None:
    for line in lines:
        print(line)
    for finding in findings:
        print(f"{MARKS[finding.level]} {finding.message}" + (f"\n     {finding.fix}" if finding.fix else ""))
    fixable = sum(finding.apply_fix is not None for finding in findings)
    if fixable:
        number = counted(fixable, "finding", "findings")
        print(f"\n{number} can be fixed automatically; run: opencode-tray doctor --fix")


async def _test_notification() -> int:
    """Show a notification, and print the daemon that showed it and its capabilities."""
    daemon = await notification_daemon.find()
    if daemon is None:
        print("No notification daemon is running; see opencode-tray doctor")
        return FAILED
    if daemon.name == BALLOON:
        print("This Windows shows no notifications of programs; a running tray shows them beside its icon")
        return FAILED
    notifications = Notifications(TITLE, app_icon(), lambda _: None)
    notifications.show_text("Test notification", "Notifications of OpenCode Tray look like this.")
    running = asyncio.create_task(notifications.run())
    await asyncio.sleep(TEST_DURATION)
    shown = notifications.count > 0
    notifications.end()
    await running
    capabilities = ", ".join(sorted(daemon.capabilities)) or "none"
    print(f"{'Shown by' if shown else 'Not shown by'} {daemon.name} (capabilities: {capabilities})")
    return OK if shown else FAILED


async def _test_attach(options: argparse.Namespace) -> int:
    """Open a new terminal in the way that sessions are opened, and run `watch` in it."""
    settings = _settings(options)

    async def call(server_id: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ARG001
        raise CallError("there is no session")

    opened = await SessionOpener(lambda: settings, call).run_in_terminal(["watch"])
    if opened is None:
        print("Cannot open a terminal; set `attach.terminal` in the settings")
        return FAILED
    print(f"Opened {opened}")
    return OK


def _settings(options: argparse.Namespace) -> Settings:
    return load_settings(Paths.of(os.environ).settings, os.environ, {PORT.key: options.port})
