"""The settings, read again when the file changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tray.app.problems import Problems
from tray.core.errors import UserError
from tray.core.settings import PORT, Settings, secret_variables
from tray.storage.settings_file import load_settings
from tray.system.secret_variables import hide, whole_environment

TOPIC = "settings"


class LiveSettings:
    """The current settings. A file that is not valid changes nothing and is reported as a problem."""

    def __init__(self, path: Path, settings: Settings, flags: Mapping[str, Any], problems: Problems) -> None:
        self.current = settings
        self._path = path
        self._flags = flags
        self._problems = problems
        self._report(settings, is_logged=True)
        hide(secret_variables(settings))

    def fix_port(self, port: int) -> None:
        """Keep the port that is listened on, whatever the file says later."""
        self._flags = {**self._flags, PORT.key: port}
        self.current = self.current.given(PORT, port, "flag")

    def reload(self) -> None:
        """Read the file again."""
        try:
            settings = load_settings(self._path, whole_environment(), self._flags)
        except UserError as error:
            self._problems.report(TOPIC, str(error))
            return
        self.current = settings
        self._report(settings)
        hide(secret_variables(settings))

    def _report(self, settings: Settings, *, is_logged: bool = False) -> None:
        if settings.problems:
            self._problems.report(TOPIC, settings.problems[0], is_logged=is_logged)
        else:
            self._problems.clear(TOPIC)
