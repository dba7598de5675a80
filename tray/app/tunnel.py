"""A quick tunnel from the internet to the page: opened only by a command, and closed after some hours."""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.subprocess import Process
from collections.abc import Callable

from tray.core.errors import UserError
from tray.core.phone_ways import TUNNEL_PROGRAMS, Exposure
from tray.core.text import shorten
from tray.system.bound_process import end_bound, start_bound
from tray.system.local_time import local_time
from tray.system.tasks import TaskSet
from tray.system.tunnel_programs import PROGRAMS, TunnelProgram, command_of, installed_program

log = logging.getLogger(__name__)

OPEN_TIME = 45.0  # s for the program to print the address
MAX_PROBLEM = 300  # columns of what a program says
TITLE = "Tunnel to the page"
STOPPED = "The tunnel was stopped"


class TunnelError(UserError):
    """There is no tunnel; the text says why."""


class Tunnel:
    """At most one tunnel. Lives on the event loop's thread. Nothing of it is stored, so a restart never opens it."""

    def __init__(
        self, now: Callable[[], int], tasks: TaskSet, changed: Callable[[], None], say: Callable[[str, str], None]
    ) -> None:
        """`now` returns ms since the Unix epoch; `changed` is called after each change; `say` shows title and text."""
        self._now = now
        self._tasks = tasks
        self._changed = changed
        self._say = say
        self._process: Process | None = None  # also while it opens the tunnel
        self._opening = asyncio.Lock()
        self.exposure: Exposure | None = None

    async def open(self, name: str, port: int, hours: float) -> Exposure:
        """Open a tunnel to a port on the loopback with this program, "" for any; a tunnel that is open stays.

        Without an error the address is known, but it may take some seconds until the internet knows it. Raises
        TunnelError.
        """
        async with self._opening:
            if self.exposure is not None:
                return self.exposure
            name = name or installed_program()
            if name not in PROGRAMS:
                raise TunnelError(
                    f"No program for a tunnel is installed: {' or '.join(TUNNEL_PROGRAMS)}; see docs/phone.md"
                )
            self._process = process = await start_bound(command_of(name, port))
            try:
                url = await _first_address(process, PROGRAMS[name], name)
            except BaseException as error:
                if isinstance(error, TunnelError) and self._process is not process:
                    raise TunnelError(STOPPED) from None
                await self._end()
                raise
            if self._process is not process:
                raise TunnelError(STOPPED)
            end = self._now() + hours * 3_600_000
            local = local_time(end)
            self.exposure = exposure = Exposure(url, end, f"{local:%H:%M}" if local is not None else "later")
            log.warning("the page is exposed to the internet through %s for %g h", name, hours)
            self._tasks.spawn(self._watch(process, name, time.monotonic() + hours * 3600), "tunnel")
        self._changed()
        return exposure

    async def close(self) -> bool:
        """End the program, also while it opens the tunnel. Return whether there was a tunnel."""
        was_open = self.exposure is not None
        try:
            await self._end()
        finally:
            if was_open:
                self._changed()
        return was_open

    async def close_if_due(self) -> None:
        """Close the tunnel if its time is over by the wall clock, which goes on while the machine sleeps."""
        if self.exposure is not None and self._now() >= self.exposure.end:
            await self._close_at_end()

    async def _close_at_end(self) -> None:
        if await self.close():
            self._say(TITLE, "Its time is over: the page is not exposed to the internet any more")

    async def _end(self) -> None:
        process, self._process, self.exposure = self._process, None, None
        if process is not None:
            await end_bound(process)
            log.info("the tunnel to the page has ended")

    async def _watch(self, process: Process, name: str, end: float) -> None:
        """Read until the program ends, or until `end` by the monotonic clock."""
        problem = ""
        try:
            async with asyncio.timeout(end - time.monotonic()):
                while line := await _line(process):
                    problem = PROGRAMS[name].problem(line).strip() or problem
        except TimeoutError:
            await self._close_at_end()
            return
        if self._process is process:
            await self.close()
            reason = f": {shorten(problem, MAX_PROBLEM)}" if problem else ""
            self._say(TITLE, f"{name} has ended{reason}. The page is not exposed to the internet any more")


async def _first_address(process: Process, program: TunnelProgram, name: str) -> str:
    """Return the address that the program prints. Raises TunnelError."""
    problem = ""
    try:
        async with asyncio.timeout(OPEN_TIME):
            while line := await _line(process):
                if address := program.address(line):
                    return address
                problem = program.problem(line).strip() or problem
    except TimeoutError:
        problem = problem or f"it printed no address within {OPEN_TIME:g} s"
    raise TunnelError(f"{name} opened no tunnel: {shorten(problem or 'it ended', MAX_PROBLEM)}")


async def _line(process: Process) -> str:
    """Return the next line with its line break; "" at the end. A line that is too long is left out."""
    if process.stdout is None:
        return ""
    try:
        return (await process.stdout.readline()).decode("utf-8", "replace")
    except ValueError:
        return "\n"
