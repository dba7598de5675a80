"""One directory of a server: its snapshot, the events that come meanwhile, and what has to be looked up besides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tray.core.events import ActivityReported, RequestAsked, SnapshotTaken, SourceEvent
from tray.core.model import RequestKind, Server
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api
from tray.opencode.services import read_services
from tray.sources.http.explained import with_command
from tray.sources.http.text_stream import Delta, Part, TextStream
from tray.sources.protocol.events import decode_event
from tray.sources.protocol.snapshot_reader import read_limits, take_snapshot

HELD = 5_000  # events that may wait for a snapshot
PERMISSIONS = 100
SETTLED = 1.0  # s after a change of its MCP or LSP servers, in which there may be more
SERVICES_CHANGED = ("mcp.tools.changed", "lsp.updated")

Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class _Kind(msgspec.Struct):
    type: str = ""


class _DeltaEvent(msgspec.Struct):
    properties: Delta


class _PartProperties(msgspec.Struct):
    part: Part


class _PartEvent(msgspec.Struct):
    properties: _PartProperties


_kind = msgspec.json.Decoder(_Kind)
_delta = msgspec.json.Decoder(_DeltaEvent)
_part = msgspec.json.Decoder(_PartEvent)


class DirectoryFollower:
    """Lives as long as the connection that it was seen on. `spawn` runs its reading; where that fails, that ends."""

    def __init__(
        self, server: Server, api: Api, report: Callable[[SourceEvent], None], now: Callable[[], int], spawn: Spawn
    ) -> None:
        self.server = server
        self._api = api
        self._report = report
        self._now = now
        self._spawn = spawn
        self._reading = asyncio.Lock()
        self._held: list[SourceEvent] | None = None
        self._missed = False  # more came than could be held
        self._explaining = False
        self._writing = TextStream(server.id)
        self._has_limits = False
        self._asks_services = False
        self._services: asyncio.TimerHandle | None = None  # when they are read next

    def close(self) -> None:
        """Read nothing any more."""
        if self._services is not None:
            self._services.cancel()

    # ------------------------------------------------------------------ snapshots

    async def read(self) -> None:
        """Take a snapshot, then let the events go that came meanwhile. Raises CallError, LockedError."""
        async with self._reading:
            self._held = []
            self._report(await take_snapshot(self.server.id, self.server.directory, self._ask, self._now()))
            held, self._held = self._held, None
            for event in held:
                self._report(event)
            missed, self._missed = self._missed, False
        if missed:
            self._spawn(self.read)
        if not self._has_limits:
            self._has_limits = True
            self._report(await read_limits(self.server.id, self._ask))  # takes OpenCode a second the first time

    async def _ask(self, what: str, session: str = "", limit: int = 0) -> Any:
        try:
            query = {"limit": limit} if limit else {}
            found = await self._api.get(_READS[what].format(session=session), self.server.directory, **query)
        except CallError as error:
            if error.kind in (CallErrorKind.GONE, CallErrorKind.SILENT):
                raise
            return None
        if what == "branch":
            return found.get("branch") if isinstance(found, dict) else None
        if what == "permissions" and isinstance(found, list):
            return [await with_command(self._api, self.server.directory, one) for one in _some(found)]
        return found

    # ------------------------------------------------------------------ events

    def take(self, payload: msgspec.Raw, told: tuple[SourceEvent, ...]) -> None:
        """One event of this directory, and what core makes of it. Raises what msgspec raises."""
        match kind_of(payload):
            case "message.part.delta":
                line = self._writing.delta(_delta.decode(payload).properties, self._now())
                told = told if line is None else (line,)
            case "message.part.updated":
                self._writing.part(_part.decode(payload).properties.part, self._now())
            case kind if kind in SERVICES_CHANGED:
                self._read_services_soon()
        for event in told:
            self._hand_on(event)

    def _hand_on(self, event: SourceEvent) -> None:
        if isinstance(event, ActivityReported) and not self._asks_services:
            self._read_services_soon()
        if (
            isinstance(event, RequestAsked)
            and event.request.kind is RequestKind.PERMISSION
            and not event.request.complete
        ):
            self._explain_soon()
        if self._held is None:
            self._report(event)
        elif len(self._held) < HELD:
            self._held.append(event)
        else:
            self._missed = True

    def _explain_soon(self) -> None:
        if not self._explaining:  # however many are asked: one look for all of them
            self._explaining = True
            self._spawn(self._explain)

    async def _explain(self) -> None:
        """OpenCode 1.1 tells the command of a permission in the tool's part alone: say the requests again with it."""
        self._explaining = False
        for one in _some(await self._api.get("/permission", self.server.directory)):
            whole = await with_command(self._api, self.server.directory, one)
            event = msgspec.json.encode(["permission.asked", whole])
            for told in decode_event(self.server.id, event, self._now()):
                if isinstance(told, RequestAsked) and told.request.complete:
                    self._report(told)

    # ------------------------------------------------------------------ what runs beside it

    def _read_services_soon(self) -> None:
        """Only once a session works: asking before would make OpenCode start its MCP servers."""
        self._asks_services = True
        if self._services is None:
            self._services = asyncio.get_running_loop().call_later(SETTLED, self._services_due)

    def _services_due(self) -> None:
        self._services = None
        self._spawn(self._read_services)

    async def _read_services(self) -> None:
        services = await read_services(self._api, self.server.directory)
        self._report(SnapshotTaken(self.server.id, services=services))


def kind_of(payload: msgspec.Raw) -> str:
    """The type of an event. Raises what msgspec raises."""
    return _kind.decode(payload).type


def _some(listed: Any) -> list[Any]:
    """The permissions that are looked up one by one: nobody answers more than these."""
    return listed[:PERMISSIONS] if isinstance(listed, list) else []


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
