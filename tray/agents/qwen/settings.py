"""Qwen Code's settings: its folder, and the hooks that the tray installs in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tray.agents.hook_file import HookFile

REPORT = 1  # s; the tray answers at once: a hook that waits would hide the dialog of a permission
EVENTS = (
    "SessionStart", "UserPromptSubmit", "PermissionRequest", "PreToolUse", "PostToolUse", "PostToolUseFailure",
    "Notification", "Stop", "StopFailure", "SessionEnd",
)  # fmt: skip
HOOK_FILE = HookFile("qwen", "settings.json", dict.fromkeys(EVENTS, REPORT), unit=1_000, comments=True)


def configuration_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return Qwen Code's folder, which follows QWEN_HOME."""
    return Path(environment.get("QWEN_HOME") or home / ".qwen")
