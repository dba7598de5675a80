"""Open a text file in the program that the person's desktop uses for it, else in an editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tray.system.subprocesses import start
from tray.system.terminals import open_terminal

# Nothing is registered for .toml on a stock macOS or Windows: `-t` is the editor for plain text, whatever the file.
OPENERS: Mapping[str, Sequence[Sequence[str]]] = {"darwin": (("open",), ("open", "-t")), "win32": (("notepad.exe",),)}
XDG = (("xdg-open",),)
EDITORS = ("sensible-editor", "nano", "vim", "vi")  # in a terminal, where $VISUAL and $EDITOR name none


async def open_file(path: Path, openers: Sequence[Sequence[str]] = OPENERS.get(sys.platform, XDG)) -> str:
    """Open it, and say in one line what was done; where nothing can open it, say where it is."""
    if sys.platform == "win32":
        try:
            os.startfile(path)  # noqa: S606  # a path of our own
        except OSError:  # no program is registered for it
            if not await start([*openers[0], str(path)]):
                return f"Nothing here opens files by itself; the file is {path}"
        return f"Opened {path}"
    for opener in openers:
        if await _is_opened([*opener, str(path)]):
            return f"Opened {path}"
    editor = _editor()
    opened = await open_terminal([*editor, str(path)]) if editor else None
    if opened is not None:
        return f"Opened {path} in {Path(editor[0]).name}"
    return f"Nothing here opens files by itself; the file is {path}"


async def _is_opened(command: Sequence[str]) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    except OSError:
        return False
    return await process.wait() == 0


def _editor() -> list[str]:
    """The person's own, else a usual one that is there."""
    own = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    for words in ([own] if own else []) + [[name] for name in EDITORS]:
        found = shutil.which(words[0])
        if found is not None:
            return [found, *words[1:]]
    return []
