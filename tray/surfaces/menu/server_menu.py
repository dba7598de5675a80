"""The *Servers* submenu: every OpenCode that is known, what runs beside it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from tray.core.commands import (
    AttachServer,
    CleanServers,
    CopyServerAddress,
    OpenServer,
    PromptServer,
    RestartServer,
    ShowServerLog,
    StartServer,
    StopServer,
    StopServers,
)
from tray.core.model import Server, Service, Source
from tray.core.text import shorten, shorten_path, wrap
from tray.surfaces.menu.items import Entry, Item, Separator

COLUMNS = 60
FOLDERS = 8  # that a server can be started in with one click
SERVICES = 12  # shown of one server; the rest `serve status` tells

_MARKS = {"connected": "●", "failed": "✕", "error": "✕", "disabled": "○"}
_SEEN = {
    Source.PLUGIN: "by its plugin",
    Source.HTTP: "over HTTP",
    Source.DASHBOARD: "by opencode-dashboard's plugin",
    Source.LOCAL: "from outside, by its files",
}


def server_entries(server: Server, *, started_here: bool) -> tuple[Entry, ...]:
    """A server's line, and under it what is known of it and what can be done with it."""
    state = "" if server.connected else " — disconnected"
    if server.problem:
        state = f" — {shorten(server.problem, 40)}"
    elif not server.verified:
        state += " — watch only"
    bad = sum(1 for service in server.services if service.status in ("failed", "error"))
    if bad:
        state += f" — {bad} of its servers failed"
    port = f":{urlsplit(server.url).port}" if server.url else ""
    kind = "seen from outside" if server.source is Source.LOCAL else f"OpenCode {server.opencode or '?'}"
    label = f"{server.name}{port}@{server.host} · {kind}"
    children = (*_told(server), *_services(server.services), *_deeds(server, started_here=started_here))
    return (Item(server.id, shorten(label, 50) + state, children=children),)


def _told(server: Server) -> list[Entry]:
    lines = [
        shorten_path(server.directory, COLUMNS),
        server.url or "no HTTP server",
        f"process {server.pid}" if server.pid else "",
        f"seen {_SEEN[server.source]}",
        f"branch {server.branch}" if server.branch else "",
        *wrap(server.read_only_reason, COLUMNS),
    ]
    return [Item(f"told-{number}", shorten(line, COLUMNS)) for number, line in enumerate(lines) if line]


def _services(services: Collection[Service]) -> list[Entry]:
    if not services:
        return []
    lines: list[Entry] = [Separator("services")]
    for service in list(services)[:SERVICES]:
        why = f": {service.why}" if service.why else ""
        told = f"{_MARKS.get(service.status, '◐')} {service.kind.upper()} {service.name} — {service.status}{why}"
        lines.append(Item(f"service-{service.kind}-{service.name}", shorten(told, COLUMNS)))
    if len(services) > SERVICES:
        lines.append(Item("services-more", f"… and {len(services) - SERVICES} more"))
    return lines


def _deeds(server: Server, *, started_here: bool) -> list[Entry]:
    """Only of a server with an address: a terminal UI is a person's to deal with."""
    url = server.url
    if url is None or not server.verified:
        return []
    deeds: list[Entry] = [
        Separator("deeds"),
        Item("open", "Open in browser", OpenServer(url)),
        Item("attach", "Attach in a terminal", AttachServer(url)),
        Item("prompt", "Send a prompt…", PromptServer(url)),
        Item("copy", "Copy its address", CopyServerAddress(url)),
    ]
    if started_here:
        sure = Item("sure", f"Yes, stop it and what it works on: {shorten(server.name, 30)}", StopServer(url))
        deeds += [
            Item("log", "Show its log", ShowServerLog(url)),
            Item("restart", "Restart", RestartServer(url)),
            Item("stop", "Stop", children=(sure,)),
        ]
    return deeds


def starting_entries(folders: Iterable[str], *, any_started: bool) -> tuple[Entry, ...]:
    """Starting servers, in the folders that there are sessions in or in another one; and ending what was started."""
    known = sorted({folder for folder in folders if folder})[:FOLDERS]
    places: list[Entry] = [Item(f"in:{folder}", shorten_path(folder, COLUMNS), StartServer(folder)) for folder in known]
    places.append(Item("elsewhere", "Another folder…", StartServer()))
    entries: list[Entry] = [Separator("starting"), Item("start", "Start a server", children=tuple(places))]
    if any_started:
        sure = Item("sure", "Yes, stop all that were started here", StopServers())
        entries.append(Item("stop-all", "Stop all", children=(sure,)))
    entries.append(Item("clean", "Clean up after those that have ended", CleanServers()))
    return tuple(entries)
