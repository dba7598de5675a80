"""Record what an agent passes to its hooks."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tray.agents.hook import Hook
from waiting import until

TIMEOUT = 5_000  # ms


class HookRecorder:
    """Hooks that write each payload as one line to a file."""

    def __init__(self, path: Path, decode: Callable[[bytes], Hook | None]) -> None:
        self._path = path
        self._decode = decode

    def settings(self, events: Iterable[str]) -> dict[str, Any]:
        """Return the value of `hooks` in the settings of an agent."""
        command = f"printf '%s\\n' \"$(tr -d '\\n')\" >> {shlex.quote(str(self._path))}"
        hook = {"name": "recorder", "type": "command", "command": command, "timeout": TIMEOUT}
        return {event: [{"matcher": "*", "hooks": [hook]}] for event in events}

    def reported(self) -> list[Hook]:
        """Return what was reported so far, without session, directory and transcript."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        hooks = [hook for line in lines if (hook := self._decode(line)) is not None]
        return [replace(hook, session_id="", directory="", transcript="") for hook in hooks]

    def wait_for(self, *expected: Hook) -> None:
        """Wait until these were reported last, in this order."""
        wanted = list(expected)
        with suppress(AssertionError):  # the one below shows what was reported
            until(lambda: self.reported()[-len(wanted) :] == wanted)
        assert self.reported()[-len(wanted) :] == wanted
