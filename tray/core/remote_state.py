"""What the user sees of a machine that reports through a tunnel."""

from __future__ import annotations

import msgspec


class RemoteState(msgspec.Struct, frozen=True):
    """One machine. Times are in ms since the Unix epoch."""

    ssh: str
    host: str
    is_connected: bool = False
    since: int = 0  # since when the tunnel is, or is not, connected
    problem: str = ""  # why it is not connected
    sessions: int = 0
