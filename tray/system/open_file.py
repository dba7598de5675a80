"""Open a text file in the desktop's default program for it, or in an editor."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tray.core.errors import UserError
from tray.system.programs import command_words
from tray.system.subprocesses import start
from tray.system.terminals import open_terminal

# A fresh macOS or Windows has no program registered for .toml. `open -t` uses the default text editor for any file.
OPENERS: Mapping[str, Sequence[Sequence[str]]] = {"darwin": (("open",), ("open", "-t")), "win32": (("notepad.exe",),)}
XDG = (("xdg-open",),)
EDITORS = ("sensible-editor", "nano", "vim", "vi")  # run in a terminal if neither $VISUAL nor $EDITOR is set


OPENER_TIMEOUT = 5.0  # s after which a program that still runs has opened the file


class OpenFileError(UserError):
    """No installed program can open the file; the message names the file."""


async def open_file(path: Path, openers: Sequence[Sequence[str]] = OPENERS.get(sys.platform, XDG)) -> str:
    """Open the file and return a line for the user that says how. Raises OpenFileError."""
    if sys.platform == "win32":
        try:
            os.startfile(path)  # noqa: S606  # a path of our own
        except OSError as error:  # no program is registered for it
            if not await start([*openers[0], str(path)]):
                raise OpenFileError(f"no program found to open {path}") from error
        return f"Opened {path}"
    for opener in openers:
        if await _run_opener([*opener, str(path)]):
            return f"Opened {path}"
    editor = _editor()
    opened = await open_terminal([*editor, str(path)]) if editor else None
    if opened is not None:
        return f"Opened {path} in {Path(editor[0]).name}"
    raise OpenFileError(f"no program found to open {path}")


async def _run_opener(command: Sequence[str]) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    except OSError:
        return False
    try:
        async with asyncio.timeout(OPENER_TIMEOUT):
            return await process.wait() == 0
    except TimeoutError:
        return True  # it shows the file itself, and ends with it


def _editor() -> list[str]:
    """Return the user's editor ($VISUAL, $EDITOR), or the first common one that is installed; empty if none."""
    configured = command_words(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    for words in ([configured] if configured else []) + [[name] for name in EDITORS]:
        found = shutil.which(words[0])
        if found is not None:
            return [found, *words[1:]]
    return []
