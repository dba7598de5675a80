"""The multiplexer tmux, controlled with its own commands."""

from __future__ import annotations

import asyncio
import re

from tray.actions.attach.terminal import Detached, MultiplexerClient, ShownPane
from tray.system.subprocesses import CompletedRun, run
from tray.system.terminal_processes import TerminalProcess, terminal_process_of


class Tmux:
    """A Multiplexer."""

    name = "tmux"

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names a tmux socket and pane."""
        return _socket(process) is not None and bool(re.fullmatch(r"%\d+", process.variable("TMUX_PANE")))

    async def show_pane(self, process: TerminalProcess) -> ShownPane | Detached | None:
        """Show the pane in a client that shows its session, else in the client that was used last."""
        socket, pane = _socket(process) or "", process.variable("TMUX_PANE")
        form = "#{session_id} #{window_id} #{pane_tty}"
        listed = await _tmux(socket, "list-panes", "-a", "-f", f"#{{==:#{{pane_id}},{pane}}}", "-F", form)
        rows = [line.split(" ") for line in listed.out.splitlines() if line.count(" ") == 2]
        windows = {session: window for session, window, _ in rows}  # a window may be linked into several sessions
        if not windows or (process.tty and all(tty != process.tty for _, _, tty in rows)):
            return None  # the pane was closed, or the socket belongs to another server with another pane of this ID
        client = await _best_client(socket, windows)
        if client is None:
            session, window = next(iter(windows.items()))
            await _tmux(socket, "select-window", "-t", f"{session}:{window}")
            await _tmux(socket, "select-pane", "-t", pane)
            return Detached(["tmux", "-S", socket, "attach-session", "-t", session])
        tty, pid, session = client
        if session in windows:  # `switch-client` would close the windows of an iTerm2 (`tmux -CC`) on this session
            await _tmux(socket, "select-window", "-t", f"{session}:{windows[session]}")
            done = await _tmux(socket, "select-pane", "-t", pane)
        else:
            session, window = next(iter(windows.items()))
            done = await _tmux(socket, "switch-client", "-c", tty, "-t", f"{session}:{window}.{pane}")
        return ShownPane(await _client_process(pid, tty)) if done.ok else None

    async def pane_title(self, process: TerminalProcess) -> str:
        """Return the title of the pane of the process; "" if it is unknown."""
        pane = process.variable("TMUX_PANE")
        shown = await _tmux(_socket(process) or "", "display-message", "-p", "-t", pane, "#{pane_title}")
        return shown.out.strip() if shown.ok else ""

    async def clients_showing(self, process: TerminalProcess) -> list[MultiplexerClient] | None:
        """Return the clients in whose window the pane is active; None if one of them is in control mode (`-CC`)."""
        names = ("client_control_mode", "pane_id", "pane_tty", "client_pid", "focus-events", "client_termfeatures",
                 "client_flags", "pane_title")  # fmt: skip
        form = " ".join(f"#{{{name}}}" for name in names)
        listed = await _tmux(_socket(process) or "", "list-clients", "-F", form)
        if not listed.ok:
            return None
        rows = [line.split(" ", len(names) - 1) for line in listed.out.splitlines()]
        clients: list[MultiplexerClient] = []
        for control, pane, tty, pid, *focus, title in (row for row in rows if len(row) == len(names)):
            if pane != process.variable("TMUX_PANE") or process.tty not in ("", tty):
                continue
            if control == "1":
                return None
            clients.append(MultiplexerClient(await _client_process(int(pid)), _has_focus(*focus), title))
        return clients


def _has_focus(events: str, features: str, flags: str) -> bool | None:
    """Return whether the client's terminal has the focus; None if its terminal does not report the focus.

    tmux flags a client as focused until its terminal reports otherwise. A terminal does that if it has the feature and
    tmux's option `focus-events` is on. tmux before 3.2 has neither features nor flags.
    """
    if not flags:
        return None
    if "focused" not in flags.split(","):
        return False
    return True if events == "1" and "focus" in features.split(",") else None


async def _best_client(socket: str, windows: dict[str, str]) -> tuple[str, int, str] | None:
    """Return the tty, process ID and session of the client to use; None if there is no client."""
    form = "#{client_control_mode} #{client_activity} #{client_pid} #{session_id} #{client_tty}"
    listed = await _tmux(socket, "list-clients", "-F", form)
    clients = [line.split(" ", 4) for line in listed.out.splitlines() if line.count(" ") >= 4]
    visible = [client for client in clients if client[0] != "1"]  # a client in control mode shows nothing itself
    if not visible:
        return None
    _, _, pid, session, tty = max(visible, key=lambda client: (client[3] in windows, int(client[1])))
    return tty, int(pid), session


async def _client_process(pid: int, tty: str = "") -> TerminalProcess:
    return await asyncio.to_thread(terminal_process_of, pid) or TerminalProcess(pid, tty)


def _socket(process: TerminalProcess) -> str | None:
    socket = process.variable("TMUX").partition(",")[0]
    return socket if socket.startswith("/") else None


async def _tmux(socket: str, *words: str) -> CompletedRun:
    return await run(["tmux", "-u", "-S", socket, *words])  # -u: without it, tmux replaces non-ASCII text with _
