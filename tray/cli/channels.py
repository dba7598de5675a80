"""`channels` lists the channels of the settings, tests one, or pairs one."""

from __future__ import annotations

import argparse
from typing import Any

from tray.cli.client import call_tray
from tray.cli.exit_codes import OK
from tray.cli.results import print_result
from tray.core.errors import UserError
from tray.core.text import clean
from tray.system.local_time import local_time


class ChannelsUsageError(UserError):
    """`test` and `pair` need the name of a channel."""

    is_usage = True


def channels(options: argparse.Namespace) -> int:
    """List, test or pair. Raises UserError."""
    if (options.action == "list") != (options.channel is None):
        raise ChannelsUsageError("test and pair need the name of a channel; list them with: opencode-tray channels")
    if options.action != "list":
        done = call_tray(options.port, f"channels.{options.action}", {"channel": options.channel})
        return print_result(options, done)
    result = call_tray(options.port, "channels")
    if options.json or not result["ok"]:
        return print_result(options, result)
    for state in result["result"]:
        print(_line(state))
    if not result["result"]:
        print("No channel is set up: add [[channels]] to the settings (docs/channels.md)")
    return OK


def _line(state: dict[str, Any]) -> str:
    last = local_time(state["last_at"]) if state["last_at"] else None
    when = f", last {last:%H:%M}" if last is not None else ""
    about = f"⚠ {clean(state['problem'])}" if state["problem"] else f"{state['sent']} sent{when}"
    return f"{state['name']:<16}  {state['kind']:<10}  {about}"
