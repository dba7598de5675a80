"""Execute the commands that concern phones: their pairing, and the ways to the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, assert_never

from tray.core.commands import (
    CloseWays,
    CommandResult,
    DecidePairing,
    ListPairings,
    OpenTunnel,
    PairPhone,
    PhoneCommand,
    ServeOnTailnet,
    ShowPhoneCode,
)
from tray.core.devices import Scope
from tray.core.pairing import CODE_LIFETIME, PendingPairing
from tray.core.phone_ways import STOP, Exposure, PhoneAddress, Way
from tray.core.text import counted

SCAN = f"Scan the code with the phone within {CODE_LIFETIME // 60_000} minutes"
TYPE = "or open the page there, and type"

ShowCode = Callable[[PhoneAddress], Awaitable[None]]
"""Shows a QR code in a window. Raises UserError if that is not possible."""


class PhonePairing(Protocol):
    """The page, as these commands use it."""

    @property
    def pairings(self) -> tuple[PendingPairing, ...]:
        """The phones that wait for the user's decision."""

    def phone_address(self, way: Way | None) -> PhoneAddress:
        """Return the address with a code that begins the pairing of one phone; None chooses the best way that is open.

        Raises UserError.
        """

    def decide(self, pairing_id: str, scope: Scope | None) -> PendingPairing:
        """Allow a phone a scope, or refuse it with None. Raises UserError."""


class Ways(Protocol):
    """The ways from outside to the page."""

    async def open_tunnel(self, program: str) -> Exposure:
        """Expose the page to the internet with this program, "" for any. Raises UserError."""

    async def open_tailnet(self) -> str:
        """Serve the page to the tailnet; return the command that was run. Raises UserError."""

    async def close(self, way: Way | None) -> list[str]:
        """End this way, None for all; return what was ended, in words. Raises UserError."""


class PhoneActions:
    """Executes these commands on the event loop's thread."""

    def __init__(self, pairing: PhonePairing, ways: Ways, show_code: ShowCode) -> None:
        self._pairing = pairing
        self._ways = ways
        self._show_code = show_code

    async def execute(self, command: PhoneCommand) -> CommandResult:
        """Execute a command and return its result. Raises UserError."""
        match command:
            case PairPhone(way):
                found = self._pairing.phone_address(way)
                shown = {"address": found.url, "way": found.way.value, "note": found.note}
                return CommandResult(f"{SCAN}, {TYPE} {found.typed}", result=shown)
            case ShowPhoneCode():
                await self._show_code(self._pairing.phone_address(None))
                return CommandResult(SCAN)
            case OpenTunnel(program):
                exposure = await self._ways.open_tunnel(program)
                return CommandResult(exposure.sentence, as_requested=False, result=exposure._asdict())
            case ServeOnTailnet():
                done = await self._ways.open_tailnet()
                text = f"Ran: {done}. It is undone when the tray stops, or with: {STOP}"
                return CommandResult(text, as_requested=False)
            case CloseWays(way):
                ended = await self._ways.close(way)
                return CommandResult(
                    f"Ended: {', '.join(ended)}" if ended else "Neither a tunnel nor Tailscale was open"
                )
            case ListPairings():
                waiting = [pairing._asdict() for pairing in self._pairing.pairings]
                return CommandResult(counted(len(waiting), "phone waits", "phones wait"), result=waiting)
            case DecidePairing(pairing_id, scope):
                name = self._pairing.decide(pairing_id, scope).name
                return CommandResult(f"Refused {name}" if scope is None else f"Paired {name}: it may {scope.value}")
            case _:
                assert_never(command)
