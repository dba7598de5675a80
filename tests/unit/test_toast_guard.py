"""A click just after notifications appeared or moved answers nothing; a deliberate one does."""

from __future__ import annotations

import pytest

from tray.surfaces.toast_guard import APPEARED_PAUSE, MOVED_PAUSE, ToastGuard

APPEARED_LINE = "Not sent: shown just now. Click again."
MOVED_LINE = "Not sent: moved just now. Click again."


@pytest.mark.parametrize(
    ("appeared", "closed", "clicked", "refusal"),
    [
        ((), (), 0.0, None),
        ((0.0,), (), 0.0, APPEARED_LINE),
        ((0.0,), (), 0.69, APPEARED_LINE),
        ((0.0,), (), 0.7, None),
        ((0.0, 5.0), (), 5.3, APPEARED_LINE),  # another one pushes the first aside
        ((0.0,), (5.0,), 5.25, MOVED_LINE),  # a double click
        ((0.0,), (5.0,), 5.45, MOVED_LINE),  # a slow one
        ((0.0,), (5.0,), 5.99, MOVED_LINE),
        ((0.0,), (5.0,), 6.0, None),  # a deliberate click
        ((0.0,), (5.0, 5.9), 6.5, MOVED_LINE),  # whatever moved last counts
        ((0.0, 5.1), (5.0,), 5.5, APPEARED_LINE),
        ((0.0, 5.1), (5.0,), 5.9, MOVED_LINE),
        ((0.0, 5.1), (5.0,), 6.0, None),
    ],
)
def test_an_answer_counts_once_no_notification_has_appeared_or_closed_for_a_while(
    appeared: tuple[float, ...], closed: tuple[float, ...], clicked: float, refusal: str | None
) -> None:
    now = [0.0]
    guard = ToastGuard(lambda: now[0])
    for at in sorted({*appeared, *closed}):
        now[0] = at
        if at in appeared:
            guard.appeared()
        if at in closed:
            guard.closed()
    now[0] = clicked
    assert guard.refusal() == refusal


@pytest.mark.parametrize("pause", [0.1, 0.25, 0.45, 0.69])
def test_repeated_clicks_answer_no_second_request(pause: float) -> None:
    """Each refused click closes its notification, which is then shown again: that counts as well."""
    now = [0.0]
    guard = ToastGuard(lambda: now[0])
    guard.closed()
    for _ in range(50):
        now[0] += pause
        assert guard.refusal() is not None
        guard.closed()
        guard.appeared()
    now[0] += max(APPEARED_PAUSE, MOVED_PAUSE)
    assert guard.refusal() is None
