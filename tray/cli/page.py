"""`open` opens the dashboard; `devices` lists or revokes the browsers that may use it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tray.cli.client import call_tray
from tray.cli.exit_codes import OK
from tray.cli.results import print_result
from tray.core.errors import UserError
from tray.core.text import clean
from tray.system.local_time import local_time


class DevicesUsageError(UserError):
    """`revoke` needs one device, or --all."""

    is_usage = True


def open_dashboard(options: argparse.Namespace) -> int:
    """Have the tray open the dashboard, or print its address. Raises UserError."""
    result = call_tray(options.port, "dashboard", {"in_browser": not options.print, "device_scope": options.scope})
    if options.print and result["ok"] and not options.json:
        print(result["result"])
        print(result["message"], file=sys.stderr)
        return OK
    return print_result(options, result)


def devices(options: argparse.Namespace) -> int:
    """List the devices, or revoke one or all. Raises UserError."""
    if options.action == "revoke":
        if bool(options.device) == options.all:
            raise DevicesUsageError("name one device, or --all; list them with: opencode-tray devices")
        return print_result(options, call_tray(options.port, "devices.revoke", {"device": options.device or ""}))
    if options.device or options.all:
        raise DevicesUsageError("only revoke takes a device or --all")
    result = call_tray(options.port, "devices")
    if options.json or not result["ok"] or not result["result"]:
        return print_result(options, result)
    for device in result["result"]:
        print(_line(device))
    return OK


def _line(device: dict[str, Any]) -> str:
    seen = local_time(device["last_seen"])
    when = f"last seen {seen:%Y-%m-%d %H:%M}" if seen is not None else ""
    return f"{device['id']}  {device['scope']:6}  {clean(device['name'])} · {when} from {clean(device['address'])}"
