"""Pairings of phones: a code that works once, a number on both sides, and the decision of the user at the desk."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Callable

import msgspec

from tray.core.deadlines import is_before
from tray.core.devices import Scope
from tray.core.errors import UserError
from tray.core.pairing import CODE_LIFETIME, PendingPairing
from tray.core.text import shorten

DECISION_TIME = 120_000  # ms that the user at the desk gets
MAX_PENDING = 4  # pairings that wait for a decision
MAX_NAME = 60  # columns
GONE = "this pairing does not exist any more; scan the code again"
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # of the code that is typed: none looks like another one
TYPED_LENGTH = 8
POLL_TIME = 20.0  # s that one question of a phone waits


class PairingError(UserError):
    """A phone is not paired; the text says why."""


class _Pending(msgspec.Struct):
    shown: PendingPairing
    secret: str  # which only the phone has
    end: int  # ms since the Unix epoch
    decided: asyncio.Event
    scope: Scope | None = None  # None after a decision: refused

    def waits(self, now: int) -> bool:
        """Whether a decision would still count at `now`, in ms since the Unix epoch."""
        return is_before(self.end, now, DECISION_TIME)


class Pairings:
    """Lives on the event loop's thread."""

    def __init__(self, now: Callable[[], int], changed: Callable[[PendingPairing | None], None]) -> None:
        """`now` returns ms since the Unix epoch.

        `changed` is called with a new pairing, and with None for a decision.
        """
        self._now = now
        self._changed = changed
        self._code, self._typed, self._code_end = "", "", 0
        self._pending: dict[str, _Pending] = {}

    @property
    def pending(self) -> tuple[PendingPairing, ...]:
        """The phones that wait for a decision, oldest first."""
        now = self._now()
        return tuple(each.shown for each in self._pending.values() if each.waits(now) and not each.decided.is_set())

    def new_code(self) -> str:
        """Return a code of 128 random bits that one phone can use within CODE_LIFETIME. It replaces the one before."""
        self._code, self._code_end = secrets.token_urlsafe(16), self._now() + CODE_LIFETIME
        self._typed = "".join(secrets.choice(LETTERS) for _ in range(TYPED_LENGTH))
        return self._code

    @property
    def typed_code(self) -> str:
        """A short form of the newest code, of 40 random bits, for a phone on which the user types it."""
        return f"{self._typed[: TYPED_LENGTH // 2]}-{self._typed[TYPED_LENGTH // 2 :]}"

    def takes(self, code: str) -> bool:
        """Whether a code is that of a phone and has not been used."""
        if not self._code or not is_before(self._code_end, self._now(), CODE_LIFETIME):
            return False
        given, typed = code.encode("utf-8", "replace"), re.sub(r"[\s-]", "", code).upper().encode("utf-8", "replace")
        return hmac.compare_digest(self._code.encode(), given) or hmac.compare_digest(self._typed.encode(), typed)

    def begin(self, name: str, address: str) -> tuple[PendingPairing, str]:
        """Use the code; return what both sides show, and the secret with which the phone asks for the decision."""
        self._code = ""
        if len(self.pending) >= MAX_PENDING:
            raise PairingError("other phones wait for a decision at the desk")
        self._pending = {key: each for key, each in self._pending.items() if each.waits(self._now())}
        shown = PendingPairing(
            secrets.token_hex(6), shorten(name, MAX_NAME) or "Phone", f"{secrets.randbelow(10_000):04}", address
        )
        secret = secrets.token_urlsafe(16)
        self._pending[shown.id] = _Pending(shown, secret, self._now() + DECISION_TIME, asyncio.Event())
        self._changed(shown)
        return shown, secret

    async def decision(self, pairing_id: str, secret: str) -> tuple[Scope, str] | None:
        """Return what the phone may do and its name, once; None: not decided yet. Raises PairingError if refused."""
        found = self._pending.get(pairing_id)
        if found is None or not hmac.compare_digest(found.secret.encode(), secret.encode("utf-8", "replace")):
            raise PairingError(GONE)
        try:
            async with asyncio.timeout(POLL_TIME):
                await found.decided.wait()
        except TimeoutError:
            if found.waits(self._now()):
                return None
        if self._pending.pop(pairing_id, None) is None:
            raise PairingError(GONE)
        if found.scope is None:
            raise PairingError("refused at the desk" if found.decided.is_set() else "not confirmed at the desk in time")
        return found.scope, found.shown.name

    def decide(self, pairing_id: str, scope: Scope | None) -> PendingPairing:
        """Allow a scope, or refuse with None. Raises PairingError if the phone does not wait any more."""
        found = self._pending.get(pairing_id)
        if found is None or found.decided.is_set() or not found.waits(self._now()):
            raise PairingError("this phone does not wait any more; it has to scan the code again")
        found.scope = scope
        found.decided.set()
        self._changed(None)
        return found.shown
