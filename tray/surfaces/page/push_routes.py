"""HTTP routes for the notifications of a paired browser: turn them on and off, test them, and press their buttons."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aiohttp import web

from tray.core.commands import Command, PressButton, SendTestMessage
from tray.core.devices import Device, PushSubscription, push_channel_name
from tray.surfaces.channels.push_endpoint import check_endpoint
from tray.surfaces.page.access import Access
from tray.surfaces.page.services import Execute, executed


class SubscriptionKeys(msgspec.Struct):
    """The keys of a browser."""

    p256dh: str
    auth: str


class SubscriptionBody(msgspec.Struct):
    """What `PushSubscription.toJSON()` returns in the browser."""

    endpoint: str
    keys: SubscriptionKeys


class PressBody(msgspec.Struct, forbid_unknown_fields=True):
    """A press of a button."""

    code: str


class PushRoutes:
    """Answers the calls of paired devices. Failed commands raise HTTPConflict with their reason."""

    def __init__(self, access: Access, execute: Execute) -> None:
        self._access = access
        self._execute = execute

    async def key(self) -> dict[str, Any]:
        """Return the public key with which notifications are sent."""
        from tray.surfaces.channels import web_push  # noqa: PLC0415  # few users ever need it

        key = web_push.public_key(self._access.push_key())
        await self._access.save_if_changed()
        return {"key": key}

    async def subscribe(self, body: SubscriptionBody, device: Device) -> dict[str, Any]:
        """Send notifications to a browser. Raises EndpointError, HTTPBadRequest."""
        from tray.surfaces.channels import web_push  # noqa: PLC0415

        await check_endpoint(body.endpoint)
        try:
            web_push.encrypted(b"", body.keys.p256dh, body.keys.auth, web_push.new_sender(), os.urandom(16))
        except ValueError as error:
            raise web.HTTPBadRequest(text="the keys of the browser are not valid") from error
        await self._access.subscribe(device.id, PushSubscription(body.endpoint, body.keys.p256dh, body.keys.auth))
        return {}

    async def unsubscribe(self, device: Device) -> dict[str, Any]:
        """Send no more notifications to a browser."""
        await self._access.subscribe(device.id, None)
        return {}

    async def test(self, device: Device) -> dict[str, Any]:
        """Send a notification that says that it is a test."""
        return await self._do(SendTestMessage(push_channel_name(device)))

    async def press(self, body: PressBody, device: Device) -> dict[str, Any]:
        """Give the answer of a button."""
        origin = f"{device.name} ({device.id}) at {device.address}"
        return await self._do(PressButton(push_channel_name(device), body.code, origin))

    async def _do(self, command: Command) -> dict[str, Any]:
        return {"message": (await executed(self._execute, command)).message}
