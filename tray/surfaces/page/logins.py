"""Logins of paired browsers: both sides prove that they have the token of the device, which is not sent.

The browser's proof is then the key of its calls. It ends with this process, so it is worth nothing to a program that
takes the page's port while the tray does not run.
"""

from __future__ import annotations

import secrets
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from tray.core.handshake import Side, proof, same

MAX_OFFERED, MAX_USED = 16, 32  # logins of one device; a new one replaces the oldest


class Offer(NamedTuple):
    """What the tray answers to a browser that logs in."""

    nonce: str  # 128 random bits, in hex
    proof: str  # that this is the tray


class Logins:
    """The logins of all devices. Lives on the event loop's thread."""

    def __init__(self) -> None:
        self._offered: dict[str, deque[str]] = defaultdict(partial(deque, maxlen=MAX_OFFERED))  # by the device's ID
        self._used: dict[str, deque[str]] = defaultdict(partial(deque, maxlen=MAX_USED))

    def offer(self, device_id: str, token: str, host: str, browser_nonce: str) -> Offer:
        """Prove the token of a device to a browser; `host` is the `Host` of its request, as in its address.

        The browser that has the token computes the same login as `offer` expects.
        """
        nonce = secrets.token_hex(16)
        self._offered[device_id].append(proof(Side.BROWSER, token, host, browser_nonce, nonce))
        return Offer(nonce, proof(Side.PAGE, token, host, browser_nonce, nonce))

    def device_of(self, login: str) -> str | None:
        """Return the ID of the device with this login."""
        device_id = _find(self._used, login)
        if device_id is None and (device_id := _find(self._offered, login)) is not None:
            self._offered[device_id].remove(login)
            self._used[device_id].append(login)
        return device_id

    def end(self, device_ids: Iterable[str]) -> None:
        """End all logins of these devices."""
        for device_id in device_ids:
            self._offered.pop(device_id, None)
            self._used.pop(device_id, None)


def _find(logins: Mapping[str, deque[str]], login: str) -> str | None:
    return next((device_id for device_id, known in logins.items() if any(same(each, login) for each in known)), None)
