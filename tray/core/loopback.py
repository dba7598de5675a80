"""Whether an address is this machine's own, and reached from nowhere else."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the address, or the name `localhost`, stands for this machine alone. No other name is resolved.

    `0.0.0.0` and `::` are no loopback: a listener there is reached from other machines.
    """
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback  # before Python 3.13 `::ffff:127.0.0.1` itself is none
