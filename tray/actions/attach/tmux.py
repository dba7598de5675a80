"""The multiplexer tmux: its own commands choose the client, the window and the pane."""

from __future__ import annotations

import asyncio
import re

from tray.actions.attach.terminal import Detached, Shown, Viewer
from tray.system.subprocesses import CompletedRun, run
from tray.system.terminal_processes import TerminalProcess, terminal_process_of


class Tmux:
    """A Multiplexer."""

    name = "tmux"

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether tmux told the program of its socket and its pane."""
        return _socket(seat) is not None and bool(re.fullmatch(r"%\d+", seat.variable("TMUX_PANE")))

    async def go(self, seat: TerminalProcess) -> Shown | Detached | None:
        """Show the pane in the client that looks at its session, else in the one that was used last."""
        socket, pane = _socket(seat) or "", seat.variable("TMUX_PANE")
        form = "#{session_id} #{window_id} #{pane_tty}"
        listed = await _tmux(socket, "list-panes", "-a", "-f", f"#{{==:#{{pane_id}},{pane}}}", "-F", form)
        places = {line.split(" ")[0]: line.split(" ") for line in listed.out.splitlines() if line.count(" ") == 2}
        if not places or (seat.tty and all(tty != seat.tty for _, _, tty in places.values())):
            return None  # gone; or another server took the socket over, and this pane is another one
        best = await _client(socket, places)
        if best is None:
            session, window, _ = next(iter(places.values()))
            await _tmux(socket, "select-window", "-t", f"{session}:{window}")
            await _tmux(socket, "select-pane", "-t", pane)
            return Detached(["tmux", "-S", socket, "attach-session", "-t", session])
        tty, pid, session = best
        where = places.get(session) or next(iter(places.values()))
        if session in places:  # `switch-client` would close the windows of an iTerm2 (`-CC`) that looks at it as well
            await _tmux(socket, "select-window", "-t", f"{where[0]}:{where[1]}")
            shown = await _tmux(socket, "select-pane", "-t", pane)
        else:
            shown = await _tmux(socket, "switch-client", "-c", tty, "-t", f"{where[0]}:{where[1]}.{pane}")
        if not shown.ok:
            return None
        found = await asyncio.to_thread(terminal_process_of, pid)
        return Shown(found if found is not None else TerminalProcess(pid, tty))

    async def viewers(self, seat: TerminalProcess) -> list[Viewer] | None:
        """The clients in whose window the pane is the active one; None where only a program steers tmux (`-CC`)."""
        names = ("client_control_mode", "pane_id", "pane_tty", "client_pid", "focus-events", "client_termfeatures",
                 "client_flags", "pane_title")  # fmt: skip
        form = " ".join(f"#{{{name}}}" for name in names)
        listed = await _tmux(_socket(seat) or "", "list-clients", "-F", form)
        if not listed.ok:
            return None
        clients = [line.split(" ", len(names) - 1) for line in listed.out.splitlines()]
        shown: list[Viewer] = []
        for control, pane, tty, pid, *focus, title in (client for client in clients if len(client) == len(names)):
            if pane != seat.variable("TMUX_PANE") or seat.tty not in ("", tty):
                continue
            if control == "1":
                return None
            found = await asyncio.to_thread(terminal_process_of, int(pid))
            shown.append(Viewer(found if found is not None else TerminalProcess(int(pid)), _has_focus(*focus), title))
        return shown


def _has_focus(events: str, features: str, flags: str) -> bool | None:
    """A client counts as focused until its terminal says otherwise; only some terminals do, and only if told to.

    tmux before 3.2 knows of no features and no flags.
    """
    if not flags:
        return None
    if "focused" not in flags.split(","):
        return False
    return True if events == "1" and "focus" in features.split(",") else None


async def _client(socket: str, sessions: dict[str, list[str]]) -> tuple[str, int, str] | None:
    """The terminal, process and session of the client to use; None where nobody looks."""
    form = "#{client_control_mode} #{client_activity} #{client_pid} #{session_id} #{client_tty}"
    listed = await _tmux(socket, "list-clients", "-F", form)
    clients = [line.split(" ", 4) for line in listed.out.splitlines() if line.count(" ") >= 4]
    people = [client for client in clients if client[0] != "1"]  # a program that steers tmux shows nothing
    if not people:
        return None
    _, _, pid, session, tty = max(people, key=lambda client: (client[3] in sessions, int(client[1])))
    return tty, int(pid), session


def _socket(seat: TerminalProcess) -> str | None:
    socket = seat.variable("TMUX").partition(",")[0]
    return socket if socket.startswith("/") else None


async def _tmux(socket: str, *words: str) -> CompletedRun:
    return await run(["tmux", "-u", "-S", socket, *words])  # -u: or it writes _ for what is not ASCII
