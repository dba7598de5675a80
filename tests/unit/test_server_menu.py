"""The Servers submenu: what is known of each, what can be done with it, and nothing that cannot."""

from __future__ import annotations

from msgspec.structs import replace

from replay import SERVER
from tray.core.commands import CleanServers, OpenServer, RestartServer, StartServer, StopServer, StopServers
from tray.core.model import Server, Service, Source
from tray.surfaces.menu.items import Entry, Item, walk
from tray.surfaces.menu.server_menu import server_entries, starting_entries

SERVED = replace(SERVER, source=Source.HTTP, url="http://127.0.0.1:4096", pid=7, opencode="1.18.33")


def items(entries: tuple[Entry, ...]) -> list[Item]:
    return list(walk(entries))


def labels(server: Server, *, started_here: bool = False) -> list[str]:
    return [item.label for item in items(server_entries(server, started_here=started_here))]


def choices(server: Server, *, started_here: bool = False) -> set[type]:
    return {type(i.choice) for i in items(server_entries(server, started_here=started_here)) if i.choice is not None}


def test_a_terminal_ui_without_a_server_is_shown_and_left_alone() -> None:
    told = replace(SERVER, source=Source.LOCAL, pid=7)
    assert choices(told) == set()
    assert "no HTTP server" in labels(told)
    assert "opencode-tray doctor" in " ".join(label.removeprefix("↪ ") for label in labels(told))


def test_only_what_was_started_here_can_be_stopped_here() -> None:
    assert {OpenServer} <= choices(SERVED)
    assert not {StopServer, RestartServer} & choices(SERVED)
    assert {StopServer, RestartServer} <= choices(SERVED, started_here=True)


def test_stopping_asks_again() -> None:
    entries = server_entries(SERVED, started_here=True)
    stop = next(item for item in items(entries) if item.key == "stop")
    assert (stop.choice, [child.choice for child in stop.children if isinstance(child, Item)]) == (
        None,
        [StopServer("http://127.0.0.1:4096")],
    )


def test_nothing_is_done_with_a_server_that_anybody_may_be() -> None:
    assert choices(replace(SERVED, verified=False), started_here=True) == set()


def test_why_a_server_cannot_be_followed_stands_in_its_line() -> None:
    told = labels(replace(SERVED, connected=False, problem="it wants a password: put it under [[servers]]"))
    assert "wants a password" in told[0]


def test_mcp_and_lsp_servers_are_listed_with_the_reason_of_what_failed() -> None:
    services = (Service("lsp", "pyright", "connected"), Service("mcp", "files", "failed", "no such program"))
    told = labels(replace(SERVED, services=services))
    assert "1 of its servers failed" in told[0]
    assert "✕ MCP files — failed: no such program" in told
    assert "● LSP pyright — connected" in told


def test_a_hundred_mcp_servers_do_not_fill_the_screen() -> None:
    services = tuple(Service("mcp", f"s{n}", "connected") for n in range(100))
    told = labels(replace(SERVED, services=services))
    assert len(told) < 30
    assert "… and 88 more" in told


def test_two_long_paths_are_told_apart_by_their_ends() -> None:
    long = "/home/dev/a-folder-with-a-long-name/another-one-that-is-no-shorter/"
    entries = starting_entries({f"{long}parser", f"{long}website"}, any_started=False)
    shown = [item.label for item in items(entries) if isinstance(item.choice, StartServer) and item.choice.directory]
    assert [label.rpartition("/")[2] for label in shown] == ["parser", "website"]
    assert all(label.startswith("…") and len(label) <= 60 for label in shown)


def test_servers_are_started_where_there_are_sessions_or_elsewhere() -> None:
    entries = starting_entries({"/srv/b", "/srv/a", ""}, any_started=False)
    started = [item.choice for item in items(entries) if isinstance(item.choice, StartServer)]
    assert started == [StartServer("/srv/a"), StartServer("/srv/b"), StartServer(None)]
    assert not any(isinstance(item.choice, StopServers) for item in items(entries))
    assert any(isinstance(item.choice, CleanServers) for item in items(entries))
    assert any(isinstance(item.choice, StopServers) for item in items(starting_entries((), any_started=True)))
