"""Run many prompts at the same time, on one server or on several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from itertools import cycle

import aiohttp
import msgspec

from tray.actions.serve.errors import ServeError
from tray.actions.serve.listing import FoundServer
from tray.actions.serve.prompt import PromptError, send
from tray.actions.serve.turn import Turn, TurnCallbacks
from tray.opencode.api import Api
from tray.system.tasks import run_all


class Job(msgspec.Struct, frozen=True):
    """A prompt for a server."""

    server: FoundServer
    prompt: str


def parse_jobs(lines: Iterable[str], servers: Collection[FoundServer]) -> list[Job]:
    """Return a job for each line, except empty lines and those that begin with "#". Raises ServeError.

    A line "4097: PROMPT" names its server. The other prompts go to the healthy servers that the tray started, in turn.
    """
    running_last = sorted(servers, key=lambda server: server.is_running)
    by_name = {server.name: server for server in running_last}  # of two with the same name, the running one counts
    in_turn = cycle([server for server in servers if server.takes_prompts])
    jobs = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, prompt = text.partition(":")
        if colon and name.isdigit():
            if name not in by_name:
                known = ", ".join(by_name) or "none"
                raise ServeError(f"line {number}: unknown server {name!r}; known servers: {known}")
            server, text = by_name[name], prompt.strip()
        else:
            free = next(in_turn, None)
            if free is None:
                raise ServeError(f"line {number}: no server is running; start one with: opencode-tray serve start")
            server = free
        if not text:
            raise ServeError(f"line {number}: the prompt is empty")
        jobs.append(Job(server, text))
    if not jobs:
        raise ServeError("the file contains no prompt")
    return jobs


async def run_jobs(
    jobs: Collection[Job], parallel: int, done: Callable[[Job, Turn], None], notice: Callable[[Job, str], None]
) -> list[tuple[Job, Turn]]:
    """Run the jobs, at most `parallel` at the same time. If cancelled, stop the turns that have begun.

    `done` is called after each job, `notice` when the user has to act.
    """
    slots = asyncio.Semaphore(parallel)

    async def run_job(job: Job, http: aiohttp.ClientSession) -> tuple[Job, Turn]:
        async with slots:
            try:
                if not job.server.is_running:
                    raise PromptError("the server has ended")
                callbacks = TurnCallbacks(notice=lambda text: notice(job, text))
                turn = await send(Api(job.server.address, http), job.prompt, callbacks)
            except PromptError as error:
                turn = Turn(error=str(error))
            done(job, turn)
            return job, turn

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        return await run_all(run_job(job, http) for job in jobs)
