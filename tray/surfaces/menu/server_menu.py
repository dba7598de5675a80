"""The *Servers* submenu: every known OpenCode server, its MCP and LSP servers, and the commands that apply to it."""

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
from tray.core.servers import Server, Service, Source
from tray.core.text import counted, shorten, shorten_path, wrap
from tray.surfaces.menu.items import Entry, Item, Separator

COLUMNS = 60
MAX_FOLDERS = 8  # offered by "Start a server"
MAX_SERVICES = 12  # shown per server; `opencode-tray serve status` shows all

_SERVICE_MARKS = {"connected": "●", "failed": "✕", "error": "✕", "disabled": "○"}
_SOURCE_NAMES = {
    Source.PLUGIN: "plugin",
    Source.HTTP: "HTTP",
    Source.AGENT: "the agent's own interface",
    Source.DASHBOARD: "opencode-dashboard's plugin",
    Source.LOCAL: "local files",
    Source.TEAM: "another tray, through the broker",
}


def server_entries(server: Server, *, started_here: bool) -> tuple[Entry, ...]:
    """Return a server's row with its details and the commands that apply to it.

    `started_here`: the tray started the server and may stop it.
    """
    state = "" if server.connected else " — disconnected"
    if server.problem:
        state = f" — {shorten(server.problem, 40)}"
    elif not server.verified:
        state += " — read-only"
    failed = sum(1 for service in server.services if service.status in ("failed", "error"))
    if failed:
        state += f" — {counted(failed, 'MCP/LSP server', 'MCP/LSP servers')} failed"
    port = f":{urlsplit(server.url).port}" if server.url else ""
    kind = "local files" if server.source is Source.LOCAL else f"OpenCode {server.version or '?'}"
    label = f"{server.name}{port}@{server.host} · {kind}"
    children = (*_details(server), *_services(server.services), *_actions(server, started_here=started_here))
    return (Item(server.id, shorten(label, 50) + state, children=children),)


def _details(server: Server) -> list[Entry]:
    lines = [
        shorten_path(server.directory, COLUMNS),
        server.url or "No HTTP server",
        f"Process ID: {server.pid}" if server.pid else "",
        f"Source: {_SOURCE_NAMES[server.source]}",
        f"Published by {server.owner}" if server.owner else "",
        f"Branch: {server.branch}" if server.branch else "",
        *wrap(server.read_only_reason, COLUMNS),
    ]
    return [Item(f"detail-{number}", shorten(line, COLUMNS)) for number, line in enumerate(lines) if line]


def _services(services: Collection[Service]) -> list[Entry]:
    if not services:
        return []
    entries: list[Entry] = [Separator("services")]
    for service in list(services)[:MAX_SERVICES]:
        mark, reason = _SERVICE_MARKS.get(service.status, "◐"), f": {service.why}" if service.why else ""
        label = f"{mark} {service.kind.upper()} {service.name} — {service.status}{reason}"
        entries.append(Item(f"service-{service.kind}-{service.name}", shorten(label, COLUMNS)))
    if len(services) > MAX_SERVICES:
        entries.append(Item("services-more", f"… and {len(services) - MAX_SERVICES} more"))
    return entries


def _actions(server: Server, *, started_here: bool) -> list[Entry]:
    """Return the commands for a verified server with an address; none for a terminal UI without one."""
    url = server.url
    if url is None or not server.verified:
        return []
    actions: list[Entry] = [
        Separator("actions"),
        Item("open", "Open in browser", OpenServer(url)),
        Item("attach", "Attach in a terminal", AttachServer(url)),
        Item("prompt", "Send a prompt…", PromptServer(url)),
        Item("copy", "Copy address", CopyServerAddress(url)),
    ]
    if started_here:
        label = f"Confirm: stop {shorten(server.name, 30)} and its running sessions"
        actions += [
            Item("log", "Show log", ShowServerLog(url)),
            Item("restart", "Restart", RestartServer(url)),
            Item("stop", "Stop", children=(Item("confirm", label, StopServer(url)),)),
        ]
    return actions


def starting_entries(folders: Iterable[str], *, any_started: bool) -> tuple[Entry, ...]:
    """Return the commands that start servers (in one of `folders` or another one), stop them and clean up."""
    known = sorted({folder for folder in folders if folder})[:MAX_FOLDERS]
    starts: list[Entry] = [Item(f"in:{folder}", shorten_path(folder, COLUMNS), StartServer(folder)) for folder in known]
    starts.append(Item("other-folder", "Other folder…", StartServer()))
    entries: list[Entry] = [Separator("starting"), Item("start", "Start a server", children=tuple(starts))]
    if any_started:
        confirm = Item("confirm", "Confirm: stop all servers started by the tray", StopServers())
        entries.append(Item("stop-all", "Stop all", children=(confirm,)))
    entries.append(Item("clean", "Clean up ended servers", CleanServers()))
    return tuple(entries)
