"""Fake terminals and compositors, which record their arguments and print prepared output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tray.system.terminal_processes import TerminalProcess

_SCRIPT = """#!{python} -I
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
outputs, code = {outputs!r}, {code!r}
for words, output in outputs:
    if words in " ".join(sys.argv[1:]):
        print(output)
        sys.exit(code)
sys.exit(0 if not outputs else 1)
"""


class Programs:
    """A folder of fake programs, to put first on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "calls.jsonl"
        folder.mkdir(exist_ok=True)

    def add(self, name: str, outputs: dict[str, str] | None = None, code: int = 0) -> None:
        """Add a program that prints the output for the first key contained in its arguments, and exits with `code`.

        For other arguments it exits with 1; without `outputs` it always exits with 0.
        """
        path = self.folder / name
        pairs = list((outputs or {}).items())
        script = _SCRIPT.format(python=sys.executable, log=str(self._log), name=name, outputs=pairs, code=code)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """The calls so far: each the name of the program and its arguments."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]


def terminal_process(**environment: str) -> TerminalProcess:
    """Return a process in a terminal with these environment variables."""
    return TerminalProcess(7, "/dev/pts/7", environment, (6, 5, 4))
