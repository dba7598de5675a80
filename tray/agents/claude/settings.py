"""Claude Code's settings: the hooks that the tray installs in them, and whether they are there."""

from __future__ import annotations

from pathlib import Path

from tray.agents.claude.hooks import PERMISSION_REQUEST
from tray.agents.hook_file import HookFile
from tray.agents.json_editor import InvalidJsonError, parse
from tray.files.reading import read_regular

DAY = 86_400  # s; a request waits as long as its dialog, which Claude Code shows meanwhile

# The registry reports everything else at once. Each hook costs Claude Code about 25 ms of a turn.
HOOK_FILE = HookFile("claude", "settings.json", {PERMISSION_REQUEST: DAY})


class HookSettings:
    """Reads a settings file when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = (-1, -1)  # time of the change in ns, and size
        self._is_installed = False

    def are_hooks_installed(self) -> bool:
        """Return whether Claude Code reports its requests to the tray."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size)
            if version != self._version:
                self._is_installed = _reports_requests(read_regular(self._path).decode())
                self._version = version
        except (OSError, UnicodeDecodeError):
            self._is_installed, self._version = False, (-1, -1)
        return self._is_installed


def _reports_requests(text: str) -> bool:
    try:
        is_disabled = parse(text).get("disableAllHooks") is True
        return not is_disabled and PERMISSION_REQUEST in HOOK_FILE.installed(text)
    except InvalidJsonError:
        return False
