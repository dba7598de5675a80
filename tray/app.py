"""The composition root: builds everything, starts it, carries facts and choices between the rooms, stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.actions.attach.ladder import Ladder
from tray.actions.carry_out import Actions
from tray.actions.open_file import open_file
from tray.actions.reply import Replies
from tray.core.alerts import Alerts, Notify
from tray.core.answers import RequestKey
from tray.core.board import EVERYTHING, Board
from tray.core.calls import CallError, Why
from tray.core.choices import (
    AttachServer,
    Choice,
    ChooseLabel,
    CleanServers,
    CopyAttachCommand,
    CopyServerAddress,
    CopySessionID,
    Done,
    GoTo,
    GoToNext,
    OpenInBrowser,
    OpenServer,
    OpenSettings,
    PromptServer,
    Quit,
    Respond,
    RespondInWords,
    RestartServer,
    RotateToken,
    RunDoctor,
    SendDraft,
    ServerChoice,
    ShowServerLog,
    StartServer,
    StopServer,
    StopServers,
    Surface,
)
from tray.core.events import Change, Event, ServerChanged, SessionChanged, TimePassed
from tray.core.fleet import Fleet
from tray.core.model import Request, Source
from tray.core.places import HttpServer
from tray.core.problem import Problem
from tray.core.settings import (
    HOST,
    ICON_COUNT,
    ICON_STYLE,
    ON_MACHINE,
    ON_NETWORK,
    PORT,
    SERVERS,
    SOUND,
    SPEAK,
    Settings,
)
from tray.sources.listener import Listener
from tray.storage import audit
from tray.storage.cache import encode_cache, read_cache, write_cache
from tray.storage.files import write_privately
from tray.storage.servers import read_servers
from tray.storage.settings_file import load_settings, template
from tray.storage.token import Token, TokenError
from tray.surfaces.commands import Commands
from tray.surfaces.control import Control
from tray.surfaces.notifications import Notifications
from tray.surfaces.report import status_report
from tray.surfaces.view import TrayView
from tray.surfaces.views import Look, Views
from tray.system import resources, sound
from tray.system.ask import ask_text
from tray.system.paths import Paths

if TYPE_CHECKING:
    from tray.sources.discovery import Discovery

log = logging.getLogger(__name__)

# How soon after the last view a change is shown, in s; the first one after a pause is shown at once.
STATE_PACE, WORDS_PACE, DETAILS_PACE = 0.0, 0.1, 2.0
PAUSE_AFTER_VIEW = 1  # times what the last view cost, whatever happens: views never take more than half a core
BEAT = 20.0  # s between looks at the clock, the settings file and what has run out; as rare as the ping
SLEPT = 5.0  # s by which the clocks may drift apart between two beats before it counts as sleep
SAVE_EVERY = 60.0  # s
TOASTS_TIMEOUT = 1.2  # s that the notification daemon gets at the end


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
        self._fleet = Fleet(settings.rules)
        self._board = Board(self._fleet)
        self._views = Views(self._fleet, self._board)
        self._alerts = Alerts(settings.alert_rules)
        self._token = token
        self._listener = Listener(token, self.apply, now)
        self._discovery: Discovery | None = None  # from its first look on
        call = self._call
        ladder = Ladder(lambda: self._settings, call, self._started_servers)
        self._replies = Replies(self._fleet, self.apply, call, self._record, now)
        self._actions = Actions(
            self._fleet,
            self._board,
            self._replies,
            ladder,
            call,
            ask_text,
            self.apply,
            now,
        )
        self._ladder = ladder
        self._control = Control(self.status, Commands(self._fleet, self._board, self.choose))
        self._listener.serve_clients("/client", self._control.serve)
        self._notifications = Notifications("OpenCode Tray", resources.app_icon(), self._toast_chosen)
        self._announces = notify  # what was asked for with a click is said in any case
        self._problems: dict[str, str] = {}
        self._show: Callable[[TrayView], None] | None = None
        self._shown: TrayView | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lane: asyncio.Task[Any] | None = None  # the notifications at work
        self._refresh_timer: asyncio.TimerHandle | None = None
        self._refreshed_at = 0.0
        self._refresh_cost = 0.0
        self._alert_timer: asyncio.TimerHandle | None = None
        self._arranging = False
        self._unsaved = False
        self._saved_at = 0.0
        self.port = 0

    # ------------------------------------------------------------------ life

    async def start(self) -> int:
        """Restore what was known, then accept plugins; returns the port. Raises OSError if it is taken."""
        self._loop = asyncio.get_running_loop()
        self.port = await self._listener.start(self._settings[HOST], self._settings[PORT])
        restored, problem = await asyncio.to_thread(read_cache, self._paths.cache)
        if problem is not None:
            log.warning(problem)
            self._problems["cache"] = problem
        if restored is not None:
            self.apply(restored)
        self._lane = self._spawn(self._notifications.run(), "notifications")
        self._spawn(self._beat(), "beat")
        self._spawn(self._discover(), "discovery")
        return self.port

    async def run_until_stopped(self) -> None:
        """Work until `stop`; then close everything within 2 s and keep what is known."""
        await self._stopping.wait()
        ends = [self._listener.stop(), self._take_toasts_away()]
        await asyncio.gather(*ends, *([self._discovery.stop()] if self._discovery is not None else []))
        for timer in (self._refresh_timer, self._alert_timer):
            if timer is not None:
                timer.cancel()
        for _ in range(2):  # before Python 3.12 `wait_for` drops a cancellation that comes as its answer comes
            if self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks, timeout=0.3)
        await asyncio.to_thread(write_cache, self._paths.cache, encode_cache(self._fleet))

    async def _discover(self) -> None:
        """Look for OpenCodes that have no plugin; what that needs is loaded only now, when plugins can connect."""
        from tray.sources.discovery import Discovery, Wishes  # noqa: PLC0415

        def wishes() -> Wishes:
            settings = self._settings
            return Wishes(settings[ON_MACHINE], settings[ON_NETWORK], settings[SERVERS])

        self._discovery = Discovery(
            self.apply, now, self._fleet.servers.values, self._started_servers, wishes, os.environ
        )
        await self._discovery.start()

    def _started_servers(self) -> list[HttpServer]:
        """The servers that were started here and run, each with its password; on a thread of its own.

        While we are at it: a log that has become long is begun anew.
        """
        from tray.system.daemons import Identity, rotate  # noqa: PLC0415  # psutil is not needed at the start

        found = [one for one in read_servers(self._paths.servers) if Identity(one.pid, one.started, one.boot).process()]
        for server in found:
            rotate(Path(server.log))
        return [HttpServer(server.url, server.username, server.password) for server in found]

    async def _on_servers(self, choice: ServerChoice) -> Done:
        from tray.actions.serve.deeds import ServerDeeds  # noqa: PLC0415  # psutil is not needed at the start

        deeds = ServerDeeds(self._paths, lambda: self._settings, self._ladder, ask_text)
        done = await deeds.carry_out(choice)
        if self._discovery is not None:
            await self._discovery.look()
        self._refresh_soon(0)
        return done

    async def _call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Ask whoever tells of this server (a `core.calls.Call`). Raises CallError."""
        server = self._fleet.servers.get(server_id)
        if server is not None and server.source is Source.HTTP and self._discovery is not None:
            return await self._discovery.call(server_id, method, params)
        if server is not None and server.source is not Source.PLUGIN:
            raise CallError(server.watched, Why.WATCH_ONLY)
        return await self._listener.call(server_id, method, params)

    async def _take_toasts_away(self) -> None:
        self._notifications.end()
        if self._lane is not None:
            await asyncio.wait([self._lane], timeout=TOASTS_TIMEOUT)

    def stop(self) -> None:
        """Ask everything to end; on the loop's thread."""
        self._stopping.set()

    def post(self, choice: Choice) -> None:
        """Hand a person's choice in; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._chosen, choice, Surface.MENU)

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """From now on give every new view to `show`, this moment's first; on the loop's thread."""
        self._show = show
        self._refresh_soon(0)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        return status_report(self._fleet, self._board)

    def request(self, key: RequestKey) -> Request | None:
        """A request, as long as it waits."""
        return self._fleet.request(key)

    # ------------------------------------------------------------------ facts in

    def apply(self, event: Event) -> None:
        """Take one fact in, and hand on what changed."""
        changes = self._fleet.apply(event, now())
        self._replies.happened(event)
        if not changes:
            return
        self._alert(self._board.update(changes))
        self._control.changed()
        if self._discovery is not None and any(isinstance(change, ServerChanged) for change in changes):
            self._arrange_soon()
        self._unsaved = True
        self._refresh_soon(min(map(_pace, changes)))

    def _arrange_soon(self) -> None:
        """Who is known has changed, and with it who has to be followed otherwise."""
        if self._discovery is not None and not self._arranging and self._loop is not None:
            self._arranging = True
            self._loop.call_soon(self._arrange)

    def _arrange(self) -> None:
        self._arranging = False
        if self._discovery is not None:
            self._discovery.arrange()

    def _alert(self, session_ids: frozenset[str]) -> None:
        at = now()
        for effect in self._alerts.update(session_ids, self._board, at, silent=self._is_silent(at)):
            if isinstance(effect, Notify):
                self._announce(effect)
            else:
                self._notifications.withdraw(effect.session_id)
        if self._alert_timer is not None:
            self._alert_timer.cancel()
            self._alert_timer = None
        due = self._alerts.next_deadline()
        if due is not None and self._loop is not None:
            self._alert_timer = self._loop.call_later(max(0, due - at) / 1000, self._alert, frozenset())

    def _announce(self, effect: Notify) -> None:
        if not self._announces:
            return
        self._notifications.show(effect.alert)
        if self._settings[SOUND] == "soft":
            self._spawn(sound.play(resources.cue(effect.alert.reason.value)), "sound")
        if self._settings[SPEAK]:
            self._spawn(sound.speak(f"{effect.alert.title}: {effect.alert.reason.value}"), "speech")

    def _is_silent(self, at: int) -> bool:
        clock = datetime.fromtimestamp(at / 1000).astimezone()
        return EVERYTHING in self._fleet.mutes or self._settings.is_quiet(clock.hour * 60 + clock.minute)

    # ------------------------------------------------------------------ views out

    def _refresh_soon(self, pause: float) -> None:
        if self._show is None or self._loop is None:
            return
        due = max(self._loop.time(), self._refreshed_at + max(pause, PAUSE_AFTER_VIEW * self._refresh_cost))
        if self._refresh_timer is not None:
            if self._refresh_timer.when() <= due:
                return
            self._refresh_timer.cancel()
        self._refresh_timer = self._loop.call_at(due, self._refresh)

    def _refresh(self) -> None:
        self._refresh_timer = None
        begun = time.perf_counter()
        view = self.view()
        if self._show is not None and view != self._shown:
            self._shown = view
            self._show(view)
        self._refresh_cost = time.perf_counter() - begun
        if self._loop is not None:
            self._refreshed_at = self._loop.time()

    def view(self) -> TrayView:
        """What the tray shows at this moment."""
        look = Look(
            monochrome=self._settings[ICON_STYLE] == "monochrome",
            show_count=self._settings[ICON_COUNT],
            problems=tuple(self._problems.values()),
            started=self._discovery.started if self._discovery is not None else frozenset(),
        )
        return self._views.view(look, now())

    # ------------------------------------------------------------------ choices

    async def choose(self, choice: Choice, surface: Surface) -> Done:
        """Carry out what a person chose; what came of it, once that is known. On the loop's thread."""
        match choice:
            case OpenSettings():
                return await self._open_settings()
            case RunDoctor():
                return await self._run_doctor()
            case RotateToken():
                return await self._rotate_token()
            case (
                StartServer()
                | StopServer()
                | StopServers()
                | RestartServer()
                | PromptServer()
                | OpenServer()
                | AttachServer()
                | CopyServerAddress()
                | ShowServerLog()
                | CleanServers()
            ):
                return await self._on_servers(choice)
            case Quit():
                self.stop()
                return Done("The tray stops. Agents go on")
            case _:
                return await self._actions.carry_out(choice, surface)

    def _toast_chosen(self, choice: Choice) -> None:
        self._chosen(choice, Surface.NOTIFICATION)

    def _chosen(self, choice: Choice, surface: Surface) -> None:
        self._spawn(self._choose_and_say(choice, surface), f"choice {type(choice).__name__}")

    async def _choose_and_say(self, choice: Choice, surface: Surface) -> None:
        """Whoever clicked sees what was done; only what was not, or otherwise than asked, has to be said."""
        try:
            done = await self.choose(choice, surface)
        except Exception:  # whatever a person does, they are told what came of it
            log.exception("%s failed", type(choice).__name__)
            done = Done(f"It failed; {self._paths.log} says why", ok=False)
        if not (done.ok and done.as_asked):
            self._say(_name_of(choice), done.line)

    def _record(self, entry: Mapping[str, Any]) -> None:
        audit.append(self._paths.audit, entry)

    def _say(self, title: str, body: str) -> None:
        self._notifications.say(title, body)

    async def _rotate_token(self) -> Done:
        try:
            await asyncio.to_thread(self._token.rotate)
        except TokenError as error:
            return Done(str(error), ok=False)
        asyncio.get_running_loop().call_soon(self._listener.close_all, "the token was changed")  # after the answer
        return Done("There is a new token; everybody has to prove it again")

    async def _open_settings(self) -> Done:
        path = self._paths.settings
        if not path.exists():
            await asyncio.to_thread(_write_template, path)
        return Done(await open_file(path), as_asked=False)

    async def _run_doctor(self) -> Done:
        from tray.actions.doctor.examine import examine  # noqa: PLC0415  # psutil is not needed before
        from tray.actions.doctor.finding import summary  # noqa: PLC0415

        return Done(summary(await examine(self._paths, os.environ, self.status())), as_asked=False)

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
            self._alert(frozenset(row.session.id for row in self._board.rows() if row.status.needs_person))
            self._take_up_settings()
            if await asyncio.to_thread(self._token.reread):
                self._listener.close_all("the token was changed")
            self._refresh_soon(0)
            if self._unsaved and steady - self._saved_at >= SAVE_EVERY:
                self._unsaved, self._saved_at = False, steady
                await asyncio.to_thread(write_cache, self._paths.cache, encode_cache(self._fleet))

    def _take_up_settings(self) -> None:
        """Follow the settings file; an invalid one changes nothing and shows as a problem."""
        try:
            settings = load_settings(self._paths.settings, os.environ, self._flags)
        except Problem as error:
            if self._problems.get("settings") != str(error):
                log.warning("settings kept as they were: %s", error)
            self._problems["settings"] = str(error)
            return
        self._problems.pop("settings", None)
        self._settings = settings
        self._fleet.rules = settings.rules
        self._alerts.rules = settings.alert_rules

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


def _pace(change: Change) -> float:
    """How soon a change is worth a new view: what a session does, at once; its words soon; its details now and then."""
    if not isinstance(change, SessionChanged) or change.before is None:
        return STATE_PACE
    before, after = change.before, change.after
    if (before.status, before.requests) != (after.status, after.requests):
        return STATE_PACE
    words = (before.title, before.parent, before.tool, before.failure, before.retry)
    return WORDS_PACE if words != (after.title, after.parent, after.tool, after.failure, after.retry) else DETAILS_PACE


_NAMES: Mapping[type, str] = {
    GoTo: "Going there",
    GoToNext: "Going there",
    OpenInBrowser: "Going there",
    CopyAttachCommand: "Copying",
    CopySessionID: "Copying",
    OpenSettings: "Settings",
    RunDoctor: "Doctor",
}


def _name_of(choice: Choice) -> str:
    """What a person was about, as the title of what is said of it."""
    if isinstance(choice, (Respond, RespondInWords, ChooseLabel, SendDraft)):
        return "Your answer"
    if isinstance(choice, ServerChoice):
        return "OpenCode's servers"
    return _NAMES.get(type(choice), "Your session")


def _write_template(path: Path) -> None:
    write_privately(path, template())  # it may come to hold a password
