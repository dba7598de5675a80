"""The submenus: what can be done with one session, and for how long notifications can be muted."""

from __future__ import annotations

from collections.abc import Mapping

from tray.core.commands import (
    ArchiveSession,
    CopyAttachCommand,
    CopySessionID,
    CopyText,
    DeleteSession,
    DismissSession,
    ForkSession,
    Mute,
    MuteSpan,
    OpenInBrowser,
    OpenSession,
    PromptSession,
    RenameSession,
    StopTurn,
    Unmute,
)
from tray.core.fleet import Fleet
from tray.core.model import Status
from tray.core.session_index import SessionRow, project_scope, session_scope
from tray.core.text import counted, shorten, wrap
from tray.surfaces.menu.items import Entry, Item, Separator
from tray.surfaces.session_text import details, title
from tray.system.local_time import local_time

TITLE, TITLE_LINES = 60, 4  # columns and lines of a session's full title


def session_entries(fleet: Fleet, row: SessionRow, at: int) -> tuple[Entry, ...]:
    """All that can be done with a session and all that is known of it, below its full title."""
    session = row.session
    scope, place = session_scope(session.id), project_scope(session.directory or row.server.directory)
    name: list[Entry] = [
        Item(f"title-{number}", line, CopyText(title(session)))
        for number, line in enumerate(wrap(title(session), TITLE)[:TITLE_LINES])
    ]
    ways: list[Entry] = [Item("go", "Go there", OpenSession(row.key))]
    if row.server.url is not None:
        ways.append(Item("browser", "Open in browser", OpenInBrowser(row.key)))
    ways += [
        Item("copy-command", "Copy attach command", CopyAttachCommand(row.key)),
        Item("copy-id", "Copy session ID", CopySessionID(row.key)),
    ]
    quiet: list[Entry] = [
        Item("mute", mute_label(fleet.mutes, scope, "this session"), children=mute_menu(fleet.mutes, scope)),
        Item("mute-project", mute_label(fleet.mutes, place, "this project"), children=mute_menu(fleet.mutes, place)),
    ]
    if row.status in (Status.ERROR, Status.COMPLETED):
        quiet.append(Item("dismiss", "Dismiss", DismissSession(row.key)))
    deeds = _deeds(fleet, row) if row.server.live and not row.server.read_only_reason else []
    told = [Item(key, text, CopyText(text)) for key, text in details(row, fleet, at)]
    return (*name, Separator("title"), *ways, Separator("ways"), *quiet, *deeds, Separator("details"), *told)


def _deeds(fleet: Fleet, row: SessionRow) -> list[Entry]:
    """What OpenCode can do with a session; what cannot be undone asks again."""
    key, name = row.key, shorten(title(row.session), 40)
    below = len(fleet.tree(key)) - 1
    also = f" and {counted(below, 'subagent session', 'subagent sessions')}" if below else ""
    deeds: list[Entry] = [
        Item("prompt", "Send a prompt…", PromptSession(key)),
        Item("fork", "Fork", ForkSession(key)),
        Item("rename", "Rename…", RenameSession(key)),
        Item("archive", "Archive", ArchiveSession(key)),
        Item("delete", "Delete", children=(Item("sure", f"Yes, delete “{name}”{also} for good", DeleteSession(key)),)),
    ]
    if row.status.urgency <= Status.BUSY.urgency and row.status is not Status.ERROR:
        deeds.insert(0, Item("stop", "Stop", children=(Item("sure", f"Yes, stop “{name}”", StopTurn(key)),)))
    return [Separator("deeds"), *deeds]


def mute_label(mutes: Mapping[str, int], scope: str, what: str = "notifications") -> str:
    """Whether a scope is muted, and until when."""
    until = mutes.get(scope)
    if until is None:
        return f"Mute {what}"
    time = local_time(until)
    end = "" if time is None else f" until {time:%a %H:%M}"
    return f"{what.capitalize()} muted{end}"


def mute_menu(mutes: Mapping[str, int], scope: str) -> tuple[Entry, ...]:
    """For how long a scope can be muted, and how to end that."""
    spans: list[Entry] = [
        Item(span.name.lower(), span.value[0].upper() + span.value[1:], Mute(scope, span)) for span in MuteSpan
    ]
    return (Item("unmute", "Unmute", Unmute(scope)), *spans) if scope in mutes else tuple(spans)
