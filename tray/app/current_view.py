"""Build the view of the current state according to the settings."""

from __future__ import annotations

import logging

from tray.app.channels import Channels
from tray.app.history import History
from tray.app.outside_ways import OutsideWays
from tray.app.page import Page
from tray.app.problems import Problems
from tray.app.setup_check import SetupCheck
from tray.app.state import AppState
from tray.core.settings import ICON_COUNT, ICON_STYLE, MENU_COLUMNS, PAGE
from tray.core.summary import summarize
from tray.core.trace import view_line
from tray.sources.router import SourceRouter
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.phone_menu import PHONE_MENU
from tray.surfaces.menu.usage_line import today_line
from tray.surfaces.menu.view import TrayView
from tray.system.display import menu_lines

log = logging.getLogger(__name__)


class CurrentView:
    """Builds icon, tooltip and menu on demand."""

    def __init__(
        self,
        state: AppState,
        sources: SourceRouter,
        problems: Problems,
        setup: SetupCheck,
        history: History,
        channels: Channels,
        page: Page,
        ways: OutsideWays,
    ) -> None:
        self.opened = OpenSubmenus()  # the submenus that are open
        self.newer_version = ""  # of the tray; "" if none is known
        self._state = state
        self._builder = ViewBuilder(state.fleet, state.index)
        self._sources = sources
        self._problems = problems
        self._setup = setup
        self._history = history
        self._channels = channels
        self._page = page
        self._ways = ways
        self._lines = menu_lines()

    def build(self, with_menu: bool = True) -> TrayView:  # noqa: FBT001, FBT002  # the throttle's signature
        """Return the current view; without `with_menu`, with the menu of the last one."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", view_line(summarize(self._state.index), with_menu=with_menu))
        settings = self._state.settings()
        view_settings = ViewSettings(
            monochrome=settings[ICON_STYLE] == "monochrome",
            show_count=settings[ICON_COUNT],
            problems=self._problems.texts,
            started=self._sources.started,
            columns=settings[MENU_COLUMNS],
            lines=self._lines,
            today=today_line(self._history.today) if with_menu else "",
            setup=self._setup.result,
            has_page=settings[PAGE],
            channels=self._channels.overview() if with_menu else (),
            pairings=self._page.pairings,
            phone=self._ways.overview(with_commands=with_menu and PHONE_MENU in self.opened),
            newer_version=self.newer_version,
        )
        return self._builder.build(view_settings, self._state.now(), self.opened, with_menu=with_menu)
