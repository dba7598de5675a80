"""Builds the tray's view from the fleet: icon, tooltip, and the menu with its sections."""

from __future__ import annotations

from functools import partial

import msgspec

from tray.core.agent_setup import AgentSetup
from tray.core.channel_state import ChannelState
from tray.core.commands import (
    InstallPlugin,
    OpenDashboard,
    OpenNextSession,
    OpenReleases,
    OpenSettings,
    Quit,
    RunDoctor,
    ShowAbout,
)
from tray.core.fleet import Fleet
from tray.core.pairing import PendingPairing
from tray.core.phone_ways import PhoneWays
from tray.core.servers import AgentKind, Server, Source
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.summary import Summary, next_waiting, summarize
from tray.core.text import clean, counted, shorten
from tray.surfaces.menu.agent_menu import agent_entries
from tray.surfaces.menu.all_sessions import AllSessions
from tray.surfaces.menu.channel_menu import channel_entries
from tray.surfaces.menu.items import Entry, Item, OpenSubmenus, Separator, lazy_submenu, next_page
from tray.surfaces.menu.phone_menu import PHONE_MENU, exposure_entry, pairing_entry, phone_entries
from tray.surfaces.menu.sections import PAGE_SIZE, EntryCache, MenuContext, Sections
from tray.surfaces.menu.server_menu import server_entries, starting_entries
from tray.surfaces.menu.session_menu import mute_label, mute_menu
from tray.surfaces.menu.view import IconView, TrayView
from tray.surfaces.session_text import ROW_COLUMNS, title
from tray.system.display import MENU_LINES
from tray.system.own_host import own_host
from tray.system.paths import TITLE

MAX_COUNT = 10  # waiting sessions in the icon's view: it shows "9+" for this and for every higher number
NONE_OPEN = OpenSubmenus()


class Setup(msgspec.Struct, frozen=True):
    """How far the setup has got. None: not known."""

    plugin_installed: bool | None = None
    opencode_found: bool | None = None
    agents: tuple[AgentSetup, ...] = ()  # the agents that are found


class ViewSettings(msgspec.Struct, frozen=True):
    """What the view depends on besides the fleet: settings, problems and setup."""

    monochrome: bool = False
    show_count: bool = True
    columns: int = ROW_COLUMNS  # of a row in the menu
    lines: int = MENU_LINES  # rows of the menu that fit on the screen
    problems: tuple[str, ...] = ()
    started: frozenset[str] = frozenset()  # addresses of the servers that the tray started
    today: str = ""  # today's usage, in one line
    setup: Setup = Setup()
    has_page: bool = True  # whether the local page is turned on
    channels: tuple[ChannelState, ...] = ()
    pairings: tuple[PendingPairing, ...] = ()  # phones that wait for a decision
    phone: PhoneWays = PhoneWays()
    newer_version: str = ""  # of the tray; "" if none is known


