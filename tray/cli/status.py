"""`status` and `stop`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tray.cli import OK
from tray.cli.client import NotRunningError, call_tray
from tray.core.text import clean, shorten


def status(options: argparse.Namespace) -> int:
    """Print what the running tray knows. For a bar, that no tray runs is something to show, and no error."""
    if options.bar:
        print(_for_bar(options))
        return OK
    report = call_tray(options.port, "status")
    print(json.dumps(report, ensure_ascii=False) if options.json else describe(report))
    return OK


def _for_bar(options: argparse.Namespace) -> str:
    from tray.cli.bars import FORMATS

    try:
        return FORMATS[options.bar](call_tray(options.port, "sums"))
    except NotRunningError:
        return FORMATS[options.bar](None)


def stop(options: argparse.Namespace) -> int:
    """Stop the running tray."""
    call_tray(options.port, "quit")
    print("The tray stops. Agents go on.")
    return OK


def describe(report: dict[str, Any]) -> str:
    """A few lines for a person: the sessions, and under who waits what for, by the ids that commands take."""
    lines = [report["attention"]["tooltip"]]
    for session in report["sessions"]:
        if session["parent"] is None:
            title = clean(session["title"]) or clean(session["id"])
            lines.append(
                f"  {session['status']:<24} {title[:60]}  {clean(session['directory'])}  {clean(session['id'])}"
            )
            lines += [
                f"      {clean(request['id'])}  {clean(request['title'])}: {shorten(request['detail'], 100)}"
                for request in session["requests"]
            ]
    return "\n".join(lines)
