"""What the hooks of the real Gemini CLI report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemini_cli import DIALOG, GeminiCli
from model_server import ModelServer
from tray.agents.hook import PermissionShown, ToolEnded, ToolStarted, TurnEnded, TurnStarted, TurnStopped
from waiting import until

pytestmark = pytest.mark.gemini_cli

SHELL = "run_shell_command"
TOUCH = {"words": 1, "calls": [[[SHELL, {"command": "touch a.txt", "description": "Create a file"}]]]}


@pytest.fixture
def gemini(tmp_path: Path) -> Iterator[GeminiCli]:
    with ModelServer() as model, GeminiCli(tmp_path / "home", model.port) as program:
        program.tui()
        yield program


def test_a_permission_is_reported_while_its_dialog_is_open_and_then_the_end_of_the_turn(gemini: GeminiCli) -> None:
    gemini.prompt(TOUCH)
    until(lambda: DIALOG in gemini.terminal.screen(), "the dialog")
    gemini.hooks.wait_for(ToolStarted("", "", SHELL), PermissionShown("", "", "exec", "touch a.txt"))
    gemini.accept()
    gemini.hooks.wait_for(ToolEnded("", "", SHELL), TurnEnded("", "", "word0 "))
    assert (gemini.project / "a.txt").exists()


def test_an_error_is_reported_as_the_end_of_the_turn(gemini: GeminiCli) -> None:
    gemini.prompt({"http": 400, "times": 20})
    gemini.hooks.wait_for(TurnStarted("", "", 'work ##{"http": 400, "times": 20} #1'), TurnStopped(""))
