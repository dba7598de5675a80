"""What the user sees of a channel."""

from __future__ import annotations

import msgspec


class ChannelState(msgspec.Struct, frozen=True):
    """One channel of the settings. Times are in ms since the Unix epoch."""

    name: str
    kind: str
    sent: int = 0  # messages since the tray was started
    last_at: int = 0  # 0: none
    problem: str = ""  # why it does not work
    has_pairing: bool = False  # whether it has to find out whom it talks to
