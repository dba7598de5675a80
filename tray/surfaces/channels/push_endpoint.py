"""Which addresses of push services are called: a paired browser names one, and must not make the tray call others."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from tray.core.errors import UserError

MAX_ENDPOINT = 1000  # characters
KNOWN = (  # hosts, and the ends of hosts, of the push services of Chrome, Firefox, Safari and Edge
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)


class EndpointError(UserError):
    """The address is none that the tray calls."""


async def check_endpoint(endpoint: str) -> None:
    """Raise EndpointError unless it is an https address with a known host, or one with only public IP addresses.

    A host could change its address after this check. A service inside the network would still not be called: its
    certificate is not one for that host.
    """
    try:
        address = urlsplit(endpoint)
    except ValueError:
        address = urlsplit("")
    host = address.hostname or ""
    if len(endpoint) > MAX_ENDPOINT or address.scheme != "https" or address.username or not _is_name(host):
        raise EndpointError("the address of the browser's push service is not valid")
    if host in KNOWN or host.endswith(tuple(known for known in KNOWN if known.startswith("."))):
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is too long
        raise EndpointError(f"the browser's push service {host} is not known") from error
    if not all(ip_address(entry[4][0]).is_global for entry in found):
        raise EndpointError(f"the browser's push service {host} is not on the Internet")


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host and host.isascii()
    return False
