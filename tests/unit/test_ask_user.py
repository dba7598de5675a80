"""A destructive command asks only where its question is read and answered."""

from __future__ import annotations

import io
import sys

import pytest

from tray.cli.ask_user import NoConfirmationError, confirmed


class Stream(io.StringIO):
    def __init__(self, text: str, terminal: bool) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(("asks", "answers"), [(False, True), (True, False), (False, False)])
def test_without_a_terminal_on_both_ends_nothing_is_asked(
    asks: bool, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, the null device says that it is a terminal."""
    monkeypatch.setattr(sys, "stdin", Stream("y\n", answers))
    monkeypatch.setattr(sys, "stdout", Stream("", asks))
    with pytest.raises(NoConfirmationError, match="--yes"):
        confirmed("Delete it")


def test_in_a_terminal_the_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stream("y\nn\n", True))
    monkeypatch.setattr(sys, "stdout", Stream("", True))
    assert [confirmed("Delete it") for _ in range(2)] == [True, False]
