"""Programs in the place of terminals and compositors: each writes down its arguments and says what it is told."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tray.system.terminal_processes import TerminalProcess

_SCRIPT = """#!{python} -I
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
told, code = {told!r}, {code!r}
for words, answer in told:
    if words in " ".join(sys.argv[1:]):
        print(answer)
        sys.exit(code)
sys.exit(0 if not told else 1)
"""


class Programs:
    """A folder of them, to put first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "calls.jsonl"
        folder.mkdir(exist_ok=True)

    def add(self, name: str, told: dict[str, str] | None = None, code: int = 0) -> None:
        """`told`: what is printed for arguments with these words in them; others end with 1. None: all end with 0."""
        path = self.folder / name
        answers = list((told or {}).items())
        script = _SCRIPT.format(python=sys.executable, log=str(self._log), name=name, told=answers, code=code)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """Every call so far: the program and its arguments."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]


def run(work: Any) -> Any:
    """What becomes of the work, which takes 20 s at most."""
    return asyncio.run(asyncio.wait_for(work, 20))


def seat(**environment: str) -> TerminalProcess:
    """A program in a terminal that told it this."""
    return TerminalProcess(7, "/dev/pts/7", environment, (6, 5, 4))
