"""The multiplexer Zellij. It can be told to focus a pane by its id since 0.44 (zellij-org/zellij pull 4926)."""

from __future__ import annotations

import asyncio
import re

import psutil

from tray.actions.attach.rung import Detached, Shown
from tray.system.processes import Seat, seat_of
from tray.system.run import run


class Zellij:
    """A Multiplexer."""

    name = "Zellij"

    def detect(self, seat: Seat) -> bool:
        """Whether Zellij told the program of its session and its pane."""
        return bool(_session(seat)) and seat.variable("ZELLIJ_PANE_ID").isdigit()

    async def go(self, seat: Seat) -> Shown | Detached | None:
        """Focus the pane in the client that was used last; with an older Zellij show at least its session."""
        session = _session(seat)
        client = await asyncio.to_thread(_client, session)
        if client is None:
            return Detached(["zellij", "attach", session])
        pane = f"terminal_{seat.variable('ZELLIJ_PANE_ID')}"
        focused = await run(["zellij", "--session", session, "action", "focus-pane-id", pane])
        return Shown(client, exact=focused.ok)


def _session(seat: Seat) -> str:
    """The session's name, unless it could be taken for an option."""
    name = seat.variable("ZELLIJ_SESSION_NAME")
    return name if re.fullmatch(r"[^-\x00-\x1f][^\x00-\x1f]*", name) else ""


def _client(session: str) -> Seat | None:
    """The terminal in which a client of this session runs, the newest of several."""
    clients = [
        (session in (process.info["cmdline"] or []), process.info["create_time"] or 0, process.pid)
        for process in psutil.process_iter(["name", "cmdline", "create_time"])
        if process.info["name"] == "zellij" and "--server" not in (process.info["cmdline"] or [])
    ]
    named = [client for client in clients if client[0]]
    likely = named or (clients if len(clients) == 1 else [])  # one that made its session says no name
    seats = (seat_of(pid) for _, _, pid in sorted(likely, reverse=True))
    return next((seat for seat in seats if seat is not None and seat.tty), None)
