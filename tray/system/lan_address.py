"""The address of this machine on the local network."""

from __future__ import annotations

import ipaddress
import socket

_ROUTED = ("192.0.2.1", "198.51.100.1")  # addresses for documentation (RFC 5737): nothing is sent


def lan_address() -> str:
    """Return the address that this machine uses towards other networks, if it is private; "" without one."""
    for target in _ROUTED:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))  # chooses the address; UDP sends nothing
                found = str(probe.getsockname()[0])
            except OSError:
                continue
            address = ipaddress.ip_address(found)
            if address.is_private and not address.is_loopback:
                return found
    return ""
