"""The item for a phone that wants to pair."""

from __future__ import annotations

from tray.core.commands import DecidePairing
from tray.core.devices import Scope
from tray.core.pairing import PendingPairing
from tray.core.text import shorten
from tray.surfaces.menu.items import Item

NAME_COLUMNS = 40


def pairing_entry(pairing: PendingPairing) -> Item:
    """Return an item with the decisions. The number has to be the one on the phone."""
    name = shorten(pairing.name, NAME_COLUMNS)
    return Item(
        f"pairing:{pairing.id}",
        f"Pair {name}, which shows {pairing.number}?",
        children=(
            Item("answer", "Allow it to answer requests, but never always", DecidePairing(pairing.id, Scope.ANSWER)),
            Item("watch", "Allow it to watch only", DecidePairing(pairing.id, Scope.WATCH)),
            Item("refuse", "Refuse", DecidePairing(pairing.id, None)),
        ),
    )
