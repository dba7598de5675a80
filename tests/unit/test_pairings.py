"""A phone is paired only with a code that works once, and after the user at the desk has compared the number."""

from __future__ import annotations

import asyncio
import re

import pytest

from tray.core.devices import Scope
from tray.core.pairing import CODE_LIFETIME, PendingPairing
from tray.surfaces.page import pairings
from tray.surfaces.page.pairings import DECISION_TIME, MAX_PENDING, PairingError, Pairings
from waiting import run


class Clock:
    def __init__(self) -> None:
        self.at = 1_000_000
        self.changes = 0
        self.announced: list[str] = []
        self.pairings = Pairings(lambda: self.at, self._changed)

    def _changed(self, new: PendingPairing | None) -> None:
        self.changes += 1
        if new is not None:
            self.announced.append(new.name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_phone_that_was_allowed_gets_its_scope_once(clock: Clock) -> None:
    async def test() -> None:
        code = clock.pairings.new_code()
        assert clock.pairings.takes(code)
        shown, secret = clock.pairings.begin("Chrome\non Android", "192.168.0.7")
        assert (shown.name, shown.address, len(shown.number)) == ("Chrome on Android", "192.168.0.7", 4)
        assert clock.pairings.pending == (shown,)
        asking = asyncio.create_task(clock.pairings.decision(shown.id, secret))
        await asyncio.sleep(0)
        clock.pairings.decide(shown.id, Scope.ANSWER)
        assert await asking == (Scope.ANSWER, "Chrome on Android")
        assert (clock.pairings.pending, clock.changes) == ((), 2)
        with pytest.raises(PairingError, match="does not exist any more"):
            await clock.pairings.decision(shown.id, secret)

    run(test())


def test_a_decision_about_one_phone_does_not_announce_another_one_again(clock: Clock) -> None:
    first, _ = clock.pairings.begin("first", "")
    clock.pairings.begin("second", "")
    clock.pairings.decide(first.id, None)
    assert clock.announced == ["first", "second"]


def test_of_two_questions_with_one_secret_one_is_answered(clock: Clock) -> None:
    async def test() -> None:
        shown, secret = clock.pairings.begin("Phone", "")
        asking = [asyncio.create_task(clock.pairings.decision(shown.id, secret)) for _ in range(2)]
        await asyncio.sleep(0)
        clock.pairings.decide(shown.id, Scope.ANSWER)
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(each, PairingError) for each in found].count(True) == 1

    run(test())


def test_a_code_works_once_and_not_after_its_time_or_a_newer_one(clock: Clock) -> None:
    code = clock.pairings.new_code()
    newer = clock.pairings.new_code()
    assert (clock.pairings.takes(code), clock.pairings.takes(newer), clock.pairings.takes("")) == (False, True, False)
    clock.pairings.begin("a", "")
    assert not clock.pairings.takes(newer)
    late = clock.pairings.new_code()
    clock.at += CODE_LIFETIME
    assert not clock.pairings.takes(late)


def test_a_code_can_be_typed_in_small_letters_and_ends_with_the_one_that_is_scanned(clock: Clock) -> None:
    code = clock.pairings.new_code()
    typed = clock.pairings.typed_code
    assert re.fullmatch("[A-Z2-9]{4}-[A-Z2-9]{4}", typed)
    for given in (typed, typed.lower(), typed.replace("-", " "), code):
        assert clock.pairings.takes(given)
    assert not clock.pairings.takes(typed[:-1])
    clock.pairings.begin("a", "")
    assert not clock.pairings.takes(typed)
    clock.pairings.new_code()
    assert clock.pairings.typed_code != typed


def test_a_refused_phone_and_one_without_a_decision_get_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairings, "POLL_TIME", 0.01)

    async def test() -> None:
        refused, secret = clock.pairings.begin("a", "")
        clock.pairings.decide(refused.id, None)
        with pytest.raises(PairingError, match="refused at the desk"):
            await clock.pairings.decision(refused.id, secret)
        late, secret = clock.pairings.begin("b", "")
        assert await clock.pairings.decision(late.id, secret) is None
        clock.at += DECISION_TIME
        with pytest.raises(PairingError, match="not confirmed at the desk in time"):
            await clock.pairings.decision(late.id, secret)
        with pytest.raises(PairingError, match="does not wait any more"):
            clock.pairings.decide(late.id, Scope.ACT)

    run(test())


@pytest.mark.fault
def test_a_clock_that_is_set_back_does_not_prolong_a_pairing(clock: Clock) -> None:
    code = clock.pairings.new_code()
    shown, _ = clock.pairings.begin("a", "")
    newer = clock.pairings.new_code()
    clock.at -= 86_400_000
    assert (clock.pairings.takes(code), clock.pairings.takes(newer), clock.pairings.pending) == (False, False, ())
    with pytest.raises(PairingError, match="does not wait any more"):
        clock.pairings.decide(shown.id, Scope.ACT)


def test_another_phone_cannot_ask_for_the_decision(clock: Clock) -> None:
    async def test() -> None:
        shown, secret = clock.pairings.begin("a", "")
        clock.pairings.decide(shown.id, Scope.ANSWER)
        for pairing_id, guess in ((shown.id, ""), (shown.id, secret[:-1]), ("", secret), ("other", secret)):
            with pytest.raises(PairingError):
                await clock.pairings.decision(pairing_id, guess)
        assert await clock.pairings.decision(shown.id, secret) == (Scope.ANSWER, "a")

    run(test())


def test_only_a_few_phones_wait_at_a_time(clock: Clock) -> None:
    for _ in range(MAX_PENDING):
        clock.pairings.begin("a", "")
    with pytest.raises(PairingError, match="other phones"):
        clock.pairings.begin("a", "")
    clock.at += DECISION_TIME
    clock.pairings.begin("a", "")
    assert len(clock.pairings.pending) == 1
