"""Run the real Gemini CLI in a private home with the scripted model, as terminal UI in tmux."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from agent_program import PromptedProgram, installation_folder, required
from hook_recorder import HookRecorder
from tray.agents.gemini.hooks import decode_hook
from tray.agents.hook import TurnStarted
from waiting import until

VERSION = "0.61.0"
DIALOG = "Allow execution of"  # in the permission dialog of a command
EVENTS = ("SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "Notification", "AfterAgent", "SessionEnd")


def binary() -> Path:
    """Return the program that packaging/check.py installed; skip the test if there is none."""
    folder = installation_folder("GEMINI_CLI_TEST_DIR", "gemini-cli", VERSION)
    found = folder / "node_modules/.bin/gemini"
    return required(found, f"Gemini CLI {VERSION} is not in {folder}; run packaging/check.py")


class GeminiCli(PromptedProgram):
    """Gemini CLI in its own home. Its hooks are recorded."""

    def __init__(self, home: Path, model_port: int) -> None:
        variables = {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{model_port}", "GEMINI_API_KEY": "x"}
        super().__init__(binary(), home, variables)
        self.hooks = HookRecorder(home / "hooks.jsonl", decode_hook)
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
            "general": {"enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "hooks": self.hooks.settings(EVENTS),
        }
        self.configuration = home / ".gemini"
        self.configuration.mkdir()
        (self.configuration / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def tui(self) -> None:
        """Start the terminal UI, and wait until it takes input. With a fixed model it does not ask which one to use."""
        self.open_terminal("--model", "gemini-2.5-flash")
        until(lambda: "Type your message" in self.terminal.screen(), "Gemini CLI's terminal UI", 60)

    def prompt(self, script: dict[str, Any] | None = None) -> None:
        """Submit a prompt. Gemini CLI takes an Enter just after a letter as part of a pasted text."""
        begun = self._begun_turns()
        super().prompt(script)
        pressed = time.monotonic()

        def has_begun() -> bool:
            nonlocal pressed
            if self._begun_turns() > begun:
                return True
            if time.monotonic() > pressed + 1:
                self.terminal.press("Enter")
                pressed = time.monotonic()
            return False

        until(has_begun, "the turn")

    def _begun_turns(self) -> int:
        return sum(isinstance(hook, TurnStarted) for hook in self.hooks.reported())

    def accept(self) -> None:
        """Allow the command of the open dialog once."""
        self.press_until_closed("Enter", DIALOG)
