"""Execute the commands that concern the local page: open it, list and revoke devices."""

from __future__ import annotations

from typing import Protocol, assert_never

from tray.actions.attach.fallback import open_page
from tray.core.commands import (
    CommandResult,
    DecidePairing,
    ListDevices,
    ListPairings,
    OpenDashboard,
    PageCommand,
    PairPhone,
    RevokeDevice,
    RevokeDevices,
)
from tray.core.devices import Device, Scope, public_fields
from tray.core.pairing import CODE_LIFETIME, PendingPairing
from tray.core.text import counted


class Dashboard(Protocol):
    """The page, as these commands use it."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The paired devices, oldest first."""

    @property
    def pairings(self) -> tuple[PendingPairing, ...]:
        """The phones that wait for the user's decision."""

    def phone_address(self) -> str:
        """Return the address with a code that begins the pairing of one phone. Raises UserError."""

    def decide(self, pairing_id: str, scope: Scope | None) -> PendingPairing:
        """Allow a phone a scope, or refuse it with None. Raises UserError."""

    def new_address(self, scope: Scope) -> str:
        """Return the page's address with a code that pairs one browser. Raises UserError if there is no page."""

    async def revoke(self, device_id: str) -> Device:
        """Revoke a device by its ID, or by the start of it. Raises UserError."""

    async def revoke_all(self) -> int:
        """Revoke all devices; return their number."""


class PageActions:
    """Executes page commands on the event loop's thread."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    async def execute(self, command: PageCommand) -> CommandResult:
        """Execute a command and return its result. Raises UserError."""
        match command:
            case OpenDashboard(in_browser, scope):
                return await self._open(scope, in_browser=in_browser)
            case ListDevices():
                devices = self._dashboard.devices
                message = counted(len(devices), "device is paired", "devices are paired")
                return CommandResult(message, result=[public_fields(device) for device in devices])
            case PairPhone():
                address = self._dashboard.phone_address()
                text = f"Scan the code with the phone within {CODE_LIFETIME // 60_000} minutes"
                return CommandResult(text, result=address)
            case ListPairings():
                found = [pairing._asdict() for pairing in self._dashboard.pairings]
                return CommandResult(counted(len(found), "phone waits", "phones wait"), result=found)
            case DecidePairing(pairing_id, scope):
                name = self._dashboard.decide(pairing_id, scope).name
                return CommandResult(f"Refused {name}" if scope is None else f"Paired {name}: it may {scope.value}")
            case RevokeDevice(device_id):
                device = await self._dashboard.revoke(device_id)
                return CommandResult(f"Revoked {device.name} ({device.id})")
            case RevokeDevices():
                count = await self._dashboard.revoke_all()
                return CommandResult(f"Revoked {counted(count, 'device', 'devices')}")
            case _:
                assert_never(command)

    async def _open(self, scope: Scope, *, in_browser: bool) -> CommandResult:
        address = self._dashboard.new_address(scope)
        if not in_browser:
            return CommandResult("This address works once, within a minute", result=address)
        if await open_page(address):
            return CommandResult("Opened the dashboard in the browser")
        return CommandResult("No browser could be opened; to get the address: opencode-tray open --print", ok=False)
