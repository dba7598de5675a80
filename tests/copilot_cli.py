"""Run the real Copilot CLI in a private home with the scripted model: as terminal UI in tmux, or as `copilot -p`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from agent_program import PromptedProgram, installation_folder, required
from waiting import until

VERSION = "1.0.102"
DIALOG = "Do you want to run this command?"  # in the permission dialog of a command

QUESTION_DIALOG = "Copilot needs information"
WORKING, AGAIN = "Working ·", "esc again to interrupt"  # in the status line while a turn is running


def binary() -> Path:
    """Return the program that packaging/check.py installed; skip the test if there is none."""
    folder = installation_folder("COPILOT_CLI_TEST_DIR", "copilot-cli", VERSION)
    found = folder / "node_modules/.bin/copilot"
    return required(found, f"Copilot CLI {VERSION} is not in {folder}; run packaging/check.py")


def touch(*names: str) -> dict[str, Any]:
    """Return a script that creates files with one command each, at the same time. Copilot CLI asks for each."""
    return {"calls": [[["bash", {"command": f"touch {name}", "description": "Create a file"}] for name in names]]}


class CopilotCli(PromptedProgram):
    """Copilot CLI in its own home, offline, after its first start and with a trusted project."""

    def __init__(self, home: Path, model_port: int) -> None:
        self.configuration = home / "copilot"
        variables = {
            "COPILOT_HOME": str(self.configuration),
            "COPILOT_OFFLINE": "true",
            "COPILOT_PROVIDER_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
            "COPILOT_MODEL": "fake-1",
        }
        super().__init__(binary(), home, variables)
        state = {"firstLaunchAt": "2026-01-01T00:00:00.000Z", "trustedFolders": [str(self.project)]}
        self.configuration.mkdir()
        (self.configuration / "config.json").write_text(json.dumps(state), encoding="utf-8")

    def tui(self, *arguments: str) -> None:
        """Start the terminal UI, and wait until it takes input."""
        self.open_terminal(*arguments)
        until(lambda: "? help" in self.terminal.screen(), "Copilot CLI's terminal UI", 60)

    def accept(self) -> None:
        """Allow the command of the open dialog once."""
        self.press_until_closed("Enter", DIALOG)

    def interrupt(self) -> None:
        """Stop the turn that is running, with Escape twice."""
        self.terminal.press("Escape")
        until(lambda: AGAIN in self.terminal.screen(), "the question for the second key")
        self.press_until_closed("Escape", WORKING)

    def run(self, script: dict[str, Any] | None = None, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `copilot -p`, which ends with its turn, and never asks."""
        return self.start(*arguments, "-p", f"work ##{json.dumps(script or {})}")
