"""The user whose process is at the other end of a TCP connection on this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def may_be_own_user(local: tuple[str, int], remote: tuple[str, int]) -> bool:
    """Whether the peer is a process of the user who runs this program; True if the platform does not tell.

    `local` and `remote` are the addresses as this side sees them. May block for some ms: it reads Linux' table.
    """
    if sys.platform != "linux":
        return True
    uids = {uid for path in TABLES for uid in _uids(path, remote, local)}
    return not uids or os.getuid() in uids


def may_own_user_listen(port: int) -> bool:
    """Whether no other user but root listens on a TCP port of this machine; True if the platform does not tell.

    May block for some ms, as `may_be_own_user`.
    """
    if sys.platform != "linux":
        return True
    ending = f":{port:04X}"
    sockets = (fields for path in TABLES for fields in _sockets(path) if fields[3] == LISTEN)
    return {int(fields[7]) for fields in sockets if fields[1].endswith(ending)} <= {0, os.getuid()}


def _uids(path: Path, address: tuple[str, int], peer: tuple[str, int]) -> list[int]:
    """Return the owners of the sockets from `address` to `peer`."""
    is_ipv6 = path.name.endswith("6")
    wanted = [_encoded(address, is_ipv6=is_ipv6), _encoded(peer, is_ipv6=is_ipv6)]
    return [int(fields[7]) for fields in _sockets(path) if fields[1:3] == wanted]


def _sockets(path: Path) -> list[list[str]]:
    """Return the fields of each socket (proc(5)): 1 is the local address, 2 the remote one, 3 the state, 7 the uid."""
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return []


def _encoded(address: tuple[str, int], *, is_ipv6: bool) -> str:
    """Return the address as the table has it: words of four bytes in the order of the machine."""
    host, port = address
    if is_ipv6:
        packed = socket.inet_pton(socket.AF_INET6, host if ":" in host else f"::ffff:{host}")
    elif ":" in host:
        return ""
    else:
        packed = socket.inet_pton(socket.AF_INET, host)
    words = [packed[start : start + 4] for start in range(0, len(packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"
