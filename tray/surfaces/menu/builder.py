"""The tray's view, computed from the fleet: icon, tooltip, and the menu with its sections."""

from __future__ import annotations

import socket
from functools import partial

import msgspec

from tray.core.commands import InstallPlugin, OpenNextSession, OpenSettings, Quit, RunDoctor
from tray.core.fleet import Fleet
from tray.core.model import Source
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.summary import Summary, next_waiting, summarize
from tray.core.text import counted, shorten
from tray.surfaces.menu.all_sessions import AllSessions
from tray.surfaces.menu.items import Entry, Item, Opened, Separator, further, submenu
from tray.surfaces.menu.sections import PAGE, Once, Sections, ViewOptions
from tray.surfaces.menu.server_menu import server_entries, starting_entries
from tray.surfaces.menu.session_menu import mute_label, mute_menu
from tray.surfaces.menu.view import IconView, TrayView
from tray.surfaces.session_text import ROW, title

LINES = 28  # rows of the menu: what a screen of 900 px shows without scrolling
MOST_DRAWN = 10  # waiting sessions: the icon says "9+" for this and for every higher number
NOTHING_OPENED = Opened()


class Setup(msgspec.Struct, frozen=True):
    """What a newcomer may still have to do. None: not known."""

    plugin_installed: bool | None = None
    opencode_found: bool | None = None


class ViewSettings(msgspec.Struct, frozen=True):
    """What the person set, and what is wrong, besides the fleet."""

    monochrome: bool = False
    show_count: bool = True
    columns: int = ROW  # of a row in the menu
    problems: tuple[str, ...] = ()
    started: frozenset[str] = frozenset()  # the addresses of the servers that were started here
    today: str = ""  # what was used today, in a line
    setup: Setup = Setup()


class ViewBuilder:
    """Makes the tray's view of this moment, again and again; an entry whose facts are the same is made only once."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index
        self._once = Once()
        self._sections = Sections(index, self._once)
        self._all_sessions = AllSessions(fleet, index)
        self._last: TrayView | None = None

    def view(self, look: ViewSettings, at: int, opened: Opened = NOTHING_OPENED, *, whole: bool = True) -> TrayView:
        """All that the tray shows at the time `at`, with the submenus filled that are `opened`.

        If not `whole`, icon and tooltip are new and the menu is the last one.
        """
        sums = summarize(self._index)
        icon = IconView(sums.status, min(sums.waiting, MOST_DRAWN), look.monochrome, look.show_count)
        if whole or self._last is None:
            self._once.begin()
            menu = self._menu(look, sums, ViewOptions(at, opened, look.columns))
            self._last = TrayView(icon, sums.tooltip, menu, opened)
        else:
            self._last = TrayView(icon, sums.tooltip, self._last.menu, self._last.opened)
        return self._last

    def _menu(self, look: ViewSettings, sums: Summary, options: ViewOptions) -> tuple[Entry, ...]:
        head = self._head(look, sums)
        foot = self._foot(look, options)
        sections = self._sections.entries(options, LINES - len(head) - len(foot))
        if len(head) + len(sections) + len(foot) > LINES or any(entry.key.endswith("-further") for entry in sections):
            foot = self._short_foot(look, options)
            sections = self._sections.entries(options, LINES - len(head) - len(foot))
        return (*head, *sections, *foot)

    def _head(self, look: ViewSettings, sums: Summary) -> tuple[Entry, ...]:
        following = next_waiting(self._index)
        if following is not None:
            name = shorten(title(following.session), look.columns - 12)
            first = Item("next", f"Go to next: {name}", OpenNextSession(), default=True)
        elif self._index.total:
            first = Item("next", "Nobody needs you")
        else:
            return (*self._setup(look.setup), Separator("head"))
        return (*self._setup(look.setup), first, Item("sums", sums.tooltip), Separator("head"))

    def _setup(self, setup: Setup) -> tuple[Entry, ...]:
        """What is still to do before sessions appear, and can be answered."""
        servers = self._fleet.servers.values()
        reports = any(server.connected and server.source is Source.PLUGIN for server in servers)
        if setup.plugin_installed is False and not reports:
            words = "The OpenCode plugin is not installed. Install it…"
            return (Item("install", words, InstallPlugin()),)
        outside = sum(server.connected and server.source is Source.LOCAL for server in servers)
        if outside:
            which = counted(outside, "OpenCode", "OpenCodes")
            return (Item("outside", f"{which} cannot be answered from here. Doctor says why", RunDoctor()),)
        if self._index.total:
            return ()
        if setup.opencode_found is False:
            return (Item("opencode", "No sessions yet. OpenCode was not found on the PATH", RunDoctor()),)
        return (Item("start", "No sessions yet. Start opencode in a terminal"),)

    # ------------------------------------------------------------------ footer

    def _foot(self, look: ViewSettings, options: ViewOptions) -> tuple[Entry, ...]:
        return (
            Separator("sections"),
            *self._sessions(look, options),
            *self._settings(look, options),
            Separator("foot"),
            Item("quit", "Quit", Quit()),
        )

    def _short_foot(self, look: ViewSettings, options: ViewOptions) -> tuple[Entry, ...]:
        return (
            Separator("sections"),
            *self._sessions(look, options),
            submenu("more", "More", ("more",), partial(self._settings, look, options), options.opened),
            Item("quit", "Quit", Quit()),
        )

    def _sessions(self, look: ViewSettings, options: ViewOptions) -> tuple[Entry, ...]:
        problems = tuple(
            Item(f"problem:{text}", f"⚠ {shorten(text, look.columns)}", RunDoctor()) for text in look.problems
        )
        return (*problems, *([self._all_sessions.entry(options)] if self._index.total else []))

    def _settings(self, look: ViewSettings, options: ViewOptions) -> tuple[Entry, ...]:
        mutes = self._fleet.mutes
        return (
            *([Item("today", look.today)] if self._index.total and look.today else []),
            submenu("servers", "Servers", ("servers", "0"), partial(self._servers, look, 0, options), options.opened),
            Item("mute", mute_label(mutes, EVERYTHING), children=mute_menu(mutes, EVERYTHING)),
            Item("settings", "Settings…", OpenSettings()),
            Item("doctor", "Doctor", RunDoctor()),
        )

    def _servers(self, look: ViewSettings, start: int, options: ViewOptions) -> tuple[Entry, ...]:
        servers = self._fleet.servers.values()
        ordered = sorted(servers, key=lambda server: (not server.connected, server.name, server.id))
        shown: list[Entry] = []
        for server in ordered[start : start + PAGE]:
            ours = server.url is not None and server.url.rstrip("/") in look.started
            make = partial(server_entries, server, started_here=ours)
            shown += self._once(("server", server.id), (server, ours), make)
        left = len(ordered) - start - PAGE
        make_more = partial(self._servers, look, start + PAGE, options)
        rest = further(("servers", str(start // PAGE + 1)), left, make_more, options.opened)
        here = socket.gethostname()
        folders = {server.directory for server in servers if server.host in ("", here)}
        ways = starting_entries(folders, any_started=bool(look.started)) if start == 0 else ()
        return (*shown, *rest, *ways)
