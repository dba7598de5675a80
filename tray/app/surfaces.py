"""All surfaces behind one interface: icon and menu, notifications, the page, and the control API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from aiohttp import web

from tray.actions.attach.session_focus import is_looked_at
from tray.app.command_runner import CommandRunner
from tray.app.current_view import CurrentView
from tray.app.page import Page
from tray.app.state import AppState
from tray.core.events import Change
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.server import ControlServer
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.surfaces.notifications import Notifications
from tray.surfaces.notifier import Notifier
from tray.surfaces.toasts import Balloon
from tray.surfaces.view_throttle import ViewThrottle
from tray.system.tasks import TaskSet

WITHDRAW_TIMEOUT = 1.2  # s that the notification daemon gets to withdraw all notifications


class Surfaces:
    """Shows the state wherever the user looks. Lives on the loop's thread."""

    def __init__(
        self,
        state: AppState,
        view: CurrentView,
        page: Page,
        tasks: TaskSet,
        commands: CommandRunner,
        exposed: Callable[[], str],
        notifications: Notifications,
        *,
        notify: bool,
    ) -> None:
        """`notify`: whether alerts are shown; messages are in any case. `exposed` as in ControlServer."""
        self._view = view
        self._page = page
        self._tasks = tasks
        self._throttle = ViewThrottle(view.build)
        methods = ControlMethods(state.fleet, state.index, commands.execute)
        self._control = ControlServer(state.fleet, state.index, methods, state.now, exposed)
        self._notifications = notifications
        self._notifier = Notifier(
            state.fleet,
            state.index,
            self._notifications if notify else None,
            state.settings,
            is_looked_at,
            tasks.spawn,
            state.now,
        )
        self._sending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send notifications from now on."""
        self._sending = self._tasks.spawn(self._notifications.run(), "notifications")

    async def withdraw_notifications(self) -> None:
        """Withdraw all notifications, within WITHDRAW_TIMEOUT, and show no more."""
        self._notifications.end()
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=WITHDRAW_TIMEOUT)

    def close(self) -> None:
        """Cancel all timers. Call it after the sources have stopped: their last events start timers."""
        self._notifier.close()
        self._throttle.close()

    def update(self, changes: Collection[Change], session_ids: frozenset[str]) -> None:
        """Show these changes; `session_ids` are the root sessions whose rows changed."""
        self._notifier.update(session_ids)
        self._control.changed(session_ids)
        self._page.update(session_ids)
        self._throttle.changed(changes)

    def refresh(self) -> None:
        """Build the view again: something other than the sessions changed, or time passed."""
        self._throttle.refresh()
        self._page.refresh()

    def repeat_alerts(self) -> None:
        """Show again what a restarted notification daemon has lost, and show what was silenced until now."""
        self._notifier.repeat()

    def reload_settings(self) -> None:
        """Apply the current settings."""
        self._notifier.reload_settings()

    def show_message(self, title: str, text: str) -> None:
        """Show a text in a notification."""
        self._notifications.show_text(title, text)

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """Pass the current view, and every new one, to `show`."""
        self._throttle.show_on(show)

    def show_balloons_on(self, show: Callable[[Balloon | None], None]) -> None:
        """Show notifications on the icon where the platform shows none, as in `Notifications`."""
        self._notifications.show_balloons_on(show)

    def set_open(self, opened: OpenSubmenus) -> None:
        """Set which submenus are open."""
        self._view.opened = opened
        self._throttle.set_open(opened)

    async def serve_client(self, ws: web.WebSocketResponse) -> None:
        """Answer the calls of an authenticated client until it disconnects."""
        await self._control.serve(ws)
