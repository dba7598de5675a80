"""The ways in which a phone reaches the page from outside: a quick tunnel, and Tailscale. Both end with the tray."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tray.app.problems import Problems
from tray.app.state import AppState
from tray.app.tailnet import Tailnet
from tray.app.tunnel import Tunnel
from tray.core.errors import UserError
from tray.core.phone_ways import Exposure, PhoneWays, Way
from tray.core.settings import TUNNEL_HOURS
from tray.system import tailscale
from tray.system.programs import shell_join
from tray.system.tasks import TaskSet
from tray.system.tunnel_programs import command_of, installed_program

log = logging.getLogger(__name__)

TOPIC = "tailnet"
STOP_TIME = 2.0  # s that Tailscale gets at the end; what it does not do, the next start does
RETRY_INTERVAL = 60.0  # s


class OutsideWays:
    """Lives on the event loop's thread. Each way leads to the port of the page, and to no other one."""

    def __init__(
        self,
        tailnet_entry: Path,
        state: AppState,
        problems: Problems,
        tasks: TaskSet,
        changed: Callable[[], None],
        say: Callable[[str, str], None],
    ) -> None:
        """`changed` is called after each change; `say` shows title and text."""
        self._state = state
        self._problems = problems
        self._tunnel = Tunnel(state.now, tasks, changed, say)
        self._tailnet = Tailnet(tailnet_entry, changed)
        self.page_port: Callable[[], int] = int  # returns the port of the page; 0: it is not served

    async def undo_previous(self) -> None:
        """Undo what a tray that was killed has left behind. Tailscale may start later than the tray."""
        while problem := await self._tailnet.undo_previous():
            self._problems.report(TOPIC, problem)
            await asyncio.sleep(RETRY_INTERVAL)
        self._problems.clear(TOPIC)

    async def stop(self) -> None:
        """End all ways."""
        await asyncio.gather(self._tunnel.close(), self._leave_tailnet())

    async def _leave_tailnet(self) -> None:
        try:
            async with asyncio.timeout(STOP_TIME):
                await self._tailnet.close()
        except (UserError, OSError, TimeoutError) as error:
            log.warning("the page may still be in the tailnet: %s", error)

    @property
    def exposure(self) -> Exposure | None:
        """The tunnel that is open."""
        return self._tunnel.exposure

    @property
    def tailnet_host(self) -> str:
        """The name under which the tailnet reaches the page; "" if it does not."""
        return self._tailnet.host

    def hosts(self) -> frozenset[str]:
        """Return the names under which requests may come to the page, over HTTPS."""
        names = (self.exposure.host if self.exposure is not None else "", self.tailnet_host)
        return frozenset(name for name in names if name)

    def exposed(self) -> str:
        """Return how long the internet can reach the page; "" if it cannot."""
        return self.exposure.text if self.exposure is not None else ""

    def overview(self, *, with_commands: bool) -> PhoneWays:
        """Return what the menu shows. `with_commands`: also what can be run, for which programs are looked up."""
        port, hours, is_on = self.page_port(), self._state.settings()[TUNNEL_HOURS], bool(self.tailnet_host)
        if not with_commands:
            return PhoneWays(self.exposure, "", hours, "", is_on)
        name = installed_program()
        tunnel = shell_join(command_of(name, port)) if name else ""
        command = tailscale.off_command() if is_on else tailscale.serve_command(port)
        return PhoneWays(self.exposure, tunnel, hours, shell_join(command) if tailscale.program() else "", is_on)

    async def close_if_due(self) -> None:
        """Close the tunnel if its time is over."""
        await self._tunnel.close_if_due()

    # ------------------------------------------------------------------ used by the commands

    async def open_tunnel(self, program: str) -> Exposure:
        """Expose the page to the internet with this program, "" for any. Raises UserError."""
        return await self._tunnel.open(program, self._port(), self._state.settings()[TUNNEL_HOURS])

    async def open_tailnet(self) -> str:
        """Serve the page to the tailnet; return the command that was run. Raises UserError."""
        port = self._port()
        await self._tailnet.open(port)
        return shell_join(tailscale.serve_command(port))

    async def close(self, way: Way | None) -> list[str]:
        """End this way, None for all; return what was ended, in words. Raises UserError."""
        ended = ["the tunnel"] if way in (None, Way.TUNNEL) and await self._tunnel.close() else []
        try:
            is_closed = way in (None, Way.TAILSCALE) and await self._tailnet.close()
        except OSError as error:
            raise UserError(f"cannot remove the record of the tailnet: {error.strerror}") from error
        return [*ended, f"the page in the tailnet ({shell_join(tailscale.off_command())})"] if is_closed else ended

    def _port(self) -> int:
        if port := self.page_port():
            return port
        raise UserError("the page is not served; see the settings page.enabled and page.port")
