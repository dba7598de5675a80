"""Find the terminals that show a session of Codex' daemon.

Codex does not report which terminal shows which session. The environment of its hooks names the terminal in which the
daemon was started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

from tray.actions.attach.terminal_focus import TITLE_LENGTH, shown_title
from tray.agents.codex.home import CodexHome, home_folder
from tray.agents.codex.processes import running_processes
from tray.system.terminal_processes import TerminalProcess, program_terminals

PROGRAM = "codex"
WITHOUT_DAEMON = "--no-daemon"


async def codex_terminals(directory: str, session_id: str, titles: Collection[str]) -> list[TerminalProcess]:
    """Return the terminals that show a session, or one of several sessions with these titles (`session_id` is "").

    They are those that were started with the session; else the only one in its directory; else those with its title.
    """
    clients = await asyncio.to_thread(_clients)
    started = [client for client in clients if session_id and _started_with(client) == session_id]
    if started:
        return started
    possible = [client for client in clients if client.directory == directory]
    if session_id:
        possible = [client for client in possible if not _started_with(client)]
    if len(possible) < 2:
        return possible
    return [client for client in possible if _names_any(await shown_title(client), titles)]


def _clients() -> list[TerminalProcess]:
    """Return the terminals of the daemon, the newest first. A process with threads of its own does not use it."""
    home = CodexHome(home_folder(os.environ, Path.home()))
    alone = {process.pid for process in running_processes(home)}
    clients = program_terminals(PROGRAM)
    return [client for client in clients if client.pid not in alone and WITHOUT_DAEMON not in client.arguments]


def _started_with(process: TerminalProcess) -> str:
    """Return the session that the process was started with, or ""."""
    pairs = zip(process.arguments, process.arguments[1:], strict=False)
    return next((word for before, word in pairs if before == "resume" and word[:1] != "-"), "")


def _names_any(terminal_title: str, titles: Collection[str]) -> bool:
    """Return whether a title such as "⠙ Fix the tests | project" names one of the sessions."""
    return any(title[:TITLE_LENGTH] in terminal_title for title in titles if title)
