"""The local page of the running tray: its devices, its server, and their start and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from tray.app.lan_page import LanPage
from tray.app.outside_ways import OutsideWays
from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.channel_settings import ChannelSettings
from tray.core.devices import Device, Scope
from tray.core.errors import UserError
from tray.core.pairing import PendingPairing
from tray.core.phone_ways import NOTES, PhoneAddress, Way
from tray.core.settings import PAGE, PAGE_HTTPS, PAGE_LAN, PAGE_PORT
from tray.core.source_calls import SourceCall
from tray.surfaces.page.access import Access
from tray.surfaces.page.pairings import Pairings
from tray.surfaces.page.server import HOST, PageServer
from tray.surfaces.page.services import Execute, PageServices, Write
from tray.system.paths import Paths
from tray.system.ports import port_owner

log = logging.getLogger(__name__)

TOPIC, DEVICES_TOPIC = "page", "devices"
OTHER_WAYS = "use opencode-tray phone --tailscale or --tunnel"


class NoPageError(UserError):
    """The page is not served; the text says why."""


class PageChanged(NamedTuple):
    """Functions that are called after a change."""

    pairing: Callable[[PendingPairing | None], None]  # with a new pairing, or None after a decision
    push: Callable[[], None]  # browsers take notifications, or no more


class Page:
    """Serves the page if the settings say so. A port that is in use is a problem that the menu shows, not an error."""

    def __init__(
        self,
        paths: Paths,
        state: AppState,
        token: Callable[[], str],
        problems: Problems,
        call: SourceCall,
        write: Write,
        changed: PageChanged,
        ways: OutsideWays,
    ) -> None:
        """`call` belongs to the sources; `write` stores records in the history."""
        self._paths = paths
        self._state = state
        self._problems = problems
        self._call = call
        self._write = write
        self._access = Access(paths.devices, token, state.now)
        self._access.push_changed = changed.push
        self._access.on_problem = partial(problems.set, DEVICES_TOPIC)
        self._pairings = Pairings(state.now, changed.pairing)
        self._server: PageServer | None = None
        self._lan = LanPage(paths.certificates)
        self._ways = ways
        self._ways.page_port = lambda: self._server.port if self._server is not None else 0
        self._why_not = "the page is turned off (setting page.enabled)"
        self._why_no_phone = f"no phone can reach the page: {OTHER_WAYS}, or set page.lan to true and restart the tray"

    async def start(self, execute: Execute) -> str:
        """Serve the page and return its address, or "". `execute` executes the commands that are given there."""
        settings, port = self._state.settings(), self._state.settings()[PAGE_PORT]
        if problem := await self._access.load():  # also without the page: devices can be listed and revoked
            self._problems.report(DEVICES_TOPIC, problem)
        if not settings[PAGE]:
            return ""
        state = self._state
        services = PageServices(
            state.now,
            self._warnings,
            execute,
            self._call,
            self._paths.audit,
            self._paths.history,
            self._write,
            self._ways.exposed,
            self._ways.hosts,
        )
        server = PageServer(state.fleet, state.index, self._access, services, self._pairings)
        try:
            await server.start(port)
        except OSError as error:
            owner = await asyncio.to_thread(port_owner, port)
            reason = f"{owner} has it" if owner is not None else error.strerror or error
            self._why_not = f"no page: port {port} cannot be used ({reason}); set page.port"
            self._problems.report(TOPIC, self._why_not)
            return ""
        self._server = server
        log.info("the page is at %s", self.address)
        if settings[PAGE_LAN] and (reason := await self._lan.start(server, is_encrypted=settings[PAGE_HTTPS])):
            self._why_no_phone = (
                f"no phone can reach the page: {reason}; {OTHER_WAYS}, or restart the tray to try again"
            )
            self._problems.report(TOPIC, self._why_no_phone)
        return self.address

    def _warnings(self) -> tuple[str, ...]:
        exposure = self._ways.exposure
        return (exposure.sentence, *self._problems.texts) if exposure is not None else self._problems.texts

    async def stop(self) -> None:
        """Close all connections, within 2 s, and save when devices were last seen."""
        if self._server is not None:
            await asyncio.gather(self._server.stop(), self._lan.stop())
            await self.save()

    async def save(self) -> None:
        """Save the devices if they have changed, and renew the certificate if it is about to expire."""
        await self._access.save_if_changed()
        await self._lan.renew_if_due()

    # ------------------------------------------------------------------ changes in

    def update(self, session_ids: Iterable[str]) -> None:
        """Show that the rows of these root sessions may have changed."""
        if self._server is not None:
            self._server.live.changed(session_ids)

    def ways_changed(self) -> None:
        """Take note that a tunnel or Tailscale was opened or closed."""
        if self._server is not None:
            self._server.ways_changed()

    def refresh(self) -> None:
        """Show that time has passed."""
        if self._server is not None:
            self._server.live.time_passed()

    # ------------------------------------------------------------------ used by the commands

    @property
    def address(self) -> str:
        """The page's address; "" if it is not served."""
        return f"http://{HOST}:{self._server.port}/" if self._server is not None else ""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The paired devices, oldest first."""
        return self._access.devices

    def new_address(self, scope: Scope) -> str:
        """Return the address with a code that pairs one browser with this scope. Raises NoPageError.

        The code is in the fragment, which browsers do not send.
        """
        if self._server is None:
            raise NoPageError(self._why_not)
        return f"{self.address}#c={self._access.new_code(scope)}"

    @property
    def pairings(self) -> tuple[PendingPairing, ...]:
        """The phones that wait for the user's decision."""
        return self._pairings.pending

    def phone_address(self, way: Way | None) -> PhoneAddress:
        """Return the address with a code that begins the pairing of one phone; None chooses the best way that is open.

        Raises NoPageError.
        """
        if self._server is None:
            raise NoPageError(self._why_not)
        tailnet, exposure = self._ways.tailnet_host, self._ways.exposure
        open_ways = {
            Way.TAILSCALE: f"https://{tailnet}" if tailnet else "",
            Way.TUNNEL: exposure.url if exposure is not None else "",
            self._lan.way: self._lan.url,
        }
        chosen = next((each for each in Way if open_ways.get(each) and way in (None, each)), None)
        if chosen is None:
            raise NoPageError(self._why_no_phone if way is None else f"this way is not open: {way.value}")
        note = self._lan.note if chosen is self._lan.way else NOTES[chosen]
        code = self._pairings.new_code()
        return PhoneAddress(f"{open_ways[chosen]}/#c={code}", chosen, note, self._pairings.typed_code)

    def decide(self, pairing_id: str, scope: Scope | None) -> PendingPairing:
        """Allow a phone a scope, or refuse it with None. Raises UserError."""
        return self._pairings.decide(pairing_id, scope)

    def push_channels(self, template: ChannelSettings) -> tuple[ChannelSettings, ...]:
        """Return the channel of each browser that takes notifications, with the other settings of `template`."""
        return self._access.push_channels(template) if self._server is not None else ()

    async def end_push(self, channel: str) -> None:
        """Send no more notifications to the browser of a channel."""
        await self._access.end_push(channel)

    async def revoke(self, device_id: str) -> Device:
        """Revoke a device. Raises UserError."""
        return await self._access.revoke(device_id)

    async def revoke_all(self) -> int:
        """Revoke all devices; return their number."""
        return await self._access.revoke_all()
