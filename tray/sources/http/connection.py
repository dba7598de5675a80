"""The connection to one HTTP server: its events, and a snapshot of each directory, for as long as it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from tray.core.events import InstanceDisposed, SourceEvent
from tray.core.lenient_json import JSON_ERRORS, replace_lone_surrogates
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.text import clean
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.event_stream import SILENCE, subscribe_raw
from tray.sources.http.calls import DirectoryCalls
from tray.sources.http.directory import DirectoryFollower, event_type
from tray.sources.http.reported_servers import ReportedServers
from tray.sources.protocol.events import FrameError, decode_event
from tray.system.backoff import Backoff
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

FIRST_RETRY = 0.5  # s until the second attempt to connect; the pause is doubled each time
MAX_RETRY = 4.0  # s between two attempts: all is true 5 s after a server is back
STABLE_AFTER = 20.0  # s after which a connection counts as stable: the next attempt follows after FIRST_RETRY again
MAX_DIRECTORIES, MAX_UNTRUSTED_DIRECTORIES = 50, 2  # that are followed on one server
MAX_DIRECTORY_LENGTH = 4096  # characters
# s for the first responses. OpenCode 1.18 drops requests that arrive while it starts. If such a request names a
# directory, all later requests for that directory hang as long as the process runs. So no directory is requested before
# the server has answered a request without one.
FIRST_RESPONSE_TIMEOUT = 3.0
READ_TIMEOUT = 60.0  # s for a snapshot
TOO_OLD = "OpenCode before 1.1 is not supported over HTTP; run opencode-tray install-plugin"


class _Event(msgspec.Struct):
    directory: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


_event = msgspec.json.Decoder(_Event)


class HttpConnection:
    """Owns the connection to one server. `run` reports its events until it is cancelled."""

    def __init__(
        self,
        address: ServerAddress,
        http: aiohttp.ClientSession,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        silence: float = SILENCE,
    ) -> None:
        self.address = address
        self._silence = silence
        self._api = Api(address, http)
        self._now = now
        self._servers = ReportedServers(address, report)
        self._followers: dict[str, DirectoryFollower] = {}  # by directory, of the current connection
        self._previous_directories: list[str] = []  # of earlier connections, to be read after the next connect
        self._has_heartbeats = False  # whether the server sends heartbeats
        self._read_failed: asyncio.Future[None] | None = None  # of the current connection: a snapshot cannot be read
        self._tasks = TaskSet()

    # ------------------------------------------------------------------ start and end

    async def run(self) -> None:
        """Connect, follow the events and reconnect, until cancelled.

        There is no further attempt after the server refused the password, or if its version is not supported: a changed
        address gets a new connection.
        """
        backoff = Backoff(FIRST_RETRY, MAX_RETRY, jitter=0.5)
        loop = asyncio.get_running_loop()
        try:
            while not self._servers.ended:
                started = loop.time()
                if not await self._run_once():
                    await loop.create_future()
                if loop.time() - started > STABLE_AFTER:
                    backoff.reset()
                await asyncio.sleep(backoff.next_delay())
        finally:
            self._tasks.cancel_all()

    async def _run_once(self) -> bool:
        """Connect once and follow the server until the connection ends. Return whether to try again."""
        try:
            await self._follow()
        except LockedError:
            self._followers.clear()
            self._servers.show_problem(_password_problem(self.address))
            return False
        except (CallError, aiohttp.ClientError, OSError) as error:  # OSError: TimeoutError included
            log.debug("%s: %s", self.address.url, error)
            self._lose_connection(str(error) or "no answer")
            if isinstance(error, CallError) and error.kind is CallErrorKind.UNSUPPORTED:
                self._servers.show_problem(str(error))
                return False
        except Exception:
            log.exception("cannot follow %s", self.address.url)
            self._lose_connection("unexpected error; see the log")
        return True

    def end(self) -> None:
        """Report that the process ended. Later events are ignored."""
        self._servers.end()

    def forget(self) -> None:
        """Stop showing its servers. Later events are ignored."""
        self._servers.forget()

    def reread(self) -> None:
        """Read the snapshots of all directories again."""
        for follower in self._followers.values():
            self._spawn(follower.read)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call a method on one of its directories (a `core.source_calls.SourceCall`). Raises CallError."""
        follower = next((f for f in self._followers.values() if f.server.id == server_id), None)
        if follower is None:
            raise CallError("the server is not connected", CallErrorKind.GONE)
        if method == "session.draft":
            return {"text": follower.draft(params["sessionID"])}
        try:
            return await DirectoryCalls(self._api, follower.server.directory).call(method, params)
        except LockedError:
            raise CallError(_password_problem(self.address)) from None

    def has_server(self, server_id: str) -> bool:
        """Whether a server is one of its directories."""
        return self._servers.shows(server_id)

    # ------------------------------------------------------------------ one connection

    async def _follow(self) -> None:
        """Connect, and follow the server until the connection ends. Raises CallError, LockedError, OSError."""
        self._servers.opencode_version = await self._version()
        self._has_heartbeats = False
        subscription = subscribe_raw(self._api, silence=self._silence, has_heartbeats=lambda: self._has_heartbeats)
        async with subscription as events:
            if self._servers.ended:
                return
            reading = asyncio.create_task(self._read_events(events), name=f"events of {self.address.url}")
            self._read_failed = asyncio.get_running_loop().create_future()
            ends = {reading, self._read_failed}
            try:
                self._spawn(self._read_first)
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            finally:
                await self._disconnect(ends)

    async def _version(self) -> str:
        """Return the server's version. Raises CallError, LockedError, TimeoutError."""
        try:
            async with asyncio.timeout(FIRST_RESPONSE_TIMEOUT):
                health = await self._api.get("/global/health")
        except CallError as error:
            is_old = error.kind in (CallErrorKind.NOT_FOUND, CallErrorKind.UNSUPPORTED)
            raise CallError(TOO_OLD, CallErrorKind.UNSUPPORTED) if is_old else error from None
        if not isinstance(health, dict) or not health.get("healthy"):
            raise CallError("the server reports that it is not healthy")
        return clean(str(health.get("version", "")))[:64]

    async def _read_first(self) -> None:
        """Read the server's own directory, then those that earlier connections have followed.

        Other directories are followed from their first event on: a request would make OpenCode load the directory.
        Those of earlier connections were loaded, and a request that is pending there sends no further event.
        """
        async with asyncio.timeout(FIRST_RESPONSE_TIMEOUT):
            path = await self._api.get("/path")
        directory = path.get("directory") if isinstance(path, dict) else None
        if not isinstance(directory, str) or not directory:
            raise CallError("the server does not report its directory")
        self._servers.clear_problem()
        follower = self._followers.get(directory) or self._start_follower(directory)
        if follower is not None:
            await follower.read()
        for previous in self._previous_directories:
            follower = self._start_follower(previous) if previous not in self._followers else None
            if follower is not None:
                self._spawn(follower.read)
        self._previous_directories = []

    def _lose_connection(self, reason: str) -> None:
        self._servers.disconnect([follower.server.id for follower in self._followers.values()], reason)
        directories = dict.fromkeys([*self._previous_directories, *self._followers])
        self._previous_directories = list(directories)[:MAX_DIRECTORIES]
        self._followers.clear()

    async def _disconnect(self, ends: set[asyncio.Future[None]]) -> None:
        """End the tasks and timers of a connection."""
        self._tasks.cancel_all()
        for follower in self._followers.values():
            follower.close()
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    # ------------------------------------------------------------------ events

    async def _read_events(self, events: AsyncIterator[bytes]) -> None:
        async for text in events:
            try:
                self._handle_text(text)
            except (FrameError, *JSON_ERRORS) as error:
                log.debug("%s: event dropped: %s", self.address.url, str(error).rpartition(" - at ")[2][:200])

    def _handle_text(self, text: bytes) -> None:
        """Handle one event as JSON. Raises FrameError and JSON_ERRORS."""
        try:
            self._handle(_event.decode(text))
        except (FrameError, *JSON_ERRORS):
            self._handle(_event.decode(replace_lone_surrogates(text)))

    def _handle(self, event: _Event) -> None:
        if not event.directory:
            self._has_heartbeats |= event_type(event.payload) == "server.heartbeat"
            return
        decoded = decode_event(self._servers.id_of(event.directory), event.payload, self._now())
        follower = self._followers.get(event.directory)
        if follower is None and decoded and not isinstance(decoded[0], InstanceDisposed):
            follower = self._start_follower(event.directory)
            if follower is not None:
                self._spawn(follower.read)
        if follower is not None:
            follower.handle(event.payload, decoded)

    def _start_follower(self, directory: str) -> DirectoryFollower | None:
        """Start to follow a directory; None if the server has too many, or its path is too long."""
        limit = MAX_DIRECTORIES if self.address.trusted else MAX_UNTRUSTED_DIRECTORIES
        if len(self._followers) >= limit or len(directory) > MAX_DIRECTORY_LENGTH:
            return None
        server = self._servers.connect(directory)
        follower = DirectoryFollower(server, self._api, self._servers.report, self._now, self._spawn)
        self._followers[directory] = follower
        return follower

    # ------------------------------------------------------------------ reading besides the events

    def _spawn(self, read: Callable[[], Awaitable[None]]) -> None:
        """Run `read` as a task of the current connection. If it fails, the connection ends, and is opened again."""
        self._tasks.spawn(self._guarded(read, self._read_failed), f"read {self.address.url}")

    async def _guarded(self, read: Callable[[], Awaitable[None]], failed: asyncio.Future[None] | None) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await read()
        except Exception as error:
            if not isinstance(error, (CallError, LockedError, TimeoutError)):
                log.exception("cannot read %s", self.address.url)
            if failed is not None and not failed.done():
                is_locked = isinstance(error, LockedError)
                failed.set_exception(error if is_locked else CallError(str(error), CallErrorKind.GONE))


def _password_problem(address: ServerAddress) -> str:
    if address.password:
        return "the server refused the password; correct it under [[servers]] in the settings"
    return "the server requires a password; set it under [[servers]] in the settings"
