"""The composition root: builds the parts, starts and stops them, and carries events and commands between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tray.actions.app_actions import OwnActions
from tray.actions.attach.opener import SessionOpener
from tray.actions.attach.session_focus import is_looked_at
from tray.actions.dispatcher import Actions
from tray.actions.reply import Replies
from tray.actions.serve.started import running_servers
from tray.app.clock import Clock, JumpDetector, milliseconds
from tray.app.command_runner import CommandRunner
from tray.app.current_view import CurrentView
from tray.app.endpoint_publisher import EndpointPublisher
from tray.app.live_settings import LiveSettings
from tray.app.maintenance import Maintenance
from tray.app.periodic import Job, run_periodically
from tray.app.problems import Problems
from tray.app.setup_check import SetupCheck
from tray.app.state_cache import StateCache
from tray.core.answers import RequestKey
from tray.core.commands import Command, CommandResult, Surface
from tray.core.events import Change, Event, ServerChanged, SessionChanged
from tray.core.fleet import Fleet
from tray.core.model import Request
from tray.core.remote_hosts import HttpServer
from tray.core.rules import fleet_rules
from tray.core.session_index import SessionIndex
from tray.core.settings import HOST, PORT, Settings
from tray.core.trace import change_lines, event_line
from tray.core.usage import Today, Usage
from tray.sources.router import SourceRouter
from tray.storage import audit
from tray.storage.token import Token
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.server import ControlServer
from tray.surfaces.control.status_report import status_report
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.surfaces.notifications import Notifications
from tray.surfaces.notifier import Notifier
from tray.surfaces.view_throttle import ViewThrottle
from tray.system import resources
from tray.system.local_day import LocalDay
from tray.system.paths import Paths
from tray.system.tasks import TaskSet
from tray.system.text_dialog import ask_text

log = logging.getLogger(__name__)

INTERVAL = 20.0  # s between two runs of the periodic jobs: as rare as the pings
TASKS_TIMEOUT = 0.6  # s that background tasks get to end
NOTIFICATIONS_TIMEOUT = 1.2  # s that the notification daemon gets to withdraw all notifications


class App:
    """Everything but the icon. Lives on one asyncio loop; other threads may only call `post` and `post_opened`."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        flags: Mapping[str, Any],
        token: Token,
        *,
        notify: bool = True,
        notifications: Notifications | None = None,
        interval: float = INTERVAL,
        clock: Clock = time,
    ) -> None:
        """`notify`: whether alerts are shown. Results of clicks are shown in any case."""
        self._paths = paths
        self._token = token
        self._interval = interval
        self._now = partial(milliseconds, clock)
        self._jumps = JumpDetector(interval, clock)
        self._problems = Problems()
        self._live = LiveSettings(paths.settings, settings, flags, self._problems)
        self._fleet = Fleet(fleet_rules(settings))
        self._index = SessionIndex(self._fleet)
        self._day = LocalDay()
        self._usage = Usage(self._now(), self._day.start(self._now()))
        self._cache = StateCache(paths.cache, self._fleet, self._usage, self._problems, clock)
        self._endpoint = EndpointPublisher(paths.endpoint, self._problems)
        self._setup = SetupCheck(paths.plugin, self._settings, self._fleet.servers.values)
        self._tasks = TaskSet()
        running = partial(running_servers, paths.servers)
        self._sources = SourceRouter(token, self.apply, self._now, self._fleet.servers, self._settings, running)
        self._build_actions(running)
        self._build_surfaces(notifications, notify=notify)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._showing: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.port = 0

    def _build_actions(self, running: Callable[[], list[HttpServer]]) -> None:
        call = self._sources.call
        opener = SessionOpener(self._settings, call, running)
        record = partial(audit.append, self._paths.audit)
        self._replies = Replies(self._fleet, self.apply, call, record, self._now)
        self._commands = CommandRunner(
            Actions(self._fleet, self._index, self._replies, opener, call, ask_text, self.apply, self._now),
            OwnActions(self._paths, self._token, self._settings, self.status, opener, ask_text, self._token_changed),
            self._tasks,
            stop=self.stop,
            after_setup=self._refresh_setup,
            after_servers=self._refresh_servers,
            show_message=self._show_message,
            log_file=self._paths.log,
        )

    def _build_surfaces(self, notifications: Notifications | None, *, notify: bool) -> None:
        methods = ControlMethods(self._fleet, self._index, self.execute)
        self._control = ControlServer(self._fleet, self._index, methods, self._now)
        self._sources.serve_clients("/client", self._control.serve)
        self._notifications = notifications or Notifications(
            "OpenCode Tray", resources.app_icon(), partial(self._commands.execute_soon, surface=Surface.NOTIFICATION)
        )
        self._notifier = Notifier(
            self._fleet,
            self._index,
            self._notifications if notify else None,
            self._settings,
            is_looked_at,
            self._tasks.spawn,
            self._now,
        )
        self._view = CurrentView(
            self._fleet, self._index, self._usage, self._sources, self._problems, self._setup, self._settings, self._now
        )
        self._throttle = ViewThrottle(self._view.build)

    # ------------------------------------------------------------------ start and stop

    async def start(self, port: int | None = None) -> int:
        """Accept connections and restore the cached state; return the port. Raises OSError if it cannot be bound.

        `port` overrides the setting; 0 binds any free port.
        """
        self._loop = asyncio.get_running_loop()
        settings = self._settings()
        self.port = await self._sources.start(settings[HOST], settings[PORT] if port is None else port)
        self._live.fix_port(self.port)
        await self._endpoint.publish(self._sources.host, self.port)
        restored = await self._cache.load()
        if restored is not None:
            self._usage.restore(restored.usage, restored.sessions)
            self.apply(restored)
        await self._setup.refresh()
        self._showing = self._tasks.spawn(self._notifications.run(), "notifications")
        self._tasks.spawn(run_periodically(self._interval, self._jobs()), "periodic jobs")
        self._tasks.spawn(self._sources.start_discovery(), "discovery")
        return self.port

    def _jobs(self) -> dict[str, Job]:
        maintenance = Maintenance(
            self._fleet, self._index, self._sources, self._notifier, self._live, self._token, self.apply,
            self._token_changed,
        )  # fmt: skip
        return maintenance.jobs(
            self._jumps, self._setup, self._endpoint, self._paths.servers, self._throttle, self._cache
        )

    async def run_until_stopped(self) -> None:
        """Run until `stop`; then close all connections within 2 s and save the state."""
        await self._stopping.wait()
        await self._endpoint.remove()
        await asyncio.gather(self._sources.stop(), self._withdraw_notifications())
        self._notifier.close()
        self._throttle.close()
        self._tasks.cancel_all()
        await self._tasks.wait(TASKS_TIMEOUT)
        await self._cache.save()

    async def _withdraw_notifications(self) -> None:
        self._notifications.end()
        if self._showing is not None:
            await asyncio.wait([self._showing], timeout=NOTIFICATIONS_TIMEOUT)

    def stop(self) -> None:
        """Stop; on the loop's thread."""
        self._stopping.set()

    # ------------------------------------------------------------------ events in, views out

    def apply(self, event: Event) -> None:
        """Apply an event and update everything that depends on what it changed."""
        at = self._now()
        changes = self._fleet.apply(event, at)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", "\n".join([event_line(event), *change_lines(changes)]))
        self._usage.apply(filter(self._is_verified, changes), at, self._day.start(at))
        self._replies.happened(event)
        if not changes:
            return
        session_ids = self._index.update(changes)
        self._notifier.update(session_ids)
        self._control.changed(session_ids)
        if any(isinstance(change, ServerChanged) for change in changes):
            self._sources.arrange_soon()
        self._cache.mark_changed()
        self._throttle.changed(changes)

    def _is_verified(self, change: Change) -> bool:
        """Whether the change is of a session of a server that has proven the token."""
        server = self._fleet.servers.get(change.after.server) if isinstance(change, SessionChanged) else None
        return server is not None and server.verified

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """Pass the current view, and every new one, to `show`; on the loop's thread."""
        self._throttle.show_on(show)

    def view(self) -> TrayView:
        """Return the current view."""
        return self._view.build()

    def status(self) -> dict[str, Any]:
        """Return the report of `status --json`."""
        return status_report(self._fleet, self._index)

    def request(self, key: RequestKey) -> Request | None:
        """Return a pending request."""
        return self._fleet.request(key)

    @property
    def today(self) -> Today:
        """The usage since local midnight."""
        return self._usage.today

    # ------------------------------------------------------------------ commands

    def post(self, command: Command) -> None:
        """Execute a command that was chosen in the menu; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._commands.execute_soon, command, Surface.MENU)

    def post_opened(self, opened: OpenSubmenus) -> None:
        """Set which submenus are open; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_opened, opened)

    async def execute(self, command: Command, surface: Surface) -> CommandResult:
        """Execute a command and return its result; on the loop's thread."""
        return await self._commands.execute(command, surface)

    def _set_opened(self, opened: OpenSubmenus) -> None:
        self._view.opened = opened
        self._throttle.set_open(opened)

    # ------------------------------------------------------------------ callbacks

    def _settings(self) -> Settings:
        return self._live.current

    def _show_message(self, title: str, text: str) -> None:
        self._notifications.show_text(title, text)

    def _token_changed(self) -> None:
        self._sources.disconnect_all("the token was changed")

    async def _refresh_setup(self) -> None:
        await self._setup.refresh()
        self._throttle.refresh()

    async def _refresh_servers(self) -> None:
        await self._sources.look()
        self._throttle.refresh()
