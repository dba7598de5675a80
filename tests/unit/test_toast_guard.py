"""A click that may have been meant for what lay there before answers nothing; a deliberate one does."""

from __future__ import annotations

import pytest

from tray.surfaces.toast_guard import MOVED, NEW, ToastGuard

NEW_LINE = "Shown just now: nothing was sent. Click again."
MOVED_LINE = "It moved just now: nothing was sent. Click again."


@pytest.mark.parametrize(
    ("appeared", "went", "clicked", "refusal"),
    [
        ((), (), 0.0, None),
        ((0.0,), (), 0.0, NEW_LINE),
        ((0.0,), (), 0.69, NEW_LINE),
        ((0.0,), (), 0.7, None),
        ((0.0, 5.0), (), 5.3, NEW_LINE),  # another one pushes the first aside
        ((0.0,), (5.0,), 5.25, MOVED_LINE),  # a double click
        ((0.0,), (5.0,), 5.45, MOVED_LINE),  # a slow one
        ((0.0,), (5.0,), 5.99, MOVED_LINE),
        ((0.0,), (5.0,), 6.0, None),  # a deliberate click
        ((0.0,), (5.0, 5.9), 6.5, MOVED_LINE),  # whatever moved last counts
        ((0.0, 5.1), (5.0,), 5.5, NEW_LINE),
        ((0.0, 5.1), (5.0,), 5.9, MOVED_LINE),
        ((0.0, 5.1), (5.0,), 6.0, None),
    ],
)
def test_an_answer_counts_once_nothing_has_come_or_gone_for_a_while(
    appeared: tuple[float, ...], went: tuple[float, ...], clicked: float, refusal: str | None
) -> None:
    now = [0.0]
    guard = ToastGuard(lambda: now[0])
    for at in sorted({*appeared, *went}):
        now[0] = at
        if at in appeared:
            guard.appeared()
        if at in went:
            guard.went()
    now[0] = clicked
    assert guard.refusal() == refusal


@pytest.mark.parametrize("pause", [0.1, 0.25, 0.45, 0.69])
def test_whoever_goes_on_clicking_answers_no_second_request(pause: float) -> None:
    """Each refused click closes its toast, and it is shown again: that counts as well."""
    now = [0.0]
    guard = ToastGuard(lambda: now[0])
    guard.went()
    for _ in range(50):
        now[0] += pause
        assert guard.refusal() is not None
        guard.went()
        guard.appeared()
    now[0] += max(NEW, MOVED)
    assert guard.refusal() is None
