"""The submenu of one session, and the submenu that mutes notifications."""

from __future__ import annotations

from collections.abc import Mapping

from tray.core.commands import SESSION_COMMAND_RECORDS, CopyText, Mute, MuteSpan, Unmute
from tray.core.fleet import Fleet
from tray.core.session_commands import SESSION_COMMANDS, SessionCommandInfo
from tray.core.session_index import SessionRow, project_scope
from tray.core.sessions import SessionKey, Status, session_scope
from tray.core.text import wrap
from tray.surfaces.menu.items import Entry, Item, Separator
from tray.surfaces.session_choices import agent_commands
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
    browser = ("browser",) if row.server.url is not None else ()
    navigation = [command_item(name, row.key) for name in ("attach", *browser, "copy-command", "copy-id")]
    notifications: list[Entry] = [
        Item("mute", mute_label(fleet.mutes, scope, "this session"), children=mute_menu(fleet.mutes, scope)),
        Item(
            "mute-project", mute_label(fleet.mutes, project, "this project"), children=mute_menu(fleet.mutes, project)
        ),
    ]
    if row.status in (Status.ERROR, Status.COMPLETED):
        notifications.append(command_item("dismiss", row.key))
    actions = _actions(fleet, row) if row.server.live else []
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
    """Return the commands that OpenCode runs on the session. Destructive ones have to be confirmed in a submenu."""
    return [
        Separator("actions"),
        *(
            _confirmed(info, row.key, confirmation) if confirmation else command_item(info.name, row.key)
            for info, confirmation in agent_commands(fleet, row)
        ),
    ]


def command_item(name: str, key: SessionKey) -> Item:
    """Return the item of a session command, by its name in the command table."""
    return Item(name, SESSION_COMMANDS[name].menu_label, SESSION_COMMAND_RECORDS[name](key))


def _confirmed(info: SessionCommandInfo, key: SessionKey, confirmation: str) -> Item:
    """Return the item of a destructive command, which runs from its submenu."""
    label = f"Confirm: {confirmation[0].lower()}{confirmation[1:]}"
    return Item(info.name, info.menu_label, children=(Item("confirm", label, SESSION_COMMAND_RECORDS[info.name](key)),))


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