class ViewBuilder:
    """Builds the view of each moment; an entry is built again only when its inputs have changed."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index
        self._cache = EntryCache()
        self._sections = Sections(index, self._cache)
        self._all_sessions = AllSessions(fleet, index)
        self._last: TrayView | None = None

    def build(
        self, settings: ViewSettings, at: int, open_submenus: OpenSubmenus = NONE_OPEN, *, with_menu: bool = True
    ) -> TrayView:
        """Return the view at the time `at` (ms since the epoch), with the contents of the open submenus.

        Without `with_menu`, icon and tooltip are new and the menu is that of the previous view.
        """
        summary = summarize(self._index)
        exposure = settings.phone.exposure
        icon = IconView(
            summary.status,
            min(summary.waiting, MAX_COUNT),
            settings.monochrome,
            settings.show_count,
            exposure is not None,
        )
        tooltip = f"{exposure.text} · {summary.tooltip}" if exposure is not None else summary.tooltip
        if with_menu or self._last is None:
            self._cache.start_view()
            menu = self._menu(settings, summary, MenuContext(at, open_submenus, settings.columns, self._names_agents()))
            self._last = TrayView(icon, tooltip, menu, open_submenus)
        else:
            self._last = TrayView(icon, tooltip, self._last.menu, self._last.open_submenus)
        return self._last

    def _menu(self, settings: ViewSettings, summary: Summary, context: MenuContext) -> tuple[Entry, ...]:
        header = self._header(settings, summary)
        footer = self._footer(settings, context)
        sections = self._sections.entries(context, settings.lines - len(header) - len(footer))
        is_long = len(header) + len(sections) + len(footer) > settings.lines
        if is_long or any(entry.key.endswith("-next-page") for entry in sections):
            footer = self._short_footer(settings, context)
            sections = self._sections.entries(context, settings.lines - len(header) - len(footer))
        return (*header, *sections, *footer)

    # ------------------------------------------------------------------ header

    def _header(self, settings: ViewSettings, summary: Summary) -> tuple[Entry, ...]:
        exposure = settings.phone.exposure
        first_lines = (
            *([exposure_entry(exposure)] if exposure is not None else []),
            *map(pairing_entry, settings.pairings),
        )
        row = next_waiting(self._index)
        if row is not None:
            name = shorten(title(row.session), settings.columns - 12)
            first = Item("next", f"Go to next: {name}", OpenNextSession(), default=True)
        elif self._index.total:
            first = Item("next", "No session needs you")
        else:
            return (*first_lines, *self._setup(settings.setup), Separator("header"))
        return (
            *first_lines,
            *self._setup(settings.setup),
            first,
            Item("summary", summary.tooltip),
            Separator("header"),
        )

    def _names_agents(self) -> bool:
        """Return whether more than one kind of agents is known."""
        return len({server.agent_kind for server in self._fleet.servers.values()}) > 1

    def _opencode_servers(self) -> list[Server]:
        return [server for server in self._fleet.servers.values() if server.agent_kind is AgentKind.OPENCODE]

    def _setup(self, setup: Setup) -> tuple[Entry, ...]:
        """Return the next step of the setup, as long as sessions do not appear or cannot be answered."""
        servers = self._opencode_servers()
        uses_opencode = setup.opencode_found is not False or servers or not (self._index.total or setup.agents)
        has_plugin = any(server.connected and server.source is Source.PLUGIN for server in servers)
        if setup.plugin_installed is False and not has_plugin and uses_opencode:
            return (Item("install", "Install the OpenCode plugin…", InstallPlugin()),)
        read_only = sum(server.connected and server.source is Source.LOCAL for server in servers)
        if read_only:
            which = counted(read_only, "read-only OpenCode server", "read-only OpenCode servers")
            return (Item("read-only", f"{which}: run Doctor…", RunDoctor()),)
        if self._index.total:
            return ()
        if setup.opencode_found is False and setup.agents:
            return (Item("start", "No sessions yet: start an agent in a terminal"),)
        if setup.opencode_found is False:
            return (Item("opencode", "No sessions yet: OpenCode not found in PATH", RunDoctor()),)
        return (Item("start", "No sessions yet: start opencode in a terminal"),)

    # ------------------------------------------------------------------ footer

    def _footer(self, settings: ViewSettings, context: MenuContext) -> tuple[Entry, ...]:
        return (
            Separator("sections"),
            *self._problems_and_sessions(settings, context),
            *self._app_items(settings, context),
            Separator("footer"),
            Item("quit", "Quit", Quit()),
        )

    def _short_footer(self, settings: ViewSettings, context: MenuContext) -> tuple[Entry, ...]:
        build = partial(self._app_items, settings, context)
        return (
            Separator("sections"),
            *self._problems_and_sessions(settings, context),
            lazy_submenu("more", "More", ("more",), build, context.open_submenus),
            Item("quit", "Quit", Quit()),
        )

    def _problems_and_sessions(self, settings: ViewSettings, context: MenuContext) -> tuple[Entry, ...]:
        problems = tuple(
            Item(f"problem:{text}", f"⚠ {shorten(text, settings.columns)}", RunDoctor()) for text in settings.problems
        )
        return (*problems, *([self._all_sessions.entry(context)] if self._index.total else []))

    def _app_items(self, settings: ViewSettings, context: MenuContext) -> tuple[Entry, ...]:
        mutes = self._fleet.mutes
        build = partial(self._servers, settings, 0, context)
        return (
            *([Item("today", settings.today)] if self._index.total and settings.today else []),
            lazy_submenu("servers", "Servers", ("servers", "0"), build, context.open_submenus),
            *self._agents(settings.setup, context),
            *self._channels(settings.channels, context),
            Item("mute", mute_label(mutes, EVERYTHING), children=mute_menu(mutes, EVERYTHING)),
            *self._page_items(settings, context),
            Item("settings", "Settings…", OpenSettings()),
            Item("doctor", "Doctor", RunDoctor()),
            self._about(settings.newer_version),
        )

    def _about(self, newer_version: str) -> Item:
        if newer_version:
            return Item("about", f"Version {clean(newer_version)} is available…", OpenReleases())
        return Item("about", f"About {TITLE}", ShowAbout())

    def _page_items(self, settings: ViewSettings, context: MenuContext) -> tuple[Item, ...]:
        if not settings.has_page:
            return ()
        build = partial(phone_entries, settings.phone)
        phone = lazy_submenu("phone", "Phone", PHONE_MENU, build, context.open_submenus)
        return (Item("dashboard", "Open dashboard", OpenDashboard()), phone)

    def _agents(self, setup: Setup, context: MenuContext) -> tuple[Item, ...]:
        build = partial(agent_entries, setup.agents)
        return (lazy_submenu("agents", "Agents", ("agents",), build, context.open_submenus),) if setup.agents else ()

    def _channels(self, states: tuple[ChannelState, ...], context: MenuContext) -> tuple[Item, ...]:
        build = partial(channel_entries, states)
        return (lazy_submenu("channels", "Channels", ("channels",), build, context.open_submenus),) if states else ()

    def _servers(self, settings: ViewSettings, start: int, context: MenuContext) -> tuple[Entry, ...]:
        servers = self._opencode_servers()
        ordered = sorted(servers, key=lambda server: (not server.connected, server.name, server.id))
        entries: list[Entry] = []
        for server in ordered[start : start + PAGE_SIZE]:
            started_here = server.url is not None and server.url.rstrip("/") in settings.started
            build = partial(server_entries, server, started_here=started_here)
            entries += self._cache.get(("server", server.id), (server, started_here), build)
        remaining = len(ordered) - start - PAGE_SIZE
        build_next = partial(self._servers, settings, start + PAGE_SIZE, context)
        entries += next_page(("servers", str(start // PAGE_SIZE + 1)), remaining, build_next, context.open_submenus)
        if start == 0:
            local_host = own_host()
            own = [server for server in servers if server.source is not Source.TEAM and not server.key]
            folders = {server.directory for server in own if server.host in ("", local_host)}
            entries += starting_entries(folders, any_started=bool(settings.started))
        return tuple(entries)
