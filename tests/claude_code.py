"""Run the real Claude Code in a private home with the scripted model: as terminal UI in tmux, or as `claude -p`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from agent_program import PromptedProgram, installation_folder, required
from tray.agents.claude.settings import HOOK_FILE
from tray.agents.hook_command import hook_command
from waiting import until

VERSION = "2.1.332"
DIALOG = "Do you want to proceed?"  # in every permission dialog
API_KEY = "sk-ant-api03-scripted-model-0000"
APPROVED_LENGTH = 20  # characters of a key's end by which Claude Code remembers that the user approved it


def binary() -> Path:
    """Return the executable that packaging/check.py installed; skip the test if there is none."""
    folder = installation_folder("CLAUDE_CODE_TEST_DIR", "claude-code", VERSION)
    return required(
        folder / "node_modules/.bin/claude", f"Claude Code {VERSION} is not in {folder}; run packaging/check.py"
    )


class ClaudeCode(PromptedProgram):
    """Claude Code in its own home, after its first start and with a trusted project."""

    def __init__(self, home: Path, model_port: int) -> None:
        self.configuration = home / "claude"
        super().__init__(
            binary(),
            home,
            {
                "CLAUDE_CONFIG_DIR": str(self.configuration),
                "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model_port}",
                "ANTHROPIC_API_KEY": API_KEY,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_TELEMETRY": "1",
            },
        )
        state = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [API_KEY[-APPROVED_LENGTH:]], "rejected": []},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
        }
        self.configuration.mkdir()
        (self.configuration / ".claude.json").write_text(json.dumps(state), encoding="utf-8")

    def install_hooks(self, socket: Path) -> None:
        """Write settings with the hooks of the tray."""
        text = HOOK_FILE.with_hooks("", lambda agent, seconds: hook_command(agent, str(socket), seconds))
        (self.configuration / HOOK_FILE.name).write_text(text, encoding="utf-8")

    def tui(self, *arguments: str) -> None:
        """Start the terminal UI, in the mode that asks for permissions, and wait until it takes input."""
        self.open_terminal("--permission-mode", "default", *arguments)
        until(lambda: "for shortcuts" in self.terminal.screen(), "Claude Code's terminal UI", 60)

    def accept(self) -> None:
        """Choose the first answer of the open dialog."""
        self.press_until_closed("Enter", DIALOG)

    def run(self, script: dict[str, Any] | None = None) -> subprocess.Popen[bytes]:
        """Start `claude -p`, which ends with its turn."""
        return self.start("-p", f"work ##{json.dumps(script or {})}")
