"""The Servers submenu: details of each server, and only the commands that apply to it."""

from __future__ import annotations

from msgspec.structs import replace

from replay import SERVER
from tray.core.commands import CleanServers, OpenServer, RestartServer, StartServer, StopServer, StopServers
from tray.core.servers import Server, Service, Source
from tray.surfaces.menu.items import Entry, Item, walk
from tray.surfaces.menu.server_menu import server_entries, starting_entries

SERVED = replace(SERVER, source=Source.HTTP, url="http://127.0.0.1:4096", pid=7, version="1.18.33")


def items(entries: tuple[Entry, ...]) -> list[Item]:
    return list(walk(entries))


def labels(server: Server, *, started_here: bool = False) -> list[str]:
    return [item.label for item in items(server_entries(server, started_here=started_here))]


def commands(server: Server, *, started_here: bool = False) -> set[type]:
    return {type(i.command) for i in items(server_entries(server, started_here=started_here)) if i.command is not None}


def test_a_terminal_ui_without_a_server_is_shown_without_commands() -> None:
    local = replace(SERVER, source=Source.LOCAL, pid=7)
    assert commands(local) == set()
    assert "No HTTP server" in labels(local)
    assert "opencode-tray doctor" in " ".join(label.removeprefix("↪ ") for label in labels(local))


def test_only_servers_started_by_the_tray_can_be_stopped() -> None:
    assert {OpenServer} <= commands(SERVED)
    assert not {StopServer, RestartServer} & commands(SERVED)
    assert {StopServer, RestartServer} <= commands(SERVED, started_here=True)


def test_stopping_a_server_has_to_be_confirmed() -> None:
    entries = server_entries(SERVED, started_here=True)
    stop = next(item for item in items(entries) if item.key == "stop")
    assert (stop.command, [child.command for child in stop.children if isinstance(child, Item)]) == (
        None,
        [StopServer("http://127.0.0.1:4096")],
    )


def test_an_unverified_server_has_no_commands() -> None:
    assert commands(replace(SERVED, verified=False), started_here=True) == set()


def test_a_servers_problem_is_shown_in_its_row() -> None:
    rows = labels(replace(SERVED, connected=False, problem="it wants a password: put it under [[servers]]"))
    assert "wants a password" in rows[0]


def test_mcp_and_lsp_servers_are_listed_with_the_reason_of_a_failure() -> None:
    services = (Service("lsp", "pyright", "connected"), Service("mcp", "files", "failed", "no such program"))
    rows = labels(replace(SERVED, services=services))
    assert "1 MCP/LSP server failed" in rows[0]
    assert "✕ MCP files — failed: no such program" in rows
    assert "● LSP pyright — connected" in rows


def test_a_hundred_mcp_servers_do_not_fill_the_screen() -> None:
    services = tuple(Service("mcp", f"s{n}", "connected") for n in range(100))
    rows = labels(replace(SERVED, services=services))
    assert len(rows) < 30
    assert "… and 88 more" in rows


def test_long_paths_are_shortened_at_the_beginning() -> None:
    long = "/home/dev/a-folder-with-a-long-name/another-one-that-is-no-shorter/"
    entries = starting_entries({f"{long}parser", f"{long}website"}, any_started=False)
    shown = [item.label for item in items(entries) if isinstance(item.command, StartServer) and item.command.directory]
    assert [label.rpartition("/")[2] for label in shown] == ["parser", "website"]
    assert all(label.startswith("…") and len(label) <= 60 for label in shown)


def test_servers_can_be_started_in_folders_with_sessions_or_another_one() -> None:
    entries = starting_entries({"/srv/b", "/srv/a", ""}, any_started=False)
    started = [item.command for item in items(entries) if isinstance(item.command, StartServer)]
    assert started == [StartServer("/srv/a"), StartServer("/srv/b"), StartServer(None)]
    assert not any(isinstance(item.command, StopServers) for item in items(entries))
    assert any(isinstance(item.command, CleanServers) for item in items(entries))
    assert any(isinstance(item.command, StopServers) for item in items(starting_entries((), any_started=True)))
