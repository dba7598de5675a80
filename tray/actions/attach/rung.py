"""What every rung of the ladder can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tray.system.processes import Seat


class Rung(Protocol):
    """One kind of terminal, or of desktop, that can bring the window of a program to the front."""

    name: str  # as a person calls it

    def detect(self, seat: Seat) -> bool:
        """Whether the program sits in one of these."""

    async def go(self, seat: Seat) -> str | None:
        """Bring it to the front; in one line what was done, or None where that did not work."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A multiplexer shows the pane now, in the terminal where its client sits."""

    client: Seat


@dataclass(frozen=True, slots=True)
class Detached:
    """Nobody looks at the multiplexer: this command does, in a new terminal."""

    command: list[str]


class Multiplexer(Protocol):
    """A program that keeps terminals inside another one."""

    name: str

    def detect(self, seat: Seat) -> bool:
        """Whether the program sits in one of its panes."""

    async def go(self, seat: Seat) -> Shown | Detached | None:
        """Make it show the pane; None where that did not work."""
