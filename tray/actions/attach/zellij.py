"""The multiplexer Zellij. It can be told to focus a pane by its id since 0.44 (zellij-org/zellij pull 4926).

A recent one tells which pane each of its clients shows, in words alone: `action list-clients` has no JSON.
"""

from __future__ import annotations

import asyncio
import re

import psutil

from tray.actions.attach.terminal import Detached, Shown, Viewer
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess, terminal_process_of


class Zellij:
    """A Multiplexer."""

    name = "Zellij"

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether Zellij told the program of its session and its pane."""
        return bool(_session(seat)) and seat.variable("ZELLIJ_PANE_ID").isdigit()

    async def go(self, seat: TerminalProcess) -> Shown | Detached | None:
        """Focus the pane in the client that was used last; with an older Zellij show at least its session."""
        session = _session(seat)
        clients = await asyncio.to_thread(_clients, session)
        if not clients:
            return Detached(["zellij", "attach", session])
        focused = await run(["zellij", "--session", session, "action", "focus-pane-id", _pane(seat)])
        return Shown(clients[0], exact=focused.ok)

    async def viewers(self, seat: TerminalProcess) -> list[Viewer] | None:
        """The session's clients, if all of them show the pane: which of several does, no terminal can be told."""
        session = _session(seat)
        told = await run(["zellij", "--session", session, "action", "list-clients"])
        shown = {line.split()[1] for line in told.out.splitlines()[1:] if len(line.split()) > 1}
        if not shown:
            return None
        if _pane(seat) not in shown:
            return []
        if len(shown) > 1:
            return None
        return [Viewer(client) for client in await asyncio.to_thread(_clients, session)]


def _pane(seat: TerminalProcess) -> str:
    return f"terminal_{seat.variable('ZELLIJ_PANE_ID')}"


def _session(seat: TerminalProcess) -> str:
    """The session's name, unless it could be taken for an option."""
    name = seat.variable("ZELLIJ_SESSION_NAME")
    return name if re.fullmatch(r"[^-\x00-\x1f][^\x00-\x1f]*", name) else ""


def _clients(session: str) -> list[TerminalProcess]:
    """The terminals in which clients of this session run, the newest first."""
    clients = [
        (session in (process.info["cmdline"] or []), process.info["create_time"] or 0, process.pid)
        for process in psutil.process_iter(["name", "cmdline", "create_time"])
        if process.info["name"] == "zellij" and "--server" not in (process.info["cmdline"] or [])
    ]
    named = [client for client in clients if client[0]]
    likely = named or (clients if len(clients) == 1 else [])  # one that made its session says no name
    seats = (terminal_process_of(pid) for _, _, pid in sorted(likely, reverse=True))
    return [seat for seat in seats if seat is not None and seat.tty]
