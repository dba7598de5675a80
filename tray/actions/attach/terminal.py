"""Interfaces of terminals, desktops and multiplexers: focus the part in which a process runs, or report its focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from tray.system.terminal_processes import TerminalProcess  # loads psutil


class Focused(msgspec.Struct, frozen=True):
    """A terminal that was brought to the front."""

    message: str  # for the user: "Focused the kitty window"
    exact: bool = True  # False: possibly another window or tab of the same terminal


class FocusState(msgspec.Struct, frozen=True):
    """Whether the part of a terminal in which a process runs has the keyboard focus, and that part's title."""

    has_focus: bool
    title: str = ""


class TerminalFocuser(Protocol):
    """A kind of terminal, or a desktop, that can bring the window of a process to the front."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the process runs in a terminal of this kind."""

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Bring the window, tab or pane of the process to the front; return None if that failed."""


class FocusReporter(Protocol):
    """A kind of terminal, or a desktop, that reports the keyboard focus."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the process runs in a terminal of this kind."""

    async def focus_state(self, process: TerminalProcess) -> FocusState | None:
        """Return the focus of the window, tab or pane of the process; None if it is unknown."""


class MultiplexerClient(msgspec.Struct, frozen=True):
    """A client of a multiplexer that shows a certain pane."""

    process: TerminalProcess
    focused: bool | None = None  # whether the client's terminal has the focus, as far as the multiplexer knows
    title: str = ""  # of the pane


class ShownPane(msgspec.Struct, frozen=True):
    """A multiplexer shows the pane in one of its clients."""

    client: TerminalProcess
    exact: bool = True  # False: the client shows the session, possibly with another pane


class Detached(msgspec.Struct, frozen=True):
    """A multiplexer has no client for a session; the command attaches one, in a new terminal."""

    command: list[str]


class Multiplexer(Protocol):
    """A program that runs several terminals (panes) inside other terminals (its clients)."""

    name: str  # for the user

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the process runs in a pane of this multiplexer."""

    async def show_pane(self, process: TerminalProcess) -> ShownPane | Detached | None:
        """Show the pane of the process in one of the clients; return None if that failed."""

    async def pane_title(self, process: TerminalProcess) -> str:
        """Return the title of the pane of the process; "" if it is unknown."""

    async def clients_showing(self, process: TerminalProcess) -> list[MultiplexerClient] | None:
        """Return the clients that show the pane of the process; None if they are unknown."""
