"""The submenu of one session, and the submenu that mutes notifications."""

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

TITLE_COLUMNS, TITLE_LINES = 60, 4  # of a session's full title


def session_entries(fleet: Fleet, row: SessionRow, at: int) -> tuple[Entry, ...]:
    """Return a session's full title, the commands that apply to it, and its details."""
    session = row.session
    scope, project = session_scope(session.id), project_scope(session.directory or row.server.directory)
    full_title: list[Entry] = [
        Item(f"title-{number}", line, CopyText(title(session)))
        for number, line in enumerate(wrap(title(session), TITLE_COLUMNS)[:TITLE_LINES])
    ]
    navigation: list[Entry] = [Item("go", "Go to session", OpenSession(row.key))]
    if row.server.url is not None:
        navigation.append(Item("browser", "Open in browser", OpenInBrowser(row.key)))
    navigation += [
        Item("copy-command", "Copy attach command", CopyAttachCommand(row.key)),
        Item("copy-id", "Copy session ID", CopySessionID(row.key)),
    ]
    notifications: list[Entry] = [
        Item("mute", mute_label(fleet.mutes, scope, "this session"), children=mute_menu(fleet.mutes, scope)),
        Item(
            "mute-project", mute_label(fleet.mutes, project, "this project"), children=mute_menu(fleet.mutes, project)
        ),
    ]
    if row.status in (Status.ERROR, Status.COMPLETED):
        notifications.append(Item("dismiss", "Dismiss", DismissSession(row.key)))
    actions = _actions(fleet, row) if row.server.live and not row.server.read_only_reason else []
    detail_rows = [Item(key, text, CopyText(text)) for key, text in details(row, fleet, at)]
    return (
        *full_title,
        Separator("title"),
        *navigation,
        Separator("navigation"),
        *notifications,
        *actions,
        Separator("details"),
        *detail_rows,
    )


def _actions(fleet: Fleet, row: SessionRow) -> list[Entry]:
    """Return what OpenCode can do with the session. Stop and delete have to be confirmed in a submenu."""
    key, name = row.key, shorten(title(row.session), 40)
    subagents = len(fleet.tree(key)) - 1
    also = f" and {counted(subagents, 'subagent session', 'subagent sessions')}" if subagents else ""
    confirm_delete = Item("confirm", f"Confirm: permanently delete “{name}”{also}", DeleteSession(key))
    actions: list[Entry] = [
        Item("prompt", "Send a prompt…", PromptSession(key)),
        Item("fork", "Fork", ForkSession(key)),
        Item("rename", "Rename…", RenameSession(key)),
        Item("archive", "Archive", ArchiveSession(key)),
        Item("delete", "Delete", children=(confirm_delete,)),
    ]
    if row.status.urgency <= Status.BUSY.urgency and row.status is not Status.ERROR:
        confirm_stop = Item("confirm", f"Confirm: stop “{name}”", StopTurn(key))
        actions.insert(0, Item("stop", "Stop", children=(confirm_stop,)))
    return [Separator("actions"), *actions]


def mute_label(mutes: Mapping[str, int], scope: str, what: str = "notifications") -> str:
    """Return the label of the mute submenu: "Mute …", or "… muted until …" if the scope is muted."""
    until = mutes.get(scope)
    if until is None:
        return f"Mute {what}"
    time = local_time(until)
    end = "" if time is None else f" until {time:%a %H:%M}"
    return f"{what.capitalize()} muted{end}"


def mute_menu(mutes: Mapping[str, int], scope: str) -> tuple[Entry, ...]:
    """Return the durations for which the scope can be muted, below *Unmute* if it is muted."""
    spans: list[Entry] = [
        Item(span.name.lower(), span.value[0].upper() + span.value[1:], Mute(scope, span)) for span in MuteSpan
    ]
    return (Item("unmute", "Unmute", Unmute(scope)), *spans) if scope in mutes else tuple(spans)
