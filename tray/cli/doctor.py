"""`doctor`: is everything in order, what is not, and what mends it."""

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
from tray.actions.doctor.runner import examine, mend
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.core.errors import UserError
from tray.core.settings import PORT, Settings
from tray.core.source_calls import CallError
from tray.core.text import counted
from tray.storage.settings_file import load_settings
from tray.surfaces.notifications import Notifications
from tray.system import notification_daemon
from tray.system.paths import Paths
from tray.system.resources import app_icon

MARKS = {Level.OK: "ok", Level.NOTE: "· ", Level.BROKEN: "!!"}
SHOWN_FOR = 4.0  # s


def doctor(options: argparse.Namespace) -> int:
    """Examine, mend if asked to, and say what was found. Exit code 1 if something is broken."""
    if options.test_notification:
        return asyncio.run(_test_notification())
    if options.test_attach:
        return asyncio.run(_test_attach(options))
    findings = _examine(options)
    mended = mend(findings) if options.fix else []
    if mended:
        findings = _examine(options)
    if options.json:
        print(json.dumps([finding.plain() for finding in findings], ensure_ascii=False))
    else:
        _tell(findings, mended)
    if options.wait:
        with suppress(EOFError):
            input("\nPress Enter to close this window. ")
    return FAILED if any(finding.level is Level.BROKEN for finding in findings) else OK


def _examine(options: argparse.Namespace) -> list[Finding]:
    try:
        report = call_tray(options.port, "status")
    except UserError:
        report = None  # what is wrong with the tray, the checks will tell
    return asyncio.run(examine(Paths.of(os.environ), os.environ, report, options.port))


def _tell(findings: list[Finding], mended: list[str]) -> None:
    for line in mended:
        print(f"mended: {line}")
    for finding in findings:
        print(f"{MARKS[finding.level]} {finding.told}" + (f"\n     {finding.fix}" if finding.fix else ""))
    fixable = sum(finding.mend is not None for finding in findings)
    if fixable:
        print(f"\n{counted(fixable, 'finding', 'findings')} can be mended by: opencode-tray doctor --fix")


async def _test_notification() -> int:
    """Show one for a while, and say who took it."""
    daemon = await notification_daemon.find()
    if daemon is None:
        print("No notification daemon answers: opencode-tray doctor says what to do")
        return FAILED
    lane = Notifications("OpenCode Tray", app_icon(), lambda _: None)
    lane.show_text("It works", "This is what OpenCode Tray's notifications look like.")
    running = asyncio.create_task(lane.run())
    await asyncio.sleep(SHOWN_FOR)
    taken = lane.count > 0
    lane.end()
    await running
    can = ", ".join(sorted(daemon.capabilities)) or "nothing special"
    print(f"{'Shown by' if taken else 'Not taken by'} {daemon.name}, which can do: {can}")
    return OK if taken else FAILED


async def _test_attach(options: argparse.Namespace) -> int:
    """Open a new terminal, as for a session that has none; it shows what `watch` shows."""
    settings = _settings(options)

    async def call(server_id: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ARG001
        raise CallError("there is no session to go to")

    opened = await SessionOpener(lambda: settings, call).run_in_terminal(["watch"])
    if opened is None:
        print("No terminal could be opened; `attach.terminal` in the settings names one")
        return FAILED
    print(f"Opened {opened}")
    return OK


def _settings(options: argparse.Namespace) -> Settings:
    return load_settings(Paths.of(os.environ).settings, os.environ, {PORT.key: options.port})
