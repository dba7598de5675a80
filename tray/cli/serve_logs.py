"""`serve logs`: print the end of a server's log, and follow it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path

from tray.actions.serve.errors import ServeError
from tray.cli.exit_codes import OK
from tray.cli.serve_common import server_with_id
from tray.core.text import clean
from tray.files.reading import open_regular, seek_near_end

POLL_INTERVAL = 0.2  # s between two reads of a log that is followed
MAX_READ = 2_000_000  # bytes at the end of a log in which the last lines are looked for


async def logs(options: argparse.Namespace) -> int:
    """Print the last lines; with --follow also new ones, until Ctrl-C. Raises UserError."""
    server = await server_with_id(options.server)
    if not server.log:
        raise ServeError(f"{server.name} was not started by opencode-tray, so its log is unknown")
    path = Path(server.log)
    try:
        with open_regular(path) as stream:
            seek_near_end(stream, MAX_READ)
            *lines, partial = stream.read(MAX_READ).split(b"\n")
            if partial and not options.follow:
                lines.append(partial)
            _print(lines[-options.lines :])
            while options.follow:
                if path.stat().st_size < stream.tell():  # the log was truncated
                    stream.seek(0)
                *lines, partial = (partial + stream.read()).split(b"\n")
                _print(lines)
                await asyncio.sleep(POLL_INTERVAL)
    except BrokenPipeError:  # `| head`
        raise
    except OSError as error:
        raise ServeError(f"cannot read {path}: {error.strerror}") from error
    return OK


def _print(lines: Iterable[bytes]) -> None:
    for line in lines:
        print(clean(line.decode("utf-8", "replace")), flush=True)
