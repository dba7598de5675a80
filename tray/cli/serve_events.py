"""`serve events`: what happens in a server, as it happens."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from datetime import datetime
from typing import Any

import aiohttp

from tray.actions.serve.listing import FoundServer, named
from tray.actions.serve.prompt import LOCKED
from tray.actions.serve.start import ServeError
from tray.cli.exit_codes import OK
from tray.cli.serve import servers
from tray.core.source_calls import CallError
from tray.core.text import clean, shorten
from tray.opencode.api import Api, LockedError
from tray.opencode.event_stream import subscribe

# What is said many times a second, or for no person: the words of an answer, signs of life, 1.18's copies of events.
NOISE = frozenset(("message.part.delta", "server.heartbeat", "server.connected", "sync"))
PIPED = 400  # columns of a line that goes to no terminal


def events(options: argparse.Namespace) -> int:
    """A line for each event, or with `--json` each as it came, until Ctrl-C or the server's end. Raises Problem."""
    asyncio.run(_events(options))
    return OK


async def _events(options: argparse.Namespace) -> None:
    server = named(await servers(), options.server)
    try:
        async with aiohttp.ClientSession() as http, subscribe(Api(server.address, http)) as happening:
            async for event in happening:
                if options.json:
                    print(json.dumps(event, ensure_ascii=False), flush=True)
                elif event["payload"].get("type") not in NOISE:
                    print(_line(event["payload"], server), flush=True)
    except LockedError:
        raise ServeError(f"{server.name}: {LOCKED}") from None
    except CallError as error:
        raise ServeError(f"{server.name}: {error}") from error


def _line(payload: dict[str, Any], server: FoundServer) -> str:
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED
    told = json.dumps(payload.get("properties"), ensure_ascii=False)
    kind = clean(str(payload.get("type")))
    return shorten(f"{datetime.now().astimezone():%H:%M:%S} {server.name} {kind} {told}", columns)
