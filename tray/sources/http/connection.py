"""Following one server: its directories, each with a snapshot and then its events, for as long as it answers."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tray.core.events import (
    InstanceDisposed,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SourceEvent,
)
from tray.core.loopback import is_loopback
from tray.core.model import Server, Source
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.text import clean
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.lenient_json import JSON_ERRORS, replace_lone_surrogates
from tray.opencode.sse import Decoder, TooBigError
from tray.sources.http.directory import DirectoryFollower, kind_of
from tray.sources.http.rpc import Calls
from tray.sources.protocol.events import FrameError, decode_event
from tray.system.git import repository_of

log = logging.getLogger(__name__)

SILENCE = 30.0  # s without a byte, after which a server has to show that it lives; newer ones send one every 10 s
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # s between two tries to connect
STEADY = 20.0  # s after which a connection counts as one that held
DIRECTORIES, UNTRUSTED_DIRECTORIES = 50, 2  # of one server
LONGEST_DIRECTORY = 4096  # characters
SHOWN = 200  # servers of one address that core is told of, those of connections before among them
# s; 1.18 forgets a request that comes in its first moments; one for a directory makes that hang as long as it runs. So
# nothing is asked of a directory before the server has answered something that is for none.
FIRST_ANSWER = 3.0
READ_TIMEOUT = 60.0  # s for a snapshot
OLDEST = "OpenCode before 1.1 cannot be followed over HTTP: run opencode-tray install-plugin"


class _Event(msgspec.Struct):
    directory: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


_event = msgspec.json.Decoder(_Event)


class HttpConnection:
    """Owns the connection to one server. `run` reports until it is cancelled."""

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
        self.api = Api(address, http)
        self._tell = report
        self._now = now
        self._ended = False
        self._before: list[str] = []  # the directories of the connection before
        self._directories: dict[str, DirectoryFollower] = {}  # by directory, of the connection that is up
        self._version = ""
        self._heard_at = 0.0
        self._beats = False  # whether it sends heartbeats
        self._failed: asyncio.Future[None] | None = None  # of the connection: a read on its side has failed
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: dict[str, None] = {}  # ids of all servers that were reported, oldest first

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Connect, follow, and connect again, until cancelled; a password that is refused is not tried again."""
        pause = FIRST_PAUSE
        try:
            while not self._ended:
                begun = asyncio.get_running_loop().time()
                try:
                    await self._follow()
                except LockedError:
                    self._cannot(_locked(self.address))
                    await asyncio.get_running_loop().create_future()  # another address begins another Follower
                except (CallError, aiohttp.ClientError, OSError, TooBigError, TimeoutError) as error:
                    log.debug("%s: %s", self.address.url, error)
                    self._lost(str(error) or "it does not answer")
                    if isinstance(error, CallError) and error.kind is CallErrorKind.UNSUPPORTED:
                        self._cannot(str(error))
                        await asyncio.get_running_loop().create_future()
                except Exception:  # the boundary of the connection: what it said was not foreseen
                    log.exception("%s cannot be followed", self.address.url)
                    self._lost("it cannot be followed; the log says why")
                held = asyncio.get_running_loop().time() - begun > STEADY
                pause = FIRST_PAUSE if held else min(pause * 2, LONGEST_PAUSE)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that not all come at once
        finally:
            self._end_tasks()

    def gone(self) -> None:
        """Its process has ended: what was known is shown greyed for a while. The last that is reported."""
        for name in self._shown:
            is_known = name != self._id("")
            self._report(ServerLost(name, goodbye=True) if is_known else ServerForgotten(name))
        self._ended = True

    def forget(self) -> None:
        """Show nothing of it any more. The last that is reported."""
        for name in self._shown:
            self._report(ServerForgotten(name))
        self._ended = True

    def _report(self, event: SourceEvent) -> None:
        if not self._ended:
            self._tell(event)

    def reread(self) -> None:
        """Take every snapshot anew."""
        for known in self._directories.values():
            self._spawn(known.read)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """A `core.calls.Call` on one of its directories. Raises CallError."""
        known = next((one for one in self._directories.values() if one.server.id == server_id), None)
        if known is None:
            raise CallError("its OpenCode is not connected", CallErrorKind.GONE)
        try:
            return await Calls(self.api, known.server.directory).do(method, params)
        except LockedError:
            raise CallError(_locked(self.address)) from None

    def knows(self, server_id: str) -> bool:
        """Whether this server is one of its directories."""
        return server_id in self._shown

    # ------------------------------------------------------------------ one connection

    async def _follow(self) -> None:
        """Until the connection ends. Raises CallError, LockedError and what aiohttp raises."""
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                health = await self.api.get("/global/health")
        except CallError as error:
            old = error.kind in (CallErrorKind.NOT_FOUND, CallErrorKind.UNSUPPORTED)
            raise CallError(OLDEST, CallErrorKind.UNSUPPORTED) if old else error from None
        if not isinstance(health, dict) or not health.get("healthy"):
            raise CallError("it says that it is not healthy")
        self._version = clean(str(health.get("version", "")))[:64]
        async with self.api.stream("/global/event") as stream:
            if self._ended:
                return
            self._heard_at = asyncio.get_running_loop().time()
            reading = asyncio.create_task(self._read(stream), name=f"events of {self.address.url}")
            watching = asyncio.create_task(self._watch(), name=f"watchdog of {self.address.url}")
            self._failed = asyncio.get_running_loop().create_future()
            try:
                self._spawn(self._begin)
                ends = {reading, watching, self._failed}
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            finally:
                await self._end({reading, watching, self._failed})
        raise CallError("the connection was lost", CallErrorKind.GONE)

    async def _begin(self) -> None:
        """Its own directory. Another is known once something happens there: asking would make OpenCode load it."""
        async with asyncio.timeout(FIRST_ANSWER):
            path = await self.api.get("/path")
        directory = path.get("directory") if isinstance(path, dict) else None
        if not isinstance(directory, str) or not directory:
            raise CallError("it does not say where it runs")
        if self._id("") in self._shown:  # what was said of it while it could not be followed
            del self._shown[self._id("")]
            self._report(ServerForgotten(self._id("")))
        known = self._directories.get(directory) or self._directory(directory)
        if known is not None:
            await known.read()
        for name in self._before:  # it had loaded them: what waits there says nothing by itself
            again = self._directory(name) if name not in self._directories else None
            if again is not None:
                self._spawn(again.read)
        self._before = []

    async def _read(self, stream: aiohttp.StreamReader) -> None:
        decoder = Decoder()
        loop = asyncio.get_running_loop()
        async for chunk in stream.iter_any():
            self._heard_at = loop.time()
            for text in decoder.feed(chunk):
                self._take(text)

    async def _watch(self) -> None:
        """Ends when the server is silent for too long: a connection may be dead without saying so."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.01, self._heard_at + self._silence - loop.time()))
            if loop.time() - self._heard_at < self._silence:
                continue
            if self._beats:
                raise CallError(f"it has been silent for {self._silence:g} s", CallErrorKind.SILENT)
            await self.api.get("/global/health")
            self._heard_at = loop.time()

    # ------------------------------------------------------------------ events

    def _take(self, text: bytes) -> None:
        try:
            self._happened(_event.decode(text))
        except (FrameError, *JSON_ERRORS):
            try:
                self._happened(_event.decode(replace_lone_surrogates(text)))
            except (FrameError, *JSON_ERRORS) as error:
                log.debug("%s: event dropped: %s", self.address.url, str(error).rpartition(" - at ")[2][:200])

    def _happened(self, event: _Event) -> None:
        """Take one event. Raises FrameError, or what msgspec raises."""
        if not event.directory:
            self._beats |= kind_of(event.payload) == "server.heartbeat"
            return
        name = self._id(event.directory)
        told = decode_event(name, event.payload, self._now())
        known = self._directories.get(event.directory)
        if known is None and told and not isinstance(told[0], InstanceDisposed):
            known = self._directory(event.directory)
            if known is not None:
                self._spawn(known.read)
        if known is not None:
            known.take(event.payload, told)

    def _directory(self, directory: str) -> DirectoryFollower | None:
        """Begin with a directory; None for one too many."""
        most = DIRECTORIES if self.address.trusted else UNTRUSTED_DIRECTORIES
        if len(self._directories) >= most or len(directory) > LONGEST_DIRECTORY:
            return None
        known = DirectoryFollower(self._server(directory), self.api, self._report, self._now, self._spawn)
        self._directories[directory] = known
        self._shown.pop(known.server.id, None)
        self._shown[known.server.id] = None
        if len(self._shown) > SHOWN:
            oldest = next(iter(self._shown))
            del self._shown[oldest]
            self._report(ServerForgotten(oldest))
        self._report(ServerConnected(known.server))
        return known

    # ------------------------------------------------------------------ what core knows of it

    def _id(self, directory: str) -> str:
        return f"{self.address.url} {directory}"

    def _server(self, directory: str, problem: str = "") -> Server:
        parts = urlsplit(self.address.url)
        here = self.address.pid or is_loopback(parts.hostname or "")
        folder = clean(directory.rstrip("/\\").replace("\\", "/").rpartition("/")[2])
        return Server(
            id=self._id(directory),
            name=folder or parts.netloc,
            host=socket.gethostname() if here else parts.hostname or "",
            directory=directory,
            repository=repository_of(directory) if here else "",
            url=self.address.url,
            pid=self.address.pid,
            opencode=self._version,
            source=Source.HTTP,
            verified=self.address.trusted,
            problem=problem,
        )

    def _lost(self, why: str) -> None:
        for known in self._directories.values():
            self._report(ServerLost(known.server.id))
        if not self._shown or set(self._shown) == {self._id("")}:
            self._cannot(why)
        self._before = [*self._before, *(name for name in self._directories if name not in self._before)][:DIRECTORIES]
        self._directories.clear()

    def _cannot(self, problem: str) -> None:
        """Show that it is there and cannot be followed."""
        for name in self._shown:
            self._report(ServerForgotten(name))
        self._directories.clear()
        server = self._server("", problem)
        self._shown = {server.id: None}
        self._report(ServerConnected(server))

    # ------------------------------------------------------------------ tasks

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Read something beside the events; where that fails, the connection ends, and begins anew."""
        failed = self._failed

        async def guarded() -> None:
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    await work()
            except Exception as error:  # the boundary of the connection
                if not isinstance(error, (CallError, LockedError, TimeoutError)):
                    log.exception("%s could not be read", self.address.url)
                if failed is not None and not failed.done():
                    failed.set_exception(
                        error if isinstance(error, LockedError) else CallError(str(error), CallErrorKind.GONE)
                    )

        task = asyncio.get_running_loop().create_task(guarded(), name=f"read {self.address.url}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, ends: set[asyncio.Future[None]]) -> None:
        """End all that belongs to a connection."""
        self._end_tasks()
        for known in self._directories.values():
            known.close()
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)

    def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()


def _locked(address: ServerAddress) -> str:
    if address.password:
        return "the password is refused: correct it under [[servers]] in the settings"
    return "it wants a password: put it under [[servers]] in the settings"
