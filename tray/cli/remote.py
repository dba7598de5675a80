"""`remote` adds, lists, checks and removes machines that report through a tunnel."""

from __future__ import annotations

import argparse
from typing import Any

from tray.cli.client import call_tray
from tray.cli.exit_codes import OK
from tray.cli.results import print_result
from tray.core.text import clean
from tray.system.local_time import local_time


def remote(options: argparse.Namespace) -> int:
    """Execute a subcommand. Raises UserError."""
    if options.subcommand != "list":
        params = {"remote": options.destination}
        return print_result(options, call_tray(options.port, f"remotes.{options.subcommand}", params))
    result = call_tray(options.port, "remotes")
    if options.json or not result["ok"]:
        return print_result(options, result)
    for state in result["result"]:
        print(_line(state))
    if not result["result"]:
        print("No machine has been added: opencode-tray remote add USER@HOST")
    return OK


def _line(state: dict[str, Any]) -> str:
    at = local_time(state["since"])
    since = f" since {at:%H:%M}" if at is not None else ""
    tunnel = f"connected{since}, sessions: {state['sessions']}" if state["is_connected"] else f"no tunnel{since}"
    problem = f": {clean(state['problem'])}" if state["problem"] and not state["is_connected"] else ""
    return f"{clean(state['ssh']):<24}  {clean(state['host']):<16}  {tunnel}{problem}"
