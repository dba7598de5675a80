"""Which commands apply to a session now, and what a destructive one asks. Used by the menu and the page."""

from __future__ import annotations

from collections.abc import Iterator

from tray.core.fleet import Fleet
from tray.core.session_commands import SESSION_SUBCOMMANDS, SessionCommandInfo
from tray.core.session_index import SessionRow
from tray.core.sessions import Status
from tray.core.text import counted, shorten
from tray.surfaces.session_text import title


def agent_commands(fleet: Fleet, row: SessionRow) -> Iterator[tuple[SessionCommandInfo, str]]:
    """Yield the commands that the agent runs on the session, each with what it asks first; "": it does not ask."""
    if not row.server.live:
        return
    subagents = len(fleet.tree(row.key)) - 1
    also = f" and {counted(subagents, 'subagent session', 'subagent sessions')}" if subagents else ""
    name = f"“{shorten(title(row.session), 40)}”"
    is_working = row.status.urgency <= Status.BUSY.urgency and row.status is not Status.ERROR
    for info in SESSION_SUBCOMMANDS:
        if row.server.supports(info.method) and (info.name != "stop" or is_working):
            yield info, info.confirmation.format(session=name + also if info.name == "delete" else name)
