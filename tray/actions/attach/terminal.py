"""What every rung of the ladder can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from tray.system.terminal_processes import TerminalProcess  # psutil is not needed before somebody goes somewhere


class Raised(msgspec.Struct, frozen=True):
    """What was brought to the front, as words that follow a verb: "Focused its kitty window"."""

    line: str
    exact: bool = True  # False: it may be another of the terminal's windows, or another of its tabs


class Focus(msgspec.Struct, frozen=True):
    """Whether the part of a terminal in which a program runs has the keyboard, and what it is called."""

    has_it: bool
    title: str = ""


class Viewer(msgspec.Struct, frozen=True):
    """A client of a multiplexer that shows the pane. `focused` is what the multiplexer knows of its terminal."""

    client: TerminalProcess
    focused: bool | None = None
    title: str = ""  # the pane's


class TellsFocus(Protocol):
    """One kind of terminal, or of desktop, that can tell where the keyboard is."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether the program sits in one of these."""

    async def focus(self, seat: TerminalProcess) -> Focus | None:
        """Whether the program's own part of it has the keyboard; None: it does not tell."""


class Rung(Protocol):
    """One kind of terminal, or of desktop, that can bring the window of a program to the front."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether the program sits in one of these."""

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Bring it to the front; None where that did not work."""


class Shown(msgspec.Struct, frozen=True):
    """A multiplexer shows the pane now (`exact`), or at least its session, in the terminal where its client sits."""

    client: TerminalProcess
    exact: bool = True


class Detached(msgspec.Struct, frozen=True):
    """Nobody looks at the multiplexer: this command does, in a new terminal."""

    command: list[str]


class Multiplexer(Protocol):
    """A program that keeps terminals inside another one."""

    name: str  # as a person calls it

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether the program sits in one of its panes."""

    async def go(self, seat: TerminalProcess) -> Shown | Detached | None:
        """Make it show the pane; None where that did not work."""

    async def viewers(self, seat: TerminalProcess) -> list[Viewer] | None:
        """The clients that show the pane now; None: it does not tell."""
