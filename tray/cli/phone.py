"""`phone` opens or closes a way to the page, shows a QR code, and asks whether the phone that scanned it may be paired.

What it says of the way comes from the tray.
"""

from __future__ import annotations

import argparse
import sys
import time
from textwrap import wrap
from typing import Any

import segno

from tray.cli import ask_user
from tray.cli.client import Client, connected
from tray.cli.exit_codes import FAILED
from tray.cli.results import print_result
from tray.core.devices import Scope
from tray.core.pairing import CODE_LIFETIME
from tray.core.phone_ways import Way
from tray.core.text import clean

ASK_INTERVAL = 0.5  # s between two questions whether a phone has scanned the code
NOTE_COLUMNS = 100
_QUESTION = "Only if your phone shows it: allow to [a]nswer, to [w]atch, or [n]o? [a/w/n]"
_SCOPES = {"a": Scope.ANSWER, "w": Scope.WATCH}


def phone(options: argparse.Namespace) -> int:
    """Pair a phone, through a way that is opened first if an option says so; or close the ways. Raises UserError."""
    with connected(options.port) as client:
        if options.stop:
            return print_result(options, client.call("phone.stop"))
        way = _open_way(options, client)
        if way is None:
            return FAILED
        begun = client.call("phone", {"way": way})
        if options.json or not begun["ok"]:
            return print_result(options, begun)
        result = begun["result"]
        segno.make(result["address"], error="l").terminal(out=sys.stdout, compact=True)
        note = "\n".join(wrap(f"{result['note']}.", NOTE_COLUMNS))
        print(f"{result['address']}\n\n{note}\n\n{begun['message']}. Ctrl-C ends this.")
        pending = _wait(client)
        return _decide(options, client, pending) if pending is not None else FAILED


def _open_way(options: argparse.Namespace, client: Client) -> str | None:
    """Open the way of the options; return its name, "" for the best one that is open, None if it was not opened."""
    if options.tunnel is not None:
        way, opened = Way.TUNNEL, client.call("phone.tunnel", {"program": options.tunnel})
    elif options.tailscale:
        way, opened = Way.TAILSCALE, client.call("phone.tailscale")
    else:
        return ""
    if not opened["ok"]:
        print_result(options, opened)
        return None
    print(clean(opened["message"]), file=sys.stderr)  # JSON on the standard output is that of the address
    return way.value


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
