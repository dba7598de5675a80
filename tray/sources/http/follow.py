"""Following one server: its directories, each with a snapshot and then its events, for as long as it answers."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tray.core.calls import CallError, Why
from tray.core.events import (
    ActivityReported,
    InstanceDisposed,
    RequestAsked,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SnapshotTaken,
    SourceEvent,
)
from tray.core.model import RequestKind, Server, Source
from tray.core.text import clean
from tray.opencode.api import Address, Api, LockedError
from tray.opencode.json import WRONG, without_halves
from tray.opencode.services import read_services
from tray.opencode.sse import Decoder, TooBigError
from tray.sources.http.calls import Calls
from tray.sources.http.explained import with_command
from tray.sources.http.writing import Delta, Part, Writing
from tray.sources.reading import read_limits, take_snapshot
from tray.sources.wire import FrameError, decode_event

log = logging.getLogger(__name__)

SILENCE = 30.0  # s without a byte, after which a server has to show that it lives; newer ones send one every 10 s
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # s between two tries to connect
STEADY = 20.0  # s after which a connection counts as one that held
DIRECTORIES = 50  # of one server
HELD = 5_000  # events that may wait for a snapshot of their directory
# s; 1.18 forgets a request that comes in its first moments; one for a directory makes that hang as long as it runs. So
# nothing is asked of a directory before the server has answered something that is for none.
FIRST_ANSWER = 3.0
SETTLED = 1.0  # s after a change of its MCP or LSP servers, in which there may be more
SERVICES_CHANGED = ("mcp.tools.changed", "lsp.updated")
READ_TIMEOUT = 60.0  # s for a snapshot
OLDEST = "OpenCode before 1.1 cannot be followed over HTTP: run opencode-tray install-plugin"


class _Event(msgspec.Struct):
    directory: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class _Kind(msgspec.Struct):
    type: str = ""


class _DeltaEvent(msgspec.Struct):
    properties: Delta


class _PartProperties(msgspec.Struct):
    part: Part


class _PartEvent(msgspec.Struct):
    properties: _PartProperties


_delta = msgspec.json.Decoder(_DeltaEvent)
_part = msgspec.json.Decoder(_PartEvent)
_event = msgspec.json.Decoder(_Event)
_kind = msgspec.json.Decoder(_Kind)


class _Directory:
    """One directory's instance: as core knows it, and the events that wait until its snapshot is read."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.held: list[SourceEvent] | None = []
        self.writing = Writing(server.id)
        self.has_limits = False
        self.services: asyncio.TimerHandle | None = None  # when they are read next
        self.has_services = False


