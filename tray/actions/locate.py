"""Where a session can be found, in one line: its terminal, its web page, or the command that opens it."""

from __future__ import annotations

import shlex

from tray.core.model import Place, Server, Session


def where(session: Session, server: Server) -> str:
    """What a person has to know to get there by hand."""
    seat = _seat(server.place)
    directory = session.directory or server.directory
    if server.url is not None:
        command = ["opencode", "attach", server.url, "--session", session.id, "--dir", directory]
    else:
        command = ["opencode", directory, "--session", session.id]
    host = f" on {server.host}" if server.place.ssh else ""
    return f"{seat}{host}\n{shlex.join(command)}" if seat else shlex.join(command) + host


def _seat(place: Place) -> str:
    if place.tmux_pane:
        return f"In tmux, pane {place.tmux_pane}"
    if place.zellij:
        return f"In zellij session {place.zellij}"
    if place.terminal:
        return f"In {place.terminal}" + (f" ({place.tty})" if place.tty else "")
    return f"In the terminal {place.tty}" if place.tty else ""
