"""Delays between attempts grow up to a limit."""

from __future__ import annotations

import pytest

from tray.system.backoff import Backoff


def test_delays_double_up_to_the_limit_and_start_again_after_a_reset() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_delay() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_delay() == 0.5


def test_jitter_shortens_each_delay_by_at_most_its_fraction() -> None:
    backoff = Backoff(1.0, 1.0, jitter=0.5)
    delays = [backoff.next_delay() for _ in range(200)]
    assert min(delays) >= 0.5
    assert max(delays) <= 1.0
    assert max(delays) - min(delays) == pytest.approx(0.5, abs=0.2)
