"""The tray icon through one of pystray's own back ends: macOS, Windows, GTK, AppIndicator, plain X."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module

from tray.core.commands import Command
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView

log = logging.getLogger(__name__)


class PystrayIcon:
    """A TrayIcon. The toolkit is loaded and opened by `run`, on its thread."""

    def __init__(
        self,
        kind: str,
        app_id: str,
        view: TrayView,
        choose: Callable[[Command], None],
        on_opened: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        self.name = kind
        self.has_menu = kind != "xorg"
        self._app_id = app_id
        self._view = view
        self._choose = choose
        self._on_opened = on_opened
        self._icon: ToolkitIcon | None = None
        self._stopping = False

    def run(self) -> None:
        """Show the icon until `stop`. Raises TrayUnavailable if the toolkit is missing or cannot be opened."""
        self._on_opened(OpenSubmenus(all_open=True))  # pystray does not say what is opened
        again = True
        while again and not self._stopping:
            try:
                icon = self._open()
                icon.run()
                again = icon.comes_back and not icon.ended
            except Exception as error:
                if not self._stopping:
                    raise TrayUnavailable(f"{type(error).__name__}: {error}") from error
                log.debug("%s stopped with an error", self.name, exc_info=True)

    def show(self, view: TrayView) -> None:
        """Show this from now on."""
        self._view = view
        self._post()

    def stop(self) -> None:
        """Take the icon away; `run` returns."""
        self._stopping = True
        self._post()

    def _open(self) -> ToolkitIcon:
        kind = import_module(f"tray.surfaces.backends.pystray_{self.name}").Icon
        icon: ToolkitIcon = kind(self._app_id, self._view, self._choose)
        self._icon = icon
        self._post()  # for what was shown, or stopped, since
        return icon

    def _post(self) -> None:
        icon = self._icon
        if icon is not None:
            icon.post(lambda: self._catch_up(icon))

    def _catch_up(self, icon: ToolkitIcon) -> None:
        if self._stopping:
            icon.end()
        else:
            icon.update(self._view)
