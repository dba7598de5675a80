"""The view of the current state, as the settings want it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tray.app.problems import Problems
from tray.app.setup_check import SetupCheck
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.settings import ICON_COUNT, ICON_STYLE, MENU_COLUMNS, Settings
from tray.core.summary import summarize
from tray.core.trace import view_line
from tray.core.usage import Usage
from tray.sources.router import SourceRouter
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.usage_line import today_line
from tray.surfaces.menu.view import TrayView
from tray.system.local_day import LocalDay

log = logging.getLogger(__name__)


class CurrentView:
    """Builds icon, tooltip and menu on demand."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        usage: Usage,
        sources: SourceRouter,
        problems: Problems,
        setup: SetupCheck,
        settings: Callable[[], Settings],
        now: Callable[[], int],
    ) -> None:
        self.opened = OpenSubmenus()  # the submenus that are open
        self._index = index
        self._builder = ViewBuilder(fleet, index)
        self._usage = usage
        self._day = LocalDay()
        self._sources = sources
        self._problems = problems
        self._setup = setup
        self._settings = settings
        self._now = now

    def build(self, with_menu: bool = True) -> TrayView:  # noqa: FBT001, FBT002  # the throttle's signature
        """Return the current view; without `with_menu`, with the menu of the last one."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", view_line(summarize(self._index), with_menu=with_menu))
        settings, at = self._settings(), self._now()
        view_settings = ViewSettings(
            monochrome=settings[ICON_STYLE] == "monochrome",
            show_count=settings[ICON_COUNT],
            problems=self._problems.texts,
            started=self._sources.started,
            columns=settings[MENU_COLUMNS],
            today=today_line(self._usage.today, self._day.start(at)) if with_menu else "",
            setup=self._setup.result,
        )
        return self._builder.build(view_settings, at, self.opened, with_menu=with_menu)
