"""Who may use the page: one-time codes that pair a browser, and the devices that were paired."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from tray.core.channel_settings import ChannelSettings
from tray.core.deadlines import is_before
from tray.core.devices import Device, PushSubscription, Scope, device_token, push_channel, push_channel_name
from tray.core.errors import UserError
from tray.core.text import shorten
from tray.storage.devices import StoredDevices, read_devices, write_devices
from tray.surfaces.page.logins import Logins, Offer

log = logging.getLogger(__name__)

CODE_LIFETIME = 60_000  # ms
MAX_CODES = 16  # unused codes at a time; a new one replaces the oldest
MAX_DEVICES = 64
MAX_NAME = 60  # columns
SEEN_PRECISION = 60_000  # ms: a device's `last_seen` is not updated more often


class AccessError(UserError):
    """A code or a device is not accepted; the text says why."""


class Access:
    """The codes and devices. Lives on the loop's thread; the file is written in another one.

    `tray_token` returns the tray's token; `now` returns ms since the Unix epoch; `revoked` is called with the IDs of
    devices that have just been revoked; `push_changed` is called when devices take notifications, or no more;
    `on_problem` takes why the file cannot be written, and "" once it is.
    """

    def __init__(self, path: Path, tray_token: Callable[[], str], now: Callable[[], int]) -> None:
        self._path = path
        self._tray_token = tray_token
        self._now = now
        self._codes: dict[str, tuple[Scope, int]] = {}  # code -> scope, time of its end
        self._devices: dict[str, Device] = {}  # by ID, oldest first
        self._logins = Logins()
        self._push_key = ""
        self._is_changed = False
        self._writing = asyncio.Lock()  # an older state never replaces a newer one
        self.revoked: Callable[[frozenset[str]], None] = lambda _: None
        self.push_changed: Callable[[], None] = lambda: None
        self.on_problem: Callable[[str], None] = lambda _: None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The paired devices, oldest first."""
        return tuple(self._devices.values())

    async def load(self) -> str:
        """Read the file; return the problem, or ""."""
        stored, problem = await asyncio.to_thread(read_devices, self._path, self._tray_token())
        self._devices = {device.id: device for device in stored.devices}
        self._push_key = stored.push_key
        return problem

    async def save_if_changed(self) -> None:
        """Write the file if a device was added, revoked or seen. An error is passed to `on_problem`."""
        async with self._writing:
            if not self._is_changed:
                return
            self._is_changed = False
            try:
                stored = StoredDevices(self.devices, self._push_key)
                await asyncio.to_thread(write_devices, self._path, self._tray_token(), stored)
            except OSError as error:
                self._is_changed = True  # try again later: a revoked device must not come back with a restart
                why = f"cannot write {self._path}: {error.strerror}"
                self.on_problem(f"{why}; after a restart, devices will be as they were before")
            else:
                self.on_problem("")

    # ------------------------------------------------------------------ pairing

    def new_code(self, scope: Scope) -> str:
        """Return a code of 128 random bits that pairs one browser within CODE_LIFETIME."""
        self._drop_old_codes()
        while len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(16)
        self._codes[code] = scope, self._now() + CODE_LIFETIME
        return code

    async def pair(self, code: str, name: str, address: str) -> tuple[Device, str]:
        """Return the new device and its token, once for each code. Raises AccessError."""
        self._drop_old_codes()
        known = next((known for known in self._codes if hmac.compare_digest(known.encode(), code.encode())), None)
        if known is None:
            raise AccessError("this code was used or is older than a minute; open the dashboard again")
        scope, _ = self._codes.pop(known)
        return await self.add(scope, name, address)

    async def add(self, scope: Scope, name: str, address: str) -> tuple[Device, str]:
        """Return a new device and its token. Raises AccessError if there are too many."""
        if len(self._devices) >= MAX_DEVICES:
            raise AccessError(f"{MAX_DEVICES} devices are paired; revoke one first: opencode-tray devices")
        shown, at = shorten(name, MAX_NAME) or "Browser", self._now()
        device = Device(secrets.token_hex(6), shown, scope, at, at, address)
        self._devices[device.id] = device
        self._is_changed = True
        await self.save_if_changed()
        log.info("paired the device %s (%s)", device.id, scope.value)
        return device, device_token(self._tray_token(), device.id)

    def _drop_old_codes(self) -> None:
        now = self._now()
        self._codes = {
            code: (scope, end) for code, (scope, end) in self._codes.items() if is_before(end, now, CODE_LIFETIME)
        }

    # ------------------------------------------------------------------ devices

    def offer_login(self, device_id: str, host: str, nonce: str) -> Offer | None:
        """Answer a browser that logs in as a device; None: there is no such device."""
        if device_id not in self._devices:
            return None
        return self._logins.offer(device_id, device_token(self._tray_token(), device_id), host, nonce)

    def device_of(self, login: str, address: str) -> Device | None:
        """Return the device with this login, and note that it was seen."""
        device_id = self._logins.device_of(login)
        found = self._devices.get(device_id) if device_id is not None else None
        if found is None:
            return None
        at = self._now()
        if at - found.last_seen >= SEEN_PRECISION or found.address != address:
            found = self._devices[found.id] = replace(found, last_seen=at, address=address)
            self._is_changed = True
        return found

    async def revoke(self, device_id: str) -> Device:
        """Revoke a device by its ID, or by the start of it. Raises AccessError."""
        found = [device for device in self.devices if device_id and device.id.startswith(device_id)]
        if len(found) != 1:
            count = "no device has" if not found else f"{len(found)} devices have"
            raise AccessError(f"{count} an ID that starts with {device_id!r}; list them with: opencode-tray devices")
        await self._remove(found)
        return found[0]

    async def revoke_all(self) -> int:
        """Revoke all devices and codes; return the number of devices."""
        self._codes.clear()
        devices = list(self.devices)
        await self._remove(devices)
        return len(devices)

    async def _remove(self, devices: list[Device]) -> None:
        for device in devices:
            del self._devices[device.id]
        self._logins.end(device.id for device in devices)
        self.revoked(frozenset(device.id for device in devices))
        if any(device.push is not None for device in devices):
            self.push_changed()
        self._is_changed = True
        await self.save_if_changed()

    # ------------------------------------------------------------------ notifications

    def push_key(self) -> str:
        """Return the private key with which notifications are sent; it is made when it is needed first."""
        from tray.surfaces.channels.web_push import new_key  # noqa: PLC0415  # few users ever need it

        if not self._push_key:
            self._push_key = new_key()
            self._is_changed = True
        return self._push_key

    def push_channels(self, template: ChannelSettings) -> tuple[ChannelSettings, ...]:
        """Return the channel of each device that takes notifications, with the other settings of `template`."""
        takers = [(device, device.push) for device in self.devices if device.push is not None]
        return tuple(push_channel(template, device, push, self.push_key()) for device, push in takers)

    async def subscribe(self, device_id: str, push: PushSubscription | None) -> None:
        """Send notifications to a device from now on, or no more.

        A browser that was paired again has another device, with the same subscription: the older device loses it.
        """
        device = self._devices.get(device_id)
        if device is None or device.push == push:
            return
        for other in self.devices:
            if push is not None and other.push is not None and other.push.endpoint == push.endpoint:
                self._devices[other.id] = replace(other, push=None)
        self._devices[device_id] = replace(device, push=push)
        self._is_changed = True
        self.push_changed()
        await self.save_if_changed()

    async def end_push(self, channel: str) -> None:
        """Send no more notifications to the device of this channel."""
        for device in self.devices:
            if push_channel_name(device) == channel:
                await self.subscribe(device.id, None)
