"""The composition root: builds the parts, starts and stops them, and carries events and commands between them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tray.actions.app_actions import AppActions
from tray.actions.attach.opener import SessionOpener
from tray.actions.channel_actions import ChannelActions
from tray.actions.dispatcher import Dispatcher
from tray.actions.page_actions import PageActions
from tray.actions.phone_actions import PhoneActions
from tray.actions.remote_actions import RemoteActions
from tray.actions.reply import Replies
from tray.actions.serve.started import rotate_logs, running_servers
from tray.app.channels import Channels
from tray.app.clock import Clock, JumpDetector, milliseconds
from tray.app.command_runner import CommandRunner, ServiceActions
from tray.app.current_view import CurrentView
from tray.app.endpoint_publisher import EndpointPublisher
from tray.app.history import History
from tray.app.live_settings import LiveSettings
from tray.app.open_file_limit import OpenFileLimit
from tray.app.outside_ways import OutsideWays
from tray.app.page import Page, PageChanged
from tray.app.panel_notice import PanelNotice
from tray.app.periodic import Job, run_periodically
from tray.app.phone_code import PhoneCode
from tray.app.problems import Problems
from tray.app.remotes import Remotes
from tray.app.setup_check import SetupCheck
from tray.app.state import AppState
from tray.app.state_cache import StateCache
from tray.app.surfaces import Surfaces
from tray.app.team import Team
from tray.app.turn_watch import TurnWatch
from tray.app.update_check import UpdateCheck
from tray.core.commands import Command, CommandResult, InstallHooks, InstallPlugin, ServerCommand, Surface
from tray.core.events import Event, ServerChanged, TimePassed
from tray.core.outcomes import Outcomes
from tray.core.pairing import PendingPairing
from tray.core.remote_hosts import HttpServer
from tray.core.settings import HOST, PORT, Settings
from tray.sources.router import SourceRouter
from tray.storage.token import Token, TokenError
from tray.surfaces.control.status_report import status_report
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.surfaces.notifications import Notifications
from tray.surfaces.toasts import Balloon
from tray.system import resources
from tray.system.paths import TITLE, Paths
from tray.system.tasks import TaskSet, call_on_loop
from tray.system.text_dialog import ask_text

log = logging.getLogger(__name__)

INTERVAL = 20.0  # s between runs of the periodic jobs: the same as the ping interval
TASKS_TIMEOUT = 0.6  # s that background tasks get to end


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
        self._clock = clock
        self._problems = Problems()
        self._open_files = OpenFileLimit(self._problems, clock.monotonic)
        self._live = LiveSettings(paths.settings, settings, flags, self._problems)
        self.state = AppState(self._settings, partial(milliseconds, clock))
        self._cache = StateCache(paths.cache, self.state, self._problems, clock)
        self._endpoint = EndpointPublisher(paths.endpoint, self._problems)
        self._setup = SetupCheck(paths, self._settings, self.state.fleet.servers.values)
        self._tasks = TaskSet()
        running = partial(running_servers, paths.servers)
        self._remotes = Remotes(paths.remotes, self.state, token, self._problems, self._tasks)
        self._sources = SourceRouter(
            token,
            self.apply,
            self.state.now,
            self.state.fleet.servers,
            self._settings,
            running,
            paths.hook_socket,
            self._remotes.find,
        )
        self._history = History(
            paths, self.state, self._problems, self._tasks, self._sources.call, self.apply, self._show_message
        )
        self._ways = OutsideWays(
            paths.tailnet_entry,
            self.state,
            self._problems,
            self._tasks,
            self._ways_changed,
            self._show_message,
        )
        self._page = Page(
            paths,
            self.state,
            token,
            self._problems,
            self._sources.call,
            self._history.write,
            PageChanged(self._pairing_changed, self._reload_channels),
            self._ways,
        )
        self._outcomes = Outcomes()
        self._build_actions(running)
        self._updates = UpdateCheck(self._settings, self._tasks, self._newer_version, clock.monotonic)
        self._view = CurrentView(
            self.state, self._sources, self._problems, self._setup, self._history, self.channels, self._page, self._ways
        )
        self._surfaces = Surfaces(
            self.state,
            self._view,
            self._page,
            self._tasks,
            self._commands,
            self._ways.exposed,
            notifications or self._new_notifications(),
            notify=notify,
        )
        self._sources.serve_clients("/client", self._surfaces.serve_client)
        self._panel_notice = PanelNotice(paths.panel_notice, self._tasks, self._show_message)
        self._turns = TurnWatch(self.state, self._show_message)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self.port = 0

    def _build_actions(self, running: Callable[[], list[HttpServer]]) -> None:
        fleet, index, now, call = self.state.fleet, self.state.index, self.state.now, self._sources.call
        opener, page, paths = SessionOpener(self._settings, call, running), PageActions(self._page), self._paths
        self._replies = Replies(fleet, self.apply, call, self._record_answer, now)
        self._commands = CommandRunner(
            Dispatcher(fleet, index, self._replies, opener, call, ask_text, self.apply, now),
            AppActions(paths, self._token, self._settings, self.status, opener, ask_text, self._token_changed, page),
            ServiceActions(
                ChannelActions(lambda: self.channels),
                RemoteActions(self._remotes),
                PhoneActions(self._page, self._ways, PhoneCode(paths.phone_code, self._tasks).show),
            ),
            self._tasks,
            stop=self.stop,
            after=self._after_command,
            show_message=self._show_message,
            log_file=paths.log,
        )
        self.channels = Channels(
            paths, self.state, self._problems, self._tasks, self._commands.execute, self._outcomes, self._page
        )
        self._team = Team(paths.team, self.state, self._problems, self.apply, self._commands.execute)
        self._sources.use_team(self._team.call)

    def _new_notifications(self) -> Notifications:
        on_command = partial(self._commands.execute_soon, surface=Surface.NOTIFICATION)
        return Notifications(
            TITLE,
            resources.app_icon(),
            on_command,
            on_problem=partial(self._problems.set, "notifications", is_logged=True),
        )

    # ------------------------------------------------------------------ start and stop

    async def start(self, port: int | None = None) -> int:
        """Accept connections and restore the cached state; return the port. Raises OSError if it cannot be bound.

        `port` overrides the setting; 0 binds any free port.
        """
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._open_files.on_error)
        settings = self._settings()
        self.port = await self._sources.start(settings[HOST], settings[PORT] if port is None else port)
        self._history.start(self._surfaces.refresh)  # before any plugin has connected: its snapshot shows the gaps
        self._live.fix_port(self.port)
        await self._endpoint.publish(self._sources.host, self.port)
        self._sources.redirect_browsers(await self._page.start(self._commands.execute))
        restored = await self._cache.load()
        if restored is not None:
            self.apply(restored)
        await self._setup.refresh()
        self._surfaces.start()
        await self.channels.start()
        await self._remotes.start(self._sources)
        self._tasks.spawn(self._team.reload_settings(), "settings of the team")
        self._tasks.spawn(run_periodically(self._interval, self._jobs()), "periodic jobs")
        self._tasks.spawn(self._sources.start_discovery(), "discovery")
        self._tasks.spawn(self._ways.undo_previous(), "entry of the tailnet")
        return self.port

    def _jobs(self) -> dict[str, Job]:
        """Return the periodic jobs by name, in the order in which they run."""
        return {
            "detect sleep": partial(self._reread_after_sleep, JumpDetector(self._interval, self._clock)),
            "sweep connections": self._sources.sweep,
            "look for OpenCode": self._sources.look,
            "expire": partial(self.apply, TimePassed()),
            "look at turns": self._turns.check,
            "look for a newer version": self._updates.check_if_due,
            "repeat alerts": self._surfaces.repeat_alerts,
            "repeat alerts in channels": self.channels.repeat,
            "check channels": self._check_channels,
            "close the tunnel": self._ways.close_if_due,
            "check open files": self._open_files.check,
            "reload settings": self._reload_settings,
            "check setup": self._setup.refresh,
            "restore endpoint": self._endpoint.restore,
            "refresh history": self._history.refresh,
            "reread token": self._reread_token,
            "rotate server logs": partial(asyncio.to_thread, rotate_logs, self._paths.servers),
            "refresh views": self._surfaces.refresh,
            "save devices": self._page.save,
            "save state": self._cache.save_if_due,
        }

    def _reread_after_sleep(self, jumps: JumpDetector) -> None:
        if jump := jumps.jump():
            log.info("the clock jumped by %.0f s; every source is read again", jump)
            self._sources.reread_all()

    def _reload_settings(self) -> None:
        self._live.reload()
        self.state.reload_settings()
        self._surfaces.reload_settings()
        self._reload_channels()
        self._tasks.spawn(self._team.reload_settings(), "settings of the team")
        self._sources.reload_settings()

    def _reload_channels(self) -> None:
        self._tasks.spawn(self.channels.reload_settings(), "settings of channels")

    async def _reread_token(self) -> None:
        try:
            is_new = await asyncio.to_thread(self._token.reread)
        except TokenError as error:
            self._problems.report("token", f"{error}; until then, plugins and commands that start anew are refused")
            return
        self._problems.clear("token")
        if is_new:
            self._token_changed()

    async def run_until_stopped(self) -> None:
        """Run until `stop`; then close all connections within 2 s and save the state."""
        await self._stopping.wait()
        await self._endpoint.remove()
        stops = (
            self._sources.stop(),
            self._ways.stop(),
            self._page.stop(),
            self.channels.stop(),
            self._team.stop(),
            self._surfaces.withdraw_notifications(),
        )
        for error in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(error, BaseException):  # the state is saved in any case
                log.error("cannot stop everything", exc_info=error)
        self._surfaces.close()
        await self._history.stop()
        self._tasks.cancel_all()
        await self._tasks.wait(TASKS_TIMEOUT)
        await self._cache.save()

    def stop(self) -> None:
        """Stop; on the loop's thread."""
        self._stopping.set()

    # ------------------------------------------------------------------ events in, views out

    def apply(self, event: Event) -> None:
        """Apply an event and update everything that depends on what it changed."""
        changes, session_ids = self.state.apply(event)
        self._replies.on_event(event)
        self._outcomes.on_event(event)
        self._history.record(event, changes)
        if not changes:
            return
        self._surfaces.update(changes, session_ids)
        self.channels.update(session_ids)
        self._team.note(changes)
        if any(isinstance(change, ServerChanged) for change in changes):
            self._sources.arrange_soon()
        self._cache.mark_changed()

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """Pass the current view, and every new one, to `show`; on the loop's thread."""
        self._surfaces.show_on(show)

    def show_balloons_on(self, show: Callable[[Balloon | None], None]) -> None:
        """Show notifications on the icon where the platform shows none; on the loop's thread."""
        self._surfaces.show_balloons_on(show)

    def expect_panel(self) -> None:
        """Tell the user if no panel shows the icon; on the loop's thread."""
        self._panel_notice.start()

    def view(self) -> TrayView:
        """Return the current view."""
        return self._view.build()

    def status(self) -> dict[str, Any]:
        """Return the report of `status --json`."""
        return status_report(self.state.fleet, self.state.index)

    # ------------------------------------------------------------------ commands

    def post(self, command: Command) -> None:
        """Execute a command that was chosen in the menu; from any thread."""
        call_on_loop(self._loop, self._commands.execute_soon, command, Surface.MENU)

    def post_opened(self, opened: OpenSubmenus) -> None:
        """Set which submenus are open; from any thread."""
        call_on_loop(self._loop, self._surfaces.set_open, opened)

    def post_hosted(self, hosted: bool) -> None:  # noqa: FBT001  # the back end's signature
        """Set whether a panel shows the icon; from any thread."""
        call_on_loop(self._loop, self._panel_notice.set_hosted, hosted)

    async def execute(self, command: Command, surface: Surface) -> CommandResult:
        """Execute a command and return its result; on the loop's thread."""
        return await self._commands.execute(command, surface)

    # ------------------------------------------------------------------ callbacks

    def _settings(self) -> Settings:
        return self._live.current

    def _check_channels(self) -> None:
        self._tasks.spawn(self.channels.check_due(), "check of channels")  # a service may be slow

    def _newer_version(self, version: str) -> None:
        self._view.newer_version = version
        self._surfaces.refresh()

    def _ways_changed(self) -> None:
        self._page.ways_changed()
        self._surfaces.refresh()

    def _pairing_changed(self, new: PendingPairing | None) -> None:
        if new is not None:
            text = f"It shows {new.number}. Allow or refuse it in the menu"
            self._show_message(f"{new.name} wants to pair", text)
        self._surfaces.refresh()

    async def _record_answer(self, entry: Mapping[str, Any]) -> None:
        self._outcomes.on_answer(entry)
        await self._history.record_answer(entry)

    def _show_message(self, title: str, text: str) -> None:
        self._surfaces.show_message(title, text)

    def _token_changed(self) -> None:
        self._sources.disconnect_all("the token was changed")
        self._remotes.reopen()
        self._tasks.spawn(self._page.revoke_all(), "revoke devices")

    async def _after_command(self, command: Command) -> None:
        """Update what a command may have changed besides sessions."""
        if isinstance(command, (InstallPlugin, InstallHooks)):
            await self._setup.refresh()
        elif isinstance(command, ServerCommand):
            await self._sources.look()
        else:
            return
        self._surfaces.refresh()
