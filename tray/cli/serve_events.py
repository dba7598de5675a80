"""`serve events`: print the events of a server as they happen."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from datetime import datetime
from typing import Any

import aiohttp

from tray.actions.serve.errors import ServeError
from tray.actions.serve.prompt import LOCKED
from tray.cli.exit_codes import OK
from tray.cli.serve_common import server_with_id
from tray.core.source_calls import CallError
from tray.core.text import clean, shorten
from tray.opencode.api import Api, LockedError
from tray.opencode.event_stream import subscribe

# Events that are not printed as text: streamed words, heartbeats, and the copies of events that OpenCode 1.18 sends.
NOISE = frozenset(("message.part.delta", "server.heartbeat", "server.connected", "sync"))
PIPED_WIDTH = 400  # columns of a line if stdout is not a terminal


async def events(options: argparse.Namespace) -> int:
    """Print a line for each event, or with --json the event itself, until Ctrl-C. Raises UserError if it ends."""
    server = await server_with_id(options.server)
    try:
        async with aiohttp.ClientSession() as http, subscribe(Api(server.address, http)) as stream:
            async for event in stream:
                if options.json:
                    print(json.dumps(event, ensure_ascii=False), flush=True)
                elif event["payload"].get("type") not in NOISE:
                    print(_line(event["payload"], server.name), flush=True)
    except LockedError:
        raise ServeError(f"{server.name}: {LOCKED}") from None
    except CallError as error:
        raise ServeError(f"{server.name}: {error}") from error
    return OK


def _line(payload: dict[str, Any], server_id: str) -> str:
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH
    properties = json.dumps(payload.get("properties"), ensure_ascii=False)
    event_type = clean(str(payload.get("type")))
    return shorten(f"{datetime.now().astimezone():%H:%M:%S} {server_id} {event_type} {properties}", columns)
