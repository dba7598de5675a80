"""`phone` shows a QR code, and asks whether the phone that scanned it may be paired."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import segno

from tray.cli import ask_user
from tray.cli.client import Client, connected
from tray.cli.exit_codes import FAILED
from tray.cli.results import print_result
from tray.core.devices import Scope
from tray.core.pairing import CODE_LIFETIME
from tray.core.text import clean

ASK_INTERVAL = 0.5  # s between two questions whether a phone has scanned the code
NOTE = (
    "The phone has to be in the same network. The page is not encrypted there: others in that network can read it.\n"
    "It works while it is open, without notifications; for those, see docs/channels.md."
)
_QUESTION = "Only if your phone shows it: allow to [a]nswer, to [w]atch, or [n]o? [a/w/n]"
_SCOPES = {"a": Scope.ANSWER, "w": Scope.WATCH}


def phone(options: argparse.Namespace) -> int:
    """Pair a phone. Raises UserError."""
    with connected(options.port) as client:
        begun = client.call("phone")
        if options.json or not begun["ok"]:
            return print_result(options, begun)
        segno.make(begun["result"], error="l").terminal(out=sys.stdout, compact=True)
        print(f"{begun['result']}\n\n{NOTE}\n\n{begun['message']}. Ctrl-C ends this.")
        pending = _wait(client)
        return _decide(options, client, pending) if pending is not None else FAILED


def _wait(client: Client) -> dict[str, Any] | None:
    """Return the phone that scanned the code; None if none did in time."""
    end = time.monotonic() + CODE_LIFETIME / 1000
    while time.monotonic() < end:
        found = client.call("phone.pending")["result"]
        if found:
            pending: dict[str, Any] = found[-1]
            return pending
        time.sleep(ASK_INTERVAL)
    print("No phone has scanned the code in time", file=sys.stderr)
    return None


def _decide(options: argparse.Namespace, client: Client, pending: dict[str, Any]) -> int:
    """Ask, and send the decision. An empty line and Ctrl-D refuse."""
    print(f"\n{clean(pending['name'])} at {clean(pending['address'])} shows the number {pending['number']}.")
    reply = "?"
    while reply not in ("a", "w", "n", ""):
        reply = ask_user.line(_QUESTION).lower()[:1]
    decision = {"device_scope": _SCOPES[reply].value} if reply in _SCOPES else {"verdict": "reject"}
    return print_result(options, client.call("phone.decide", {"device": pending["id"], **decision}))
