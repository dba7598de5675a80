"""Ask the user for a line of text in a dialog of the desktop."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from html import escape

from tray.system.subprocesses import run

DIALOG_TIMEOUT = 600.0  # s; an unanswered dialog is closed then

_SCRIPT = """on run argv
return text returned of (display dialog (item 2 of argv) with title (item 1 of argv) default answer (item 3 of argv))
end run"""
_INPUT_BOX = (
    "Add-Type -AssemblyName Microsoft.VisualBasic; $a = [Console]::In.ReadToEnd() -split [char]31; "
    "[Console]::OutputEncoding = [Text.Encoding]::UTF8; "
    "[Microsoft.VisualBasic.Interaction]::InputBox($a[1], $a[0], $a[2])"
)

Ask = Callable[[str, str, str], Awaitable["str | None"]]
"""(title, question, default) -> the text that the user typed, or None."""

DialogArguments = Callable[[str, str, str], Sequence[str]]


def _zenity(title: str, question: str, default: str) -> Sequence[str]:
    """Zenity and yad read the question as Pango markup, with a backslash for an escape."""
    markup = escape(question, quote=False).replace("\\", "\\\\")
    return ["--entry", f"--title={title}", f"--text={markup}", f"--entry-text={default}"]


def _kdialog(title: str, question: str, default: str) -> Sequence[str]:
    """A leading space keeps text that begins with a dash from being an option; it is stripped from the answer."""
    return ["--title", f" {title}", "--inputbox", f" {question}", f" {default}" if default else ""]


DIALOGS: dict[str, Sequence[tuple[str, DialogArguments]]] = {
    "linux": (("zenity", _zenity), ("kdialog", _kdialog), ("yad", _zenity)),
    "darwin": (("osascript", lambda title, question, default: ["-e", _SCRIPT, "--", title, question, default]),),
    "win32": (("powershell", lambda *_: ["-NoProfile", "-Command", _INPUT_BOX]),),
}


class NoDialogError(Exception):
    """No dialog program is installed."""


async def ask_text(title: str, question: str, default: str) -> str | None:
    """Return the text that the user typed; None if the dialog was cancelled or open for DIALOG_TIMEOUT.

    The texts are separate arguments or standard input, never part of a script. Raises NoDialogError.
    """
    title, question, default = (text.replace("\0", "") for text in (title, question, default))
    for program, arguments in DIALOGS.get(sys.platform, ()):
        if shutil.which(program) is not None:
            command, stdin = [program, *arguments(title, question, default)], f"{title}\x1f{question}\x1f{default}"
            result = await run(command, timeout=DIALOG_TIMEOUT, stdin=stdin)
            return (result.out.strip() or None) if result.ok else None
    raise NoDialogError
