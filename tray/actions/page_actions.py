"""Execute the commands that concern the local page: open it, list and revoke devices."""

from __future__ import annotations

from typing import Protocol, assert_never

from tray.actions.attach.fallback import open_page
from tray.core.commands import (
    CommandResult,
    ListDevices,
    OpenDashboard,
    PageCommand,
    RevokeDevice,
    RevokeDevices,
)
from tray.core.devices import Device, Scope, public_fields
from tray.core.text import counted


class Dashboard(Protocol):
    """The page, as these commands use it."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The paired devices, oldest first."""

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
