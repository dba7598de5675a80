"""The user whose process is at the other end of a unix socket."""

from __future__ import annotations

import os
import socket
import struct
import sys

LOCAL_PEERCRED = 1  # <sys/un.h> of macOS; its level SOL_LOCAL is 0
XUCRED_LENGTH = 76  # bytes of `struct xucred` (<sys/ucred.h>): version, uid, number of groups, 16 groups


def is_own_user(connection: socket.socket) -> bool:
    """Whether the peer is a process of the user who runs this program; True if the platform does not tell."""
    if sys.platform == "linux":
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return bool(uid == os.getuid())
    if sys.platform == "darwin":
        _, uid = struct.unpack_from("=2I", connection.getsockopt(0, LOCAL_PEERCRED, XUCRED_LENGTH))
        return bool(uid == os.getuid())
    return True
