"""HTTP routes for what reaches the user away from the desk: the QR code for a phone, and the channels."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tray.core.commands import ListChannels, PairPhone, SendTestMessage
from tray.surfaces.page.services import Execute, executed


class AwayRoutes:
    """Answers the calls of devices that may do everything. A failed command raises HTTPConflict with its reason."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def phone(self) -> dict[str, Any]:
        """Begin the pairing of a phone: return its address, and the QR code as an SVG path in a square of `size`."""
        from tray.surfaces.qr_code import rows_of  # noqa: PLC0415  # few users ever pair a phone

        result = await executed(self._execute, PairPhone())
        address, note = result.result["address"], result.result["note"]
        rows = rows_of(address)
        message = f"{note}. {result.message}"
        return {"address": address, "message": message, "size": len(rows), "path": _path(rows)}

    async def channels(self) -> dict[str, Any]:
        """Return the channels of the settings, and whether they work."""
        return {"channels": (await executed(self._execute, ListChannels())).result}

    async def test(self, name: str) -> dict[str, Any]:
        """Send a test message through a channel."""
        return {"message": (await executed(self._execute, SendTestMessage(name))).message}


def _path(rows: list[tuple[int, ...]]) -> str:
    """Return a rectangle for each run of dark modules."""
    parts = []
    for y, row in enumerate(rows):
        x = 0
        for is_dark, run in groupby(row):
            length = len(list(run))
            if is_dark:
                parts.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return "".join(parts)
