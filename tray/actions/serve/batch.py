"""Many prompts at once, to one server or to several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from itertools import cycle

import aiohttp
import msgspec

from tray.actions.serve.listing import FoundServer
from tray.actions.serve.prompt import PromptError, Turn, TurnCallbacks, send
from tray.actions.serve.start import ServeError
from tray.opencode.api import Api
from tray.system.tasks import run_all


class Job(msgspec.Struct, frozen=True):
    """One prompt for one server."""

    server: FoundServer
    prompt: str


def parse(lines: Iterable[str], servers: Collection[FoundServer]) -> list[Job]:
    """A job for each line that is neither empty nor begins with "#". Raises ServeError.

    "4097: PROMPT" goes to that server; what names none goes to those that were started here, in turn.
    """
    by_name = {server.name: server for server in sorted(servers, key=lambda server: server.runs)}  # who runs, wins
    turns = cycle([server for server in servers if server.takes_prompts])
    jobs = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, rest = text.partition(":")
        if colon and name.isdigit():
            if name not in by_name:
                raise ServeError(f"line {number}: there is no server {name}; there are: {', '.join(by_name) or 'none'}")
            server, text = by_name[name], rest.strip()
        else:
            following = next(turns, None)
            if following is None:
                raise ServeError(f"line {number}: no server is running; start one with: opencode-tray serve start")
            server = following
        if not text:
            raise ServeError(f"line {number}: there is no prompt")
        jobs.append(Job(server, text))
    if not jobs:
        raise ServeError("the file contains no prompt")
    return jobs


async def run_jobs(
    jobs: Collection[Job], at_once: int, done: Callable[[Job, Turn], None], notice: Callable[[Job, str], None]
) -> list[tuple[Job, Turn]]:
    """Run them, so many at once; when cancelled, every turn that was begun is stopped first."""
    room = asyncio.Semaphore(at_once)

    async def one(job: Job, http: aiohttp.ClientSession) -> tuple[Job, Turn]:
        async with room:
            try:
                if not job.server.runs:
                    raise PromptError("it has ended: its port may be another's by now")
                sink = TurnCallbacks(notice=lambda text: notice(job, text))
                turn = await send(Api(job.server.address, http), job.prompt, sink)
            except PromptError as error:
                turn = Turn(error=str(error))
            done(job, turn)
            return job, turn

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        return await run_all(one(job, http) for job in jobs)
