"""What to do when no terminal can show a session: open its web page, or give the user the command."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Sequence

from tray.core.commands import CommandResult
from tray.system import clipboard
from tray.system.display import has_display
from tray.system.programs import UnsafeArgumentError, shell_join


async def open_page(url: str) -> bool:
    """Open a web page in the user's browser; return whether that worked."""
    return await asyncio.to_thread(_open_page, url)


def _open_page(url: str) -> bool:
    if not has_display():
        return False  # a text browser would take over the tray's own terminal
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


async def copy(text: str) -> CommandResult:
    """Copy a text to the clipboard. Without a clipboard, the message contains the text."""
    if await clipboard.copy(text):
        return CommandResult(f"Copied: {text}")
    return CommandResult(f"No clipboard found: {text}", ok=False)


async def give_command(command: Sequence[str], reason: str) -> CommandResult:
    """Copy a command to the clipboard for the user to run. `reason` says why the tray did not run it."""
    try:
        line = shell_join(command)
    except UnsafeArgumentError as error:
        return CommandResult(f"{reason}. {error}", ok=False)
    copied = await clipboard.copy(line)
    instruction = "The command that opens it is on the clipboard" if copied else f"Run: {line}"
    return CommandResult(f"{reason}. {instruction}", ok=False)


async def page_or_command(page: str | None, command: Sequence[str], reason: str) -> CommandResult:
    """Open the session's web page, or else give the user the command. `reason` says why no terminal was opened."""
    if page is not None and await open_page(page):
        return CommandResult(f"{reason}. Opened the web page instead", as_requested=False)
    return await give_command(command, reason)
