"""The channels that the settings name: starts them, tells them what changed, and takes answers from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol

import aiohttp

from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.answer_codes import find_answer
from tray.core.channel_settings import PUSH, PUSH_DEFAULTS, ChannelSettings
from tray.core.channel_state import ChannelState
from tray.core.commands import AnswerRequest, Command, CommandResult, Surface
from tray.core.errors import UserError
from tray.core.outcomes import UNKNOWN, Outcomes
from tray.core.settings import CHANNELS, FINISHED_AFTER
from tray.files.writing import write_privately
from tray.storage.channel_store import ChannelRecord, encode_channels, read_channels
from tray.surfaces.channels.channel import ChannelContext, ChannelSetupError, Pressed
from tray.surfaces.channels.feed import FeedContext
from tray.surfaces.channels.registry import kind_of, options_of
from tray.surfaces.channels.running import RunningChannel
from tray.system.paths import Paths
from tray.system.secret_variables import whole_environment
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

TOPIC = "channels"
ABOUT = ("settings", "messages", "answers", "check")  # what a problem of a channel can be about
SETTLE_TIME = 60.0  # s after the start in which sessions are found again; messages of others have ended then
CHECK_INTERVAL = 7 * 24 * 3600.0  # s between two checks of a channel that was not used
WRITE_AGAIN = 60.0  # s after a file that could not be written
WRITE_DELAY = 0.5  # s in which changes of the file are collected

Execute = Callable[[Command, Surface], Coroutine[Any, Any, CommandResult]]


class ChannelNotRunningError(UserError):
    """No channel with this name runs."""


class PushDevices(Protocol):
    """The browsers that take notifications."""

    def push_channels(self, template: ChannelSettings) -> tuple[ChannelSettings, ...]:
        """Return the channel of each, with the other settings of `template`."""

    async def end_push(self, channel: str) -> None:
        """Send no more to the browser of a channel: it takes none."""


class Channels:
    """Lives on the event loop's thread. Without channels in the settings, nothing of them is started or stored."""

    def __init__(
        self,
        paths: Paths,
        state: AppState,
        problems: Problems,
        tasks: TaskSet,
        execute: Execute,
        outcomes: Outcomes,
        push: PushDevices,
    ) -> None:
        """`execute` runs the commands that come from channels. `outcomes` knows how requests were answered."""
        self._push = push
        self._reloading = asyncio.Lock()
        self._path = paths.channels
        self._state = state
        self._problems = problems
        self._tasks = tasks
        self._execute = execute
        self._records: dict[str, ChannelRecord] = {}
        self._running: dict[str, RunningChannel] = {}
        self._http: aiohttp.ClientSession | None = None
        self._settings: tuple[ChannelSettings, ...] = ()
        self._is_settling = True
        self._updated = asyncio.Event()  # set by the next update
        self._writing = asyncio.Lock()
        self._is_changed = asyncio.Event()  # what the file contains
        self._shared = FeedContext(state.fleet, state.index, outcomes.text, state.now, self._finished_after)

    # ------------------------------------------------------------------ start and stop

    async def start(self) -> None:
        """Start the channels of the settings."""
        await self.reload_settings()
        self._tasks.spawn(self._close_lost(), "messages of lost sessions")

    async def reload_settings(self) -> None:
        """Start what is new or has changed, and stop what is gone."""
        async with self._reloading:
            wanted = self._wanted()
            if wanted != self._settings:
                await self._apply(wanted)

    def _wanted(self) -> tuple[ChannelSettings, ...]:
        """Return the channels of the settings. A table of the kind PUSH stands for all browsers."""
        tables = self._state.settings()[CHANNELS]
        template = next((table for table in tables if table.kind == PUSH), PUSH_DEFAULTS)
        return (*(table for table in tables if table.kind != PUSH), *self._push.push_channels(template))

    async def _apply(self, wanted: tuple[ChannelSettings, ...]) -> None:
        gone = [settings for settings in self._settings if settings not in wanted]
        self._settings = wanted
        http = await self._load()
        for settings in gone:
            for about in ABOUT:
                self._report(settings.name, about, "")
            if (running := self._running.pop(settings.name, None)) is not None:
                await running.stop()
                self._records[settings.name].sent = running.stored()
        for settings in wanted:
            if settings.name not in self._running:
                self._start_one(settings, http)

    async def _load(self) -> aiohttp.ClientSession:
        """Read the file of the channels once; return what calls their services."""
        if self._http is not None:
            return self._http
        http = self._http = aiohttp.ClientSession(trust_env=True)  # a proxy of the user's environment
        self._records, problem = await asyncio.to_thread(read_channels, self._path)
        if problem:
            self._problems.report(TOPIC, problem)
        self._tasks.spawn(self._write_changes(), "file of the channels")
        return http

    def _start_one(self, settings: ChannelSettings, http: aiohttp.ClientSession) -> None:
        name, record = settings.name, self._records.get(settings.name)
        if record is None or record.kind != settings.kind:
            record = self._records[name] = ChannelRecord(settings.kind)

        def remember(key: str, value: str) -> None:
            record.values[key] = value
            self._is_changed.set()

        def recall(key: str) -> str:
            return record.values.get(key, "")

        def ended() -> None:
            self._tasks.spawn(self._push.end_push(name), "end of notifications")

        try:
            options = options_of(settings, whole_environment())
            context = ChannelContext(
                name, options, http, remember, recall, lambda: self._report(name, "answers", ""), ended
            )
            channel = kind_of(settings.kind).make(context)
        except ChannelSetupError as error:
            self._report(name, "settings", f"{name} is not used: {error}")
            return
        except Exception:
            log.exception("the channel %s cannot be started", name)
            self._report(name, "settings", f"{name} is not used: see the log")
            return
        running = RunningChannel(
            settings,
            channel,
            self._shared,
            report=lambda about, text: self._report(name, about, text),
            changed=self._is_changed.set,
            press=lambda pressed: self._press(name, pressed),
        )
        running.restore(record.sent)
        running.start(self._tasks)
        self._running[name] = running
        running.feed.update_waiting()

    async def stop(self) -> None:
        """Stop all channels, and store what they have to know after a restart."""
        async with self._reloading:
            for running in self._running.values():
                await running.stop()
            if self._http is not None:
                await self._write()
                await self._http.close()

    def _report(self, name: str, about: str, text: str) -> None:
        self._problems.set(f"{TOPIC} {name} {about}", text)

    def _problem_of(self, name: str) -> str:
        return next(filter(None, (self._problems.text(f"{TOPIC} {name} {about}") for about in ABOUT)), "")

    def _finished_after(self) -> int:
        return self._state.settings()[FINISHED_AFTER] * 1000

    # ------------------------------------------------------------------ changes in

    def update(self, session_ids: Collection[str]) -> None:
        """Bring the messages of these root sessions up to date."""
        at = self._state.now()
        self._updated.set()
        self._updated = asyncio.Event()
        for running in self._running.values():
            running.feed.update(session_ids, at)

    async def _close_lost(self) -> None:
        await asyncio.sleep(SETTLE_TIME)
        self._is_settling = False
        self.update({session_id for running in self._running.values() for session_id in running.queue.sent})

    def repeat(self) -> None:
        """Send what was silenced until now."""
        for running in self._running.values():
            running.feed.update_waiting()

    async def check_due(self) -> None:
        """Check the channels that have sent nothing for a week: else a channel that stopped working is not noticed."""
        for running in list(self._running.values()):
            await running.check_if_due(CHECK_INTERVAL)

    # ------------------------------------------------------------------ answers

    async def _press(self, name: str, pressed: Pressed) -> str:
        """Give an answer that came through a channel, and return the text for the user."""
        return (await self._answer(name, pressed, f"{pressed.by} ({name})", Surface.CHANNEL)).message

    async def press(self, name: str, code: str, origin: str) -> CommandResult:
        """Give the answer of a button of a notification."""
        return await self._answer(name, Pressed(origin, code), origin, Surface.PAGE)

    async def _answer(self, name: str, pressed: Pressed, origin: str, surface: Surface) -> CommandResult:
        running = self._running.get(name)
        if running is None:
            return CommandResult(UNKNOWN, as_requested=False)
        code, fleet = pressed.code or running.text_code_of(pressed.reference), self._state.fleet
        found = find_answer(fleet, code, pressed.text)
        while (
            self._is_settling and running.offers(code) and (found is None or not fleet.servers[found.key.server].live)
        ):
            await self._updated.wait()  # its agent will connect again soon
            found = find_answer(fleet, code, pressed.text)
        if found is None:
            return CommandResult(UNKNOWN if code else "This message takes no answer", as_requested=False)
        command = AnswerRequest(found.key, found.answer, found.request, origin)
        # A channel that is stopped meanwhile does not cancel an answer that is on its way.
        answering = self._tasks.spawn(self._execute(command, surface), "answer from a channel")
        result: CommandResult = await asyncio.shield(answering)
        return result

    # ------------------------------------------------------------------ used by the commands

    def overview(self) -> tuple[ChannelState, ...]:
        """Return what the user sees of each channel."""
        return tuple(map(self._state_of, self._settings))

    def _state_of(self, settings: ChannelSettings) -> ChannelState:
        running, problem = self._running.get(settings.name), self._problem_of(settings.name)
        if running is None:
            return ChannelState(settings.name, settings.kind, problem=problem)
        state = running.queue.state
        return ChannelState(
            settings.name, settings.kind, state.sent, state.last_at, problem or state.problem, running.has_pairing
        )

    async def test(self, name: str) -> CommandResult:
        """Send a message that says that it is a test. Raises ChannelNotRunningError."""
        return await self._find(name).test()

    def pair(self, name: str) -> CommandResult:
        """Begin a pairing. Raises ChannelNotRunningError."""
        return self._find(name).pair()

    def _find(self, name: str) -> RunningChannel:
        running = self._running.get(name)
        if running is not None:
            return running
        if any(settings.name == name for settings in self._settings):
            raise ChannelNotRunningError(self._problem_of(name) or f"{name} is not used")
        known = ", ".join(settings.name for settings in self._settings) or "none; see docs/channels.md"
        raise ChannelNotRunningError(f"no channel is named {name!r}; the settings name: {known}")

    # ------------------------------------------------------------------ the file

    async def _write_changes(self) -> None:
        while True:
            await self._is_changed.wait()
            await asyncio.sleep(WRITE_DELAY)
            if not await self._write():
                await asyncio.sleep(WRITE_AGAIN)
                self._is_changed.set()

    async def _write(self) -> bool:
        """Write the file; return whether that succeeded. An older state never replaces a newer one."""
        async with self._writing:
            self._is_changed.clear()
            for name, running in self._running.items():
                self._records[name].sent = running.stored()
            names = {settings.name for settings in self._settings}
            text = encode_channels({name: record for name, record in self._records.items() if name in names})
            try:
                await asyncio.to_thread(write_privately, self._path, text)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", "") or error
                self._problems.report(TOPIC, f"cannot write {self._path}: {reason}; alerts may come twice")
                return False
            self._problems.clear(TOPIC)
            return True
