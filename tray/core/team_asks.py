"""Whether an answer that another tray sends is taken. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.errors import UserError
from tray.core.request_digest import digest
from tray.core.sessions import Request
from tray.core.team import AnswerWanted
from tray.core.team_settings import TrustedTray

MAX_AGE = 30_000  # ms of an answer on its way; also by how much the clocks may differ


class AskRefusedError(UserError):
    """An answer of another tray is not taken; the text says why, for the user there."""


class AskChecks:
    """Stores the IDs of the answers that were taken, each as long as it could be replayed."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}  # ID -> when it was used

    def check(
        self, ask: AnswerWanted, sender: str, trusted: Iterable[TrustedTray], request: Request | None, at: int
    ) -> TrustedTray:
        """Return the tray that sent the answer, as the settings name it. Raises AskRefusedError.

        `sender` is the public key that has signed it; `request` is the pending one.
        """
        tray = next((tray for tray in trusted if tray.key == sender), None)
        if tray is None:
            raise AskRefusedError("this tray is not named in team.answers there")
        if abs(at - ask.at) > MAX_AGE:
            raise AskRefusedError("it came too late, or the clocks of the two machines differ by more than 30 s")
        self._used = {name: used for name, used in self._used.items() if at - used <= 2 * MAX_AGE}
        if ask.id in self._used:
            raise AskRefusedError("it was sent before")
        self._used[ask.id] = at
        if request is None:
            raise AskRefusedError("it is no longer waiting")
        if digest(ask.server, request) != ask.seen:
            raise AskRefusedError("the request has changed; review it again")
        return tray
