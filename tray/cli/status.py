"""`status` and `stop`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from tray.cli import FAILED, OK, USAGE
from tray.cli.client import NotRunningError, connected
from tray.core.settings import SettingError
from tray.core.text import clean
from tray.storage.settings_file import SettingsFileError
from tray.storage.token import TokenError


def status(options: argparse.Namespace) -> int:
    """Print what the running tray knows."""
    report, code = ask("status", options.port)
    if report is None:
        return code
    print(json.dumps(report, ensure_ascii=False) if options.json else describe(report))
    return OK


def stop(options: argparse.Namespace) -> int:
    """Stop the running tray."""
    result, code = ask("quit", options.port)
    if result is not None:
        print("The tray stops. Agents go on.")
    return code


def fetch(method: str, port: int | None) -> dict[str, Any]:
    """Call the running tray. Raises what REASONS names."""

    async def call() -> dict[str, Any]:
        async with connected(port) as client:
            result: dict[str, Any] = await client.call(method)
            return result

    return asyncio.run(call())


REASONS = (SettingError, SettingsFileError, NotRunningError, TokenError)  # why a call to the tray fails


def ask(method: str, port: int | None) -> tuple[dict[str, Any] | None, int]:
    """Call the running tray; says on stderr what went wrong. Returns the result, or None, and the exit code."""
    try:
        return fetch(method, port), OK
    except REASONS as error:
        print(f"opencode-tray: {error}", file=sys.stderr)
        return None, USAGE if isinstance(error, (SettingError, SettingsFileError)) else FAILED


def describe(report: dict[str, Any]) -> str:
    """A few lines for a person."""
    lines = [report["attention"]["tooltip"]]
    for session in report["sessions"]:
        if session["parent"] is None:
            waits = "".join(f"\n      {r['title']}: {clean(r['detail'])[:100]}" for r in session["requests"])
            title = clean(session["title"]) or session["id"]
            lines.append(f"  {session['status']:<24} {title[:60]}  {clean(session['directory'])}{waits}")
    return "\n".join(lines)
