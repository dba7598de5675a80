"""Which `Host` a request to the listener may have: what else asks was led here by a name or a way that is not ours."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from tray.core.loopback import is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]+(?:%\w+)?\]|[\w-]+(?:\.[\w-]+)*\.?)(?::\d{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_host(header: str, asked: str, bound: Collection[str], machine: str) -> bool:
    """Whether the `Host` header names a listener that was asked to listen on `asked` and is bound to these addresses.

    Who listens on loopback alone is reached by loopback's own addresses and `localhost`, and by the name that was asked
    for. The machine's other addresses and its name then mean that somebody forwards to loopback, as a VPN in user space
    does.
    Elsewhere its addresses and the `machine`'s name are its own as well. No name is resolved (DNS rebinding).
    """
    found = _HOST.fullmatch(header)
    if found is None:
        return False
    host = found[1].lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if is_loopback(host) or host == asked.lower():
        return True
    if all(map(is_loopback, bound)):
        return False
    return host == machine.lower() or _is_among(host, bound)


def _is_among(host: str, bound: Collection[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(own.is_unspecified or own == address for own in map(ipaddress.ip_address, bound))
