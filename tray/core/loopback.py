"""Loopback addresses: reachable only from this machine."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the host is `localhost` or a loopback address. Names are not resolved.

    `0.0.0.0` and `::` are not loopback addresses: other machines reach a listener there.
    """
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback  # before Python 3.13 `::ffff:127.0.0.1` itself is not


def connect_host(bound: str) -> str:
    """Return the host to connect to for a server on this machine that listens on `bound`, maybe on all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104  # nothing is bound here
