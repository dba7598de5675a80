"""Asking a person for a line of text, in a window of the desktop's own."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from html import escape

PATIENCE = 600.0  # s until a question that nobody answers is taken away

_SCRIPT = """on run argv
return text returned of (display dialog (item 2 of argv) with title (item 1 of argv) default answer (item 3 of argv))
end run"""
_BOX = (
    "Add-Type -AssemblyName Microsoft.VisualBasic; $a = [Console]::In.ReadToEnd() -split [char]31; "
    "[Console]::OutputEncoding = [Text.Encoding]::UTF8; "
    "[Microsoft.VisualBasic.Interaction]::InputBox($a[1], $a[0], $a[2])"
)

Ask = Callable[[str, str, str], Awaitable["str | None"]]
"""Title, question, what stands there at first → what was typed."""

Words = Callable[[str, str, str], Sequence[str]]


def _markup(title: str, question: str, first: str) -> Sequence[str]:
    """For zenity and yad, which read the question as Pango markup, with a backslash for an escape."""
    told = escape(question, quote=False).replace("\\", "\\\\")
    return ["--entry", f"--title={title}", f"--text={told}", f"--entry-text={first}"]


def _kdialog(title: str, question: str, first: str) -> Sequence[str]:
    """A leading space keeps what begins with a dash from being an option; it is stripped from the answer."""
    return ["--title", f" {title}", "--inputbox", f" {question}", f" {first}" if first else ""]


DIALOGS: dict[str, Sequence[tuple[str, Words]]] = {
    "linux": (("zenity", _markup), ("kdialog", _kdialog), ("yad", _markup)),
    "darwin": (("osascript", lambda title, question, first: ["-e", _SCRIPT, "--", title, question, first]),),
    "win32": (("powershell", lambda *_: ["-NoProfile", "-Command", _BOX]),),
}


class NoDialogError(Exception):
    """Nothing here can ask."""


async def ask_text(title: str, question: str, first: str) -> str | None:
    """What was typed; None if the person left it, or to itself for PATIENCE. Raises NoDialogError.

    The words are arguments of their own, or come on standard input: nothing of them is ever part of a command.
    """
    title, question, first = (text.replace("\0", "") for text in (title, question, first))
    for program, words in DIALOGS.get(sys.platform, ()):
        if shutil.which(program) is not None:
            return await _ask([program, *words(title, question, first)], f"{title}\x1f{question}\x1f{first}")
    raise NoDialogError


async def _ask(command: Sequence[str], told: str) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate(told.encode())
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode("utf-8", "replace").strip()
    return text if process.returncode == 0 and text else None
