"""The real Codex with the scripted model."""

from __future__ import annotations

import pytest

from codex import DIALOG, Codex, touch
from model_server import TITLE
from waiting import until

pytestmark = pytest.mark.codex


def test_the_scripted_model_answers_and_makes_codex_ask(codex: Codex) -> None:
    codex.tui()
    codex.prompt({"words": 3})
    until(lambda: "word0 word1 word2" in codex.terminal.screen(), "the answer")
    until(lambda: TITLE in codex.terminal.screen(), "the title")
    codex.prompt(touch("a.txt"))
    until(lambda: DIALOG in codex.terminal.screen(), "the dialog")
    assert not (codex.project / "a.txt").exists()
    codex.accept()
    until((codex.project / "a.txt").exists, "the command")


def test_a_refusal_of_the_scripted_model_is_an_error_of_codex(codex: Codex) -> None:
    codex.tui()
    codex.prompt({"http": 400, "times": 20})
    until(lambda: "scripted 400" in codex.terminal.screen(), "the error")


def test_a_run_without_terminal_ends_with_its_turn(codex: Codex) -> None:
    assert codex.run({"words": 3}).wait(30) == 0
    assert "word0 word1 word2" in (codex.home / "run.log").read_text()
