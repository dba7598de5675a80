"""Gemini CLI's settings: its folder, and the hooks that the tray installs in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tray.agents.hook_file import HookFile

REPORT = 1  # s; the tray answers at once
EVENTS = ("SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "Notification", "AfterAgent", "SessionEnd")
HOOK_FILE = HookFile(
    "gemini",
    "settings.json",
    dict.fromkeys(EVENTS, REPORT),
    unit=1_000,
    fields={"name": "opencode-tray"},
    matcher="*",
    comments=True,
)


def configuration_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return Gemini CLI's folder. GEMINI_CLI_HOME takes the place of the home folder."""
    return Path(environment.get("GEMINI_CLI_HOME") or home) / ".gemini"
