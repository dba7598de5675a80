"""What the hooks of the real Qwen Code report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_server import ModelServer
from qwen_code import DIALOG, QwenCode
from tray.agents.hook import PermissionShown, ToolEnded, TurnEnded, TurnFailed, TurnStarted, TurnStopped
from waiting import until

pytestmark = pytest.mark.qwen_code

SHELL = "run_shell_command"
TOUCH = {"calls": [[[SHELL, {"command": "touch a.txt", "description": "Create a file"}]]]}
IDLE = TurnStopped("")  # follows the end of each turn


@pytest.fixture
def qwen(tmp_path: Path) -> Iterator[QwenCode]:
    with ModelServer() as model, QwenCode(tmp_path / "home", model.port) as program:
        program.tui()
        yield program


def test_a_permission_is_reported_while_its_dialog_is_open_and_then_the_end_of_the_turn(qwen: QwenCode) -> None:
    qwen.prompt(TOUCH)
    until(lambda: DIALOG in qwen.terminal.screen(), "the dialog")
    qwen.hooks.wait_for(PermissionShown("", "", SHELL, "touch a.txt"))
    qwen.accept()
    qwen.hooks.wait_for(ToolEnded("", "", SHELL), TurnStarted(""), TurnEnded("", "", "word0 word1 word2 "), IDLE)
    assert (qwen.project / "a.txt").exists()


def test_an_interruption_and_an_error_are_reported(qwen: QwenCode) -> None:
    qwen.prompt({"words": 600, "pause": 0.1})
    until(lambda: "word3" in qwen.terminal.screen(), "the stream")
    qwen.terminal.press("Escape")
    qwen.hooks.wait_for(TurnStarted("", "", 'work ##{"words": 600, "pause": 0.1} #1'), IDLE)
    before = len(qwen.hooks.reported())
    qwen.prompt({"http": 400, "times": 20})  # just after an interruption, Qwen Code may ignore Enter
    qwen.press_until("Enter", lambda: len(qwen.hooks.reported()) > before, "the second turn", 3)
    qwen.hooks.wait_for(TurnFailed("", "", "400 scripted 400"), IDLE)
