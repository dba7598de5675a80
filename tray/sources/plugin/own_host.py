"""Check the `Host` header of requests to the listener. A foreign one is a sign of DNS rebinding or of forwarding."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from tray.core.loopback import is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]+(?:%\w+)?\]|[\w-]+(?:\.[\w-]+)*\.?)(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_host(header: str, configured: str, bound: Collection[str], machine: str) -> bool:
    """Whether the `Host` header names the listener, which is configured with a host and bound to these addresses.

    Loopback addresses, `localhost` and the configured host are always accepted. The bound addresses and the name of the
    `machine` are accepted only if the listener is bound to more than loopback addresses: otherwise another program
    forwards to loopback, as a VPN in user space does. Names are not resolved (DNS rebinding).
    """
    found = _HOST.fullmatch(header)
    if found is None:
        return False
    host = found[1].lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if is_loopback(host) or host == configured.lower():
        return True
    if all(map(is_loopback, bound)):
        return False
    return host == machine.lower() or _is_bound(host, bound)


def _is_bound(host: str, bound: Collection[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(own.is_unspecified or own == address for own in map(ipaddress.ip_address, bound))
