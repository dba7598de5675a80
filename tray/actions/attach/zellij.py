"""The multiplexer Zellij. Since 0.44 it can focus a pane by its ID (zellij-org/zellij pull 4926).

Recent versions list the pane that each client shows, as plain text: `action list-clients` has no JSON output.
"""

from __future__ import annotations

import asyncio
import re

import psutil

from tray.actions.attach.terminal import Detached, MultiplexerClient, ShownPane
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess, terminal_process_of


class Zellij:
    """A Multiplexer."""

    name = "Zellij"

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names a Zellij session and pane."""
        return bool(_session(process)) and process.variable("ZELLIJ_PANE_ID").isdigit()

    async def show_pane(self, process: TerminalProcess) -> ShownPane | Detached | None:
        """Focus the pane in the newest client; before Zellij 0.44 that client shows only the session."""
        session = _session(process)
        clients = await asyncio.to_thread(_clients, session)
        if not clients:
            return Detached(["zellij", "attach", session])
        focused = await run(["zellij", "--session", session, "action", "focus-pane-id", _pane(process)])
        return ShownPane(clients[0], exact=focused.ok)

    async def pane_title(self, process: TerminalProcess) -> str:  # noqa: ARG002  # of the interface
        """Return "": Zellij does not report the titles of panes."""
        return ""

    async def clients_showing(self, process: TerminalProcess) -> list[MultiplexerClient] | None:
        """Return the clients of the session if all show the pane; None if only some do: Zellij does not say which."""
        session = _session(process)
        listed = await run(["zellij", "--session", session, "action", "list-clients"])
        panes = {line.split()[1] for line in listed.out.splitlines()[1:] if len(line.split()) > 1}
        if not panes:
            return None
        if _pane(process) not in panes:
            return []
        if len(panes) > 1:
            return None
        return [MultiplexerClient(client) for client in await asyncio.to_thread(_clients, session)]


def _pane(process: TerminalProcess) -> str:
    return f"terminal_{process.variable('ZELLIJ_PANE_ID')}"


def _session(process: TerminalProcess) -> str:
    """Return the session's name, or "" if a command could take it for an option."""
    name = process.variable("ZELLIJ_SESSION_NAME")
    return name if re.fullmatch(r"[^-\x00-\x1f][^\x00-\x1f]*", name) else ""


def _clients(session: str) -> list[TerminalProcess]:
    """Return the clients of this session that run in a terminal, the newest first."""
    clients = [
        (session in (process.info["cmdline"] or []), process.info["create_time"] or 0, process.pid)
        for process in psutil.process_iter(["name", "cmdline", "create_time"])
        if process.info["name"] == "zellij" and "--server" not in (process.info["cmdline"] or [])
    ]
    named = [client for client in clients if client[0]]
    likely = named or (clients if len(clients) == 1 else [])  # the client that created its session does not name it
    processes = (terminal_process_of(pid) for _, _, pid in sorted(likely, reverse=True))
    return [process for process in processes if process is not None and process.tty]
