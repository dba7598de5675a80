"""The tray icon through one of pystray's back ends: macOS, Windows, GTK, AppIndicator, XEmbed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module

from tray.core.commands import Command
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.surfaces.toasts import Balloon

log = logging.getLogger(__name__)


class PystrayIcon:
    """A TrayIcon. The toolkit is imported and opened by `run`, on the thread of `run`."""

    def __init__(
        self,
        kind: str,
        app_id: str,
        view: TrayView,
        on_command: Callable[[Command], None],
        on_open_changed: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        self.name = kind
        self.has_menu = kind != "xorg"
        self.has_balloons = kind == "win32"
        self._app_id = app_id
        self._view = view
        self._balloon: Balloon | None = None
        self._on_command = on_command
        self._on_open_changed = on_open_changed
        self._icon: ToolkitIcon | None = None
        self._stopping = False

    def run(self) -> None:
        """Show the icon until `stop`. Raises TrayUnavailable if the toolkit is missing or cannot be opened."""
        self._on_open_changed(OpenSubmenus(all_open=True))  # pystray does not report which submenus are open
        run_again = True
        while run_again and not self._stopping:
            try:
                icon = self._open()
                icon.run()
                run_again = icon.reopens and not icon.ended
            except Exception as error:
                if not self._stopping:
                    raise TrayUnavailable(f"{type(error).__name__}: {error}") from error
                log.debug("%s stopped with an error", self.name, exc_info=True)

    def show(self, view: TrayView) -> None:
        """Show this view."""
        self._view = view
        self._post()

    def show_balloon(self, balloon: Balloon | None) -> None:
        """Show this balloon, if `has_balloons`; None removes the one that is shown. From any thread."""
        self._balloon = balloon
        self._post()

    def stop(self) -> None:
        """Remove the icon; `run` returns."""
        self._stopping = True
        self._post()

    def _open(self) -> ToolkitIcon:
        icon_class = import_module(f"tray.surfaces.backends.pystray_{self.name}").Icon
        icon: ToolkitIcon = icon_class(self._app_id, self._view, self._on_command)
        self._icon = icon
        self._post()  # `show` or `stop` may have been called meanwhile
        return icon

    def _post(self) -> None:
        icon = self._icon
        if icon is not None:
            icon.post(lambda: self._update(icon))

    def _update(self, icon: ToolkitIcon) -> None:
        if self._stopping:
            icon.end()
        else:
            icon.update(self._view, self._balloon)
