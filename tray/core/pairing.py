"""A phone that wants to use the page, and waits for the user at the desk."""

from __future__ import annotations

from typing import NamedTuple

CODE_LIFETIME = 300_000  # ms until a phone has to have used its code


class PendingPairing(NamedTuple):
    """Phone and desk show the same number: a code that was photographed pairs nothing by itself."""

    id: str
    name: str  # as the phone gives it, cleaned
    number: str  # four digits
    address: str