class Follower:
    """Owns the connection to one server. `run` reports until it is cancelled."""

    def __init__(
        self,
        address: Address,
        http: aiohttp.ClientSession,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        silence: float = SILENCE,
    ) -> None:
        self.address = address
        self._silence = silence
        self.api = Api(address, http)
        self._report = report
        self._now = now
        self._directories: dict[str, _Directory] = {}  # by directory, of the connection that is up
        self._version = ""
        self._heard_at = 0.0
        self._beats = False  # whether it sends heartbeats
        self._failed: asyncio.Future[None] | None = None  # of the connection: a read on its side has failed
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: set[str] = set()  # ids of all servers that were reported

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Connect, follow, and connect again, until cancelled; a password that is refused is not tried again."""
        pause = FIRST_PAUSE
        try:
            while True:
                begun = asyncio.get_running_loop().time()
                try:
                    await self._follow()
                except LockedError:
                    self._cannot(_locked(self.address))
                    await asyncio.get_running_loop().create_future()  # another address begins another Follower
                except (CallError, aiohttp.ClientError, OSError, TooBigError, asyncio.TimeoutError) as error:
                    log.debug("%s: %s", self.address.url, error)
                    self._lost(str(error) or "it does not answer")
                    if isinstance(error, CallError) and error.why is Why.UNSUPPORTED:
                        self._cannot(str(error))
                        await asyncio.get_running_loop().create_future()
                held = asyncio.get_running_loop().time() - begun > STEADY
                pause = FIRST_PAUSE if held else min(pause * 2, LONGEST_PAUSE)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that not all come at once
        finally:
            self._end_tasks()

    def gone(self) -> None:
        """Its process has ended: what was known is shown greyed for a while."""
        for name in self._shown:
            is_known = name != self._id("")
            self._report(ServerLost(name, goodbye=True) if is_known else ServerForgotten(name))

    def forget(self) -> None:
        """Show nothing of it any more."""
        for name in self._shown:
            self._report(ServerForgotten(name))

    def reread(self) -> None:
        """Take every snapshot anew."""
        for known in self._directories.values():
            self._spawn(self._take_snapshot(known))

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """A `core.calls.Call` on one of its directories. Raises CallError."""
        known = next((one for one in self._directories.values() if one.server.id == server_id), None)
        if known is None:
            raise CallError("its OpenCode is not connected", Why.GONE)
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
            health = await asyncio.wait_for(self.api.get("/global/health"), FIRST_ANSWER)
        except CallError as error:
            old = error.why not in (Why.GONE, Why.SILENT)
            raise CallError(OLDEST, Why.UNSUPPORTED) if old else error from None
        if not isinstance(health, dict) or not health.get("healthy"):
            raise CallError("it says that it is not healthy")
        self._version = clean(str(health.get("version", "")))[:64]
        async with self.api.stream("/global/event") as stream:
            self._heard_at = asyncio.get_running_loop().time()
            reading = asyncio.create_task(self._read(stream), name=f"events of {self.address.url}")
            watching = asyncio.create_task(self._watch(), name=f"watchdog of {self.address.url}")
            self._failed = asyncio.get_running_loop().create_future()
            try:
                await self._begin()
                ends = {reading, watching, self._failed}
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            finally:
                reading.cancel()
                watching.cancel()
                self._failed.cancel()
                await asyncio.wait({reading, watching})
                self._end_tasks()
        raise CallError("the connection was lost", Why.GONE)

    async def _begin(self) -> None:
        """Its own directory. Another is known once something happens there: asking would make OpenCode load it."""
        path = await asyncio.wait_for(self.api.get("/path"), FIRST_ANSWER)
        directory = path.get("directory") if isinstance(path, dict) else None
        if not isinstance(directory, str) or not directory:
            raise CallError("it does not say where it runs")
        if self._id("") in self._shown:  # what was said of it while it could not be followed
            self._shown.discard(self._id(""))
            self._report(ServerForgotten(self._id("")))
        known = self._directories.get(directory) or self._directory(directory)
        if known is not None:
            await self._take_snapshot(known)

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
                raise CallError(f"it has been silent for {self._silence:g} s", Why.SILENT)
            await self.api.get("/global/health")
            self._heard_at = loop.time()

    # ------------------------------------------------------------------ events

    def _take(self, text: bytes) -> None:
        try:
            self._happened(_event.decode(text))
        except (FrameError, *WRONG):
            try:
                self._happened(_event.decode(without_halves(text)))
            except (FrameError, *WRONG) as error:
                log.debug("%s: event dropped: %s", self.address.url, str(error).rpartition(" - at ")[2][:200])

    def _happened(self, event: _Event) -> None:
        """Take one event. Raises FrameError, or what msgspec raises."""
        if not event.directory:
            self._beats |= _kind.decode(event.payload).type == "server.heartbeat"
            return
        name = self._id(event.directory)
        told = decode_event(name, event.payload, self._now())
        known = self._directories.get(event.directory)
        if known is not None:
            self._also(known, event.payload)
        if not told:
            return
        if known is None:
            if isinstance(told[0], InstanceDisposed):
                return
            known = self._directory(event.directory)
            if known is None:
                return
            self._spawn(self._take_snapshot(known))
        for one in told:
            self._hand_on(known, one)

    def _also(self, known: _Directory, payload: msgspec.Raw) -> None:
        """What our plugin sees to by itself: how far a text is, and what runs beside OpenCode."""
        match _kind.decode(payload).type:
            case "message.part.delta":
                line = known.writing.delta(_delta.decode(payload).properties, self._now())
                if line is not None:
                    self._hand_on(known, line)
            case "message.part.updated":
                known.writing.part(_part.decode(payload).properties.part, self._now())
            case kind if kind in SERVICES_CHANGED:
                self._read_services_soon(known)

    def _hand_on(self, known: _Directory, event: SourceEvent) -> None:
        if isinstance(event, ActivityReported) and not known.has_services:
            self._read_services_soon(known)
        if isinstance(event, RequestAsked) and event.request.kind is RequestKind.PERMISSION and not event.request.whole:
            self._spawn(self._explain(known, event))
        if known.held is None:
            self._report(event)
        elif len(known.held) < HELD:
            known.held.append(event)

    def _directory(self, directory: str) -> _Directory | None:
        """Begin with a directory; None for one too many."""
        if len(self._directories) >= DIRECTORIES:
            return None
        known = _Directory(self._server(directory))
        self._directories[directory] = known
        self._shown.add(known.server.id)
        self._report(ServerConnected(known.server))
        return known

    async def _take_snapshot(self, known: _Directory) -> None:
        """Read the truth, then let the events go that came meanwhile."""
        known.held = known.held or []
        directory = known.server.directory

        async def read(what: str, session: str = "", limit: int = 0) -> Any:
            try:
                query = {"limit": limit} if limit else {}
                found = await self.api.get(_READS[what].format(session=session), directory, **query)
            except CallError as error:
                if error.why in (Why.GONE, Why.SILENT):
                    raise
                return None
            if what == "branch":
                return found.get("branch") if isinstance(found, dict) else None
            if what == "permissions" and isinstance(found, list):
                return [await with_command(self.api, directory, one) for one in found]
            return found

        self._report(await take_snapshot(known.server.id, directory, read, self._now()))
        held, known.held = known.held, None
        for event in held:
            self._report(event)
        if not known.has_limits:
            known.has_limits = True
            self._report(await read_limits(known.server.id, read))  # takes OpenCode a second the first time

    def _read_services_soon(self, known: _Directory) -> None:
        """Only once a session works: asking before would make OpenCode start its MCP servers."""
        known.has_services = True
        if known.services is None:
            known.services = asyncio.get_running_loop().call_later(SETTLED, self._read_services, known)

    def _read_services(self, known: _Directory) -> None:
        async def read() -> None:
            services = await read_services(self.api, known.server.directory)
            self._report(SnapshotTaken(known.server.id, services=services))

        known.services = None
        if self._directories.get(known.server.directory) is known:
            self._spawn(read())

    async def _explain(self, known: _Directory, asked: RequestAsked) -> None:
        """OpenCode 1.1 tells the command of a permission in the tool's part alone: say the request again with it."""
        listed = await self.api.get("/permission", known.server.directory)
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, dict) and one.get("id") == asked.request.id:
                whole = await with_command(self.api, known.server.directory, one)
                event = msgspec.json.encode(["permission.asked", whole])
                for told in decode_event(known.server.id, event, self._now()):
                    if isinstance(told, RequestAsked) and told.request.whole:
                        self._report(told)

    # ------------------------------------------------------------------ what core knows of it

    def _id(self, directory: str) -> str:
        return f"{self.address.url} {directory}"

    def _server(self, directory: str, problem: str = "") -> Server:
        parts = urlsplit(self.address.url)
        here = self.address.pid or parts.hostname in ("localhost", "127.0.0.1", "::1")
        folder = clean(directory.rstrip("/\\").replace("\\", "/").rpartition("/")[2])
        return Server(
            id=self._id(directory),
            name=folder or parts.netloc,
            host=socket.gethostname() if here else parts.hostname or "",
            directory=directory,
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
        if not self._shown:
            self._cannot(why)
        self._directories.clear()

    def _cannot(self, problem: str) -> None:
        """Show that it is there and cannot be followed."""
        for name in self._shown:
            self._report(ServerForgotten(name))
        self._directories.clear()
        server = self._server("", problem)
        self._shown = {server.id}
        self._report(ServerConnected(server))

    # ------------------------------------------------------------------ tasks

    def _spawn(self, work: Any) -> None:
        failed = self._failed

        async def guarded() -> None:
            try:
                await asyncio.wait_for(work, READ_TIMEOUT)
            except (CallError, LockedError, asyncio.TimeoutError) as error:
                if failed is not None and not failed.done():
                    failed.set_exception(error)

        task = asyncio.get_running_loop().create_task(guarded(), name=f"read {self.address.url}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()


_READS: Mapping[str, str] = {
    "sessions": "/session",
    "status": "/session/status",
    "permissions": "/permission",
    "questions": "/question",
    "branch": "/vcs",
    "providers": "/config/providers",
    "session": "/session/{session}",
    "messages": "/session/{session}/message",
    "todos": "/session/{session}/todo",
}


def _locked(address: Address) -> str:
    if address.password:
        return "the password is refused: correct it under [[servers]] in the settings"
    return "it wants a password: put it under [[servers]] in the settings"
