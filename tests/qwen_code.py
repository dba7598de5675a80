"""Run the real Qwen Code in a private home with the scripted model, as terminal UI in tmux."""

from __future__ import annotations

import json
from pathlib import Path

from agent_program import PromptedProgram, installation_folder, required
from hook_recorder import HookRecorder
from tray.agents.qwen.hooks import decode_hook
from waiting import until

VERSION = "0.15.10"
DIALOG = "Allow execution of"  # in the permission dialog of a command
EVENTS = (
    "SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "PostToolUseFailure",
    "Notification", "Stop", "StopFailure", "SessionEnd",
)  # fmt: skip


def binary() -> Path:
    """Return the program that packaging/check.py installed; skip the test if there is none."""
    folder = installation_folder("QWEN_CODE_TEST_DIR", "qwen-code", VERSION)
    found = folder / "node_modules/.bin/qwen"
    return required(found, f"Qwen Code {VERSION} is not in {folder}; run packaging/check.py")


class QwenCode(PromptedProgram):
    """Qwen Code in its own home. Its hooks are recorded."""

    def __init__(self, home: Path, model_port: int) -> None:
        variables = {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
            "OPENAI_API_KEY": "x",
            "OPENAI_MODEL": "fake-1",
        }
        super().__init__(binary(), home, variables)
        self.hooks = HookRecorder(home / "hooks.jsonl", decode_hook)
        settings = {
            "security": {"auth": {"selectedType": "openai"}},
            "general": {"enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "hooks": self.hooks.settings(EVENTS),
        }
        self.configuration = home / ".qwen"
        self.configuration.mkdir()
        (self.configuration / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def tui(self) -> None:
        """Start the terminal UI, and wait until it takes input."""
        self.open_terminal()
        until(lambda: "? for shortcuts" in self.terminal.screen(), "Qwen Code's terminal UI", 60)

    def accept(self) -> None:
        """Allow the command of the open dialog once."""
        self.press_until_closed("Enter", DIALOG)
