"""The composition root: builds everything, starts it, carries facts and choices between the rooms, stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.actions.app_actions import OwnActions
from tray.actions.attach.opener import SessionOpener
from tray.actions.attach.session_focus import is_looked_at
from tray.actions.dispatcher import Actions
from tray.actions.plugin_file import installed_version
from tray.actions.reply import Replies
from tray.actions.titles import title_of
from tray.core.answers import RequestKey
from tray.core.commands import AppCommand, Command, CommandResult, InstallPlugin, Quit, ServerCommand, Surface
from tray.core.errors import UserError
from tray.core.events import Change, Event, ServerChanged, SessionChanged, TimePassed
from tray.core.fleet import Fleet
from tray.core.model import Request, Source
from tray.core.remote_hosts import HttpServer
from tray.core.rules import fleet_rules
from tray.core.session_index import SessionIndex
from tray.core.settings import (
    HOST,
    ICON_COUNT,
    ICON_STYLE,
    MENU_COLUMNS,
    ON_MACHINE,
    ON_NETWORK,
    PORT,
    SERVERS,
    Settings,
)
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.usage import Today, Usage
from tray.opencode.executable import opencode_program
from tray.sources.plugin.listener import Listener
from tray.storage import audit
from tray.storage.cache import encode_cache, read_cache, write_cache
from tray.storage.endpoint import Endpoint, reached_at, read_endpoint, remove_endpoint, write_endpoint
from tray.storage.servers import read_servers
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.server import ControlServer
from tray.surfaces.control.status_report import status_report
from tray.surfaces.menu.builder import Setup, ViewBuilder, ViewSettings
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.usage_line import today_line
from tray.surfaces.menu.view import TrayView
from tray.surfaces.notifications import Notifications
from tray.surfaces.notifier import Notifier
from tray.surfaces.view_throttle import ViewThrottle
from tray.system import resources
from tray.system.local_day import LocalDay
from tray.system.paths import Paths
from tray.system.text_dialog import ask_text

if TYPE_CHECKING:
    from tray.sources.discovery import Discovery

log = logging.getLogger(__name__)

BEAT = 20.0  # s between looks at the clock, the settings file and what has run out; as rare as the ping
SLEPT = 5.0  # s by which the clocks may drift apart between two beats before it counts as sleep
SAVE_EVERY = 60.0  # s
TOASTS_TIMEOUT = 1.2  # s that the notification daemon gets at the end
TASKS_TIMEOUT = 0.6  # s that the background tasks get at the end


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class App:
    """Everything but the icon. Lives on one asyncio loop; only `post` may be called from other threads."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        flags: Mapping[str, Any],
        token: Token,
        *,
        notify: bool = True,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._flags = flags
        self._fleet = Fleet(fleet_rules(settings))
        self._index = SessionIndex(self._fleet)
        self._day = LocalDay()
        self._usage = Usage(now(), self._day.start(now()))
        self._view_builder = ViewBuilder(self._fleet, self._index)
        self._token = token
        self._listener = Listener(token, self.apply, now)
        self._discovery: Discovery | None = None  # from its first look on
        call = self._call
        ladder = SessionOpener(lambda: self._settings, call, self._started_servers)
        self._replies = Replies(self._fleet, self.apply, call, self._record, now)
        self._actions = Actions(
            self._fleet, self._index, self._replies, ladder, call, ask_text, self.apply, now
        )  # fmt: skip
        self._own = OwnActions(
            paths, token, lambda: self._settings, self.status, ladder, ask_text, self._token_changed
        )  # fmt: skip
        self._control = ControlServer(
            self._fleet, self._index, ControlMethods(self._fleet, self._index, self.choose), now
        )
        self._listener.serve_clients("/client", self._control.serve)
        self._notifications = Notifications("OpenCode Tray", resources.app_icon(), self._toast_chosen)
        self._notifier = Notifier(
            self._fleet,
            self._index,
            self._notifications if notify else None,  # what was asked for with a click is said in any case
            lambda: self._settings,
            is_looked_at,
            self._spawn,
            now,
        )
        self._view_throttle = ViewThrottle(self.view)
        self._open_submenus = OpenSubmenus()
        self._setup = Setup()
        self._problems = {"settings": settings.problems[0]} if settings.problems else {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lane: asyncio.Task[Any] | None = None  # the notifications at work
        self._arranging = False
        self._unsaved = False
        self._saved_at = 0.0
        self.port = 0

    # ------------------------------------------------------------------ life

    async def start(self, port: int | None = None) -> int:
        """Restore what was known, then accept plugins; returns the port. Raises OSError if it is taken.

        `port` counts in place of the one that is set; 0 asks for a free one.
        """
        self._loop = asyncio.get_running_loop()
        self.port = await self._listener.start(self._settings[HOST], self._settings[PORT] if port is None else port)
        self._flags = {**self._flags, PORT.key: self.port}  # whatever the file says later
        self._settings = self._settings.given(PORT, self.port, "flag")
        await self._leave_endpoint()
        restored, problem = await asyncio.to_thread(read_cache, self._paths.cache)
        if problem is not None:
            log.warning(problem)
            self._problems["cache"] = problem
        if restored is not None:
            self._usage.restore(restored.usage, restored.sessions)
            self.apply(restored)
        await self._look_at_setup()
        self._lane = self._spawn(self._notifications.run(), "notifications")
        self._spawn(self._beat(), "beat")
        self._spawn(self._discover(), "discovery")
        return self.port

    async def run_until_stopped(self) -> None:
        """Work until `stop`; then close everything within 2 s and keep what is known."""
        await self._stopping.wait()
        await self._take_endpoint_away()
        ends = [self._listener.stop(), self._take_toasts_away()]
        await asyncio.gather(*ends, *([self._discovery.stop()] if self._discovery is not None else []))
        self._notifier.close()
        self._view_throttle.close()
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=TASKS_TIMEOUT)
        await asyncio.to_thread(write_cache, self._paths.cache, encode_cache(self._fleet, self._usage.kept))

    async def _leave_endpoint(self) -> None:
        """Tell the plugin and the commands where we listen. Without that they look where the settings say."""
        endpoint = Endpoint(reached_at(self._listener.host), self.port, os.getpid())
        try:
            await asyncio.to_thread(write_endpoint, self._paths.endpoint, endpoint)
        except OSError as error:
            problem = (
                f"plugins may not find the tray on port {self.port}: {self._paths.endpoint} was not written: {error}"
            )
            if self._problems.get("endpoint") != problem:
                log.warning(problem)
            self._problems["endpoint"] = problem
        else:
            self._problems.pop("endpoint", None)

    async def _restore_endpoint(self) -> None:
        """Leave it again where it was removed or damaged; that of another tray that runs stays."""
        if await asyncio.to_thread(read_endpoint, self._paths.endpoint) is None:
            await self._leave_endpoint()

    async def _take_endpoint_away(self) -> None:
        try:
            await asyncio.to_thread(remove_endpoint, self._paths.endpoint, os.getpid())
        except OSError as error:
            log.warning("%s was not removed: %s", self._paths.endpoint, error)

    async def _discover(self) -> None:
        """Look for OpenCodes that have no plugin; what that needs is loaded only now, when plugins can connect."""
        from tray.sources.discovery import Discovery, DiscoverySettings  # noqa: PLC0415

        def wishes() -> DiscoverySettings:
            settings = self._settings
            return DiscoverySettings(settings[ON_MACHINE], settings[ON_NETWORK], settings[SERVERS])

        self._discovery = Discovery(
            self.apply, now, self._fleet.servers.values, self._started_servers, wishes, os.environ
        )
        await self._discovery.start()

    def _started_servers(self) -> list[HttpServer]:
        """The servers that were started here and run, each with its password; on a thread of its own.

        While we are at it: a log that has become long is begun anew.
        """
        from tray.system.background_process import Identity, rotate  # noqa: PLC0415  # psutil is not needed at the start

        found = [one for one in read_servers(self._paths.servers) if Identity(one.pid, one.started, one.boot).process()]
        for server in found:
            rotate(Path(server.log))
        return [HttpServer(server.url, server.username, server.password) for server in found]

    async def _on_servers(self, choice: ServerCommand) -> CommandResult:
        done = await self._own.carry_out_on_servers(choice)
        if self._discovery is not None:
            await self._discovery.look()
        self._view_throttle.refresh()
        return done

    async def _call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Ask whoever tells of this server (a `core.calls.Call`). Raises CallError."""
        server = self._fleet.servers.get(server_id)
        if server is not None and server.source is Source.HTTP and self._discovery is not None:
            return await self._discovery.call(server_id, method, params)
        if server is not None and server.source is not Source.PLUGIN:
            raise CallError(server.read_only_reason, CallErrorKind.WATCH_ONLY)
        return await self._listener.call(server_id, method, params)

    async def _take_toasts_away(self) -> None:
        self._notifications.end()
        if self._lane is not None:
            await asyncio.wait([self._lane], timeout=TOASTS_TIMEOUT)

    def stop(self) -> None:
        """Ask everything to end; on the loop's thread."""
        self._stopping.set()

    def post(self, choice: Command) -> None:
        """Hand a person's choice in; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._chosen, choice, Surface.MENU)

    def post_opened(self, open_submenus: OpenSubmenus) -> None:
        """Take note of the submenus that a person looks at; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_opened, open_submenus)

    def _set_opened(self, open_submenus: OpenSubmenus) -> None:
        self._open_submenus = open_submenus
        self._view_throttle.set_open(open_submenus)

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """From now on give every new view to `show`, this moment's first; on the loop's thread."""
        self._view_throttle.show_on(show)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        return status_report(self._fleet, self._index)

    def request(self, key: RequestKey) -> Request | None:
        """A request, as long as it waits."""
        return self._fleet.request(key)

    # ------------------------------------------------------------------ facts in

    def apply(self, event: Event) -> None:
        """Take one fact in, and hand on what changed."""
        at = now()
        changes = self._fleet.apply(event, at)
        self._usage.apply(filter(self._is_proven, changes), at, self._day.start(at))
        self._replies.happened(event)
        if not changes:
            return
        session_ids = self._index.update(changes)
        self._notifier.update(session_ids)
        self._control.changed(session_ids)
        if self._discovery is not None and any(isinstance(change, ServerChanged) for change in changes):
            self._arrange_soon()
        self._unsaved = True
        self._view_throttle.changed(changes)

    def _is_proven(self, change: Change) -> bool:
        """Whether what changed is a session of a server that is not just anybody's."""
        server = self._fleet.servers.get(change.after.server) if isinstance(change, SessionChanged) else None
        return server is not None and server.verified

    def _arrange_soon(self) -> None:
        """Who is known has changed, and with it who has to be followed otherwise."""
        if self._discovery is not None and not self._arranging and self._loop is not None:
            self._arranging = True
            self._loop.call_soon(self._arrange)

    def _arrange(self) -> None:
        self._arranging = False
        if self._discovery is not None:
            self._discovery.arrange()

    @property
    def today(self) -> Today:
        """What was used since local midnight."""
        return self._usage.today

    # ------------------------------------------------------------------ views out

    def view(self, with_menu: bool = True) -> TrayView:  # noqa: FBT001, FBT002  # as ViewThrottle calls it
        """Return what the tray shows now; without `with_menu`, the menu is that of the previous view."""
        settings = ViewSettings(
            monochrome=self._settings[ICON_STYLE] == "monochrome",
            show_count=self._settings[ICON_COUNT],
            problems=tuple(self._problems.values()),
            started=self._discovery.started if self._discovery is not None else frozenset(),
            columns=self._settings[MENU_COLUMNS],
            today=today_line(self.today, self._day.start(now())) if with_menu else "",
            setup=self._setup,
        )
        return self._view_builder.build(settings, now(), self._open_submenus, with_menu=with_menu)

    # ------------------------------------------------------------------ choices

    async def choose(self, choice: Command, surface: Surface) -> CommandResult:
        """Carry out what a person chose; what came of it, once that is known. On the loop's thread."""
        if isinstance(choice, Quit):
            self.stop()
            return CommandResult("The tray stops. Agents go on")
        if isinstance(choice, ServerCommand):
            return await self._on_servers(choice)
        if isinstance(choice, AppCommand):
            done = await self._own.carry_out(choice)
            if isinstance(choice, InstallPlugin):
                await self._look_at_setup()
                self._view_throttle.refresh()
            return done
        return await self._actions.carry_out(choice, surface)

    def _toast_chosen(self, choice: Command) -> None:
        self._chosen(choice, Surface.NOTIFICATION)

    def _chosen(self, choice: Command, surface: Surface) -> None:
        self._spawn(self._choose_and_say(choice, surface), f"choice {type(choice).__name__}")

    async def _choose_and_say(self, choice: Command, surface: Surface) -> None:
        """Whoever clicked sees what was done; only what was not, or otherwise than asked, has to be said."""
        try:
            done = await self.choose(choice, surface)
        except Exception:  # whatever a person does, they are told what came of it
            log.exception("%s failed", type(choice).__name__)
            done = CommandResult(f"It failed; {self._paths.log} says why", ok=False)
        if not (done.ok and done.as_requested):
            self._notifications.show_text(title_of(choice), done.message)

    def _record(self, entry: Mapping[str, Any]) -> None:
        audit.append(self._paths.audit, entry)

    def _token_changed(self) -> None:
        self._listener.close_all("the token was changed")

    # ------------------------------------------------------------------ time

    async def _beat(self) -> None:
        """Look at the clock now and then: what has run out, whether the machine slept, what was set, what to save."""
        steady, wall = time.monotonic(), time.time()
        while True:
            await asyncio.sleep(BEAT)
            steady_passed, wall_passed = time.monotonic() - steady, time.time() - wall
            steady, wall = steady + steady_passed, wall + wall_passed
            if abs(wall_passed - steady_passed) > SLEPT or steady_passed > BEAT + SLEPT:
                log.info("the clock jumped by %.0f s: everything is read again", wall_passed - BEAT)
                self._listener.reread_all()
                if self._discovery is not None:
                    self._discovery.reread_all()
            self._listener.sweep()
            if self._discovery is not None:
                try:
                    await self._discovery.look()
                except Exception:  # who is there costs nobody his beat
                    log.exception("looking for OpenCode failed")
            self.apply(TimePassed())
            self._notifier.update(frozenset(row.session.id for row in self._index.rows() if row.status.needs_person))
            self._take_up_settings()
            await self._look_at_setup()
            await self._restore_endpoint()
            if await asyncio.to_thread(self._token.reread):
                self._token_changed()
            self._view_throttle.refresh()
            if self._unsaved and steady - self._saved_at >= SAVE_EVERY:
                self._unsaved, self._saved_at = False, steady
                await asyncio.to_thread(write_cache, self._paths.cache, encode_cache(self._fleet, self._usage.kept))

    async def _look_at_setup(self) -> None:
        """Take note of what a newcomer still has to do; nothing is read while a plugin reports."""
        servers = self._fleet.servers.values()
        if any(server.connected and server.source is Source.PLUGIN for server in servers):
            return

        def look() -> Setup:
            found = shutil.which(opencode_program(self._settings)) is not None
            return Setup(plugin_installed=installed_version(self._paths.plugin) is not None, opencode_found=found)

        self._setup = await asyncio.to_thread(look)

    def _take_up_settings(self) -> None:
        """Follow the settings file; an invalid one changes nothing and shows as a problem."""
        try:
            settings = load_settings(self._paths.settings, os.environ, self._flags)
        except UserError as error:
            if self._problems.get("settings") != str(error):
                log.warning("settings kept as they were: %s", error)
            self._problems["settings"] = str(error)
            return
        self._problems.pop("settings", None)
        if settings.problems:
            self._problems["settings"] = settings.problems[0]
        self._settings = settings
        self._fleet.rules = fleet_rules(settings)
        self._notifier.reload_settings()

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
