"""Devices: browsers that may use the local page, each with its own token and scope."""

from __future__ import annotations

import hmac
from enum import Enum
from typing import Any

import msgspec

from tray.core.channel_settings import ChannelSettings


class Scope(Enum):
    """What a device may do. Each scope includes those before it."""

    WATCH = "watch"  # see sessions and requests
    ANSWER = "answer"  # answer requests, but not with "always"
    ACT = "act"  # everything: "always", prompts, stop, delete, devices

    def allows(self, needed: Scope) -> bool:
        """Whether a device with this scope may do what needs the other one."""
        return _RANK[self] >= _RANK[needed]


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


class PushSubscription(msgspec.Struct, frozen=True):
    """Where a browser takes notifications: a `PushSubscription` of the Push API (https://www.w3.org/TR/push-api/)."""

    endpoint: str  # an address of its push service; who knows it can call it
    key: str  # `p256dh`, base64url
    secret: str  # `auth`, base64url


class Device(msgspec.Struct, frozen=True):
    """One paired browser. Times are in ms since the Unix epoch."""

    id: str
    name: str
    scope: Scope
    created: int
    last_seen: int
    address: str = ""  # from which it was last seen
    push: PushSubscription | None = None  # None: it has not turned notifications on


def device_token(tray_token: str, device_id: str) -> str:
    """Return the token of a device, in hex: it follows from the tray's token, so that it is stored nowhere."""
    message = f"opencode-tray device {device_id}"
    return hmac.new(tray_token.encode("utf-8", "replace"), message.encode(), "sha256").hexdigest()


def public_fields(device: Device) -> dict[str, Any]:
    """Return what the user may see of a device, as plain JSON values."""
    return {
        "id": device.id,
        "name": device.name,
        "scope": device.scope.value,
        "created": device.created,
        "last_seen": device.last_seen,
        "address": device.address,
        "has_push": device.push is not None,
    }


def push_channel_name(device: Device) -> str:
    """Return the name of the channel that brings notifications to a device."""
    return f"{device.name} ({device.id[:6]})"


def push_channel(template: ChannelSettings, device: Device, push: PushSubscription, sender_key: str) -> ChannelSettings:
    """Return the channel that brings notifications to a device, with the other settings of `template`."""
    options = (
        ("browser_key", push.key),
        ("browser_secret", push.secret),
        ("endpoint", push.endpoint),
        ("may_answer", device.scope.allows(Scope.ANSWER)),
        ("sender_key", sender_key),
    )
    return template._replace(name=push_channel_name(device), options=options)
