"""One directory of an HTTP server: its snapshots, its events, and details that the events lack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tray.core.events import ActivityReported, RequestAsked, SnapshotTaken, SourceEvent
from tray.core.servers import Server
from tray.core.sessions import RequestKind
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api
from tray.opencode.services import read_services
from tray.opencode.turn import Turn
from tray.sources.http.output_stream import Delta, OutputStream, Part
from tray.sources.http.permission_command import lacks_command, with_command
from tray.sources.protocol.events import decode_event
from tray.sources.protocol.snapshot_reader import read_limits, take_snapshot
from tray.system.backoff import Backoff

MAX_WAITING = 5_000  # events that wait for the end of a snapshot
MAX_PERMISSIONS = 100  # whose commands are looked up, one request each
MAX_LOOK_UPS = 6  # of the commands of the same permissions
FIRST_LOOK_UP_DELAY, MAX_LOOK_UP_DELAY = 0.1, 2.0  # s between two look-ups, doubled each time
SERVICES_DELAY = 1.0  # s between a change of the MCP or LSP servers and reading them: changes come in groups
SERVICES_CHANGED = ("mcp.tools.changed", "lsp.updated")

Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class _Type(msgspec.Struct):
    type: str = ""


class _DeltaEvent(msgspec.Struct):
    properties: Delta


class _PartProperties(msgspec.Struct):
    part: Part


class _PartEvent(msgspec.Struct):
    properties: _PartProperties


_type = msgspec.json.Decoder(_Type)
_delta = msgspec.json.Decoder(_DeltaEvent)
_part = msgspec.json.Decoder(_PartEvent)


class DirectoryFollower:
    """Follows one directory during one connection.

    `spawn` runs a coroutine function as a task of that connection, which ends if the task fails.
    """

    def __init__(
        self, server: Server, api: Api, report: Callable[[SourceEvent], None], now: Callable[[], int], spawn: Spawn
    ) -> None:
        self.server = server
        self._api = api
        self._report = report
        self._now = now
        self._spawn = spawn
        self._reading = asyncio.Lock()
        self._waiting: list[SourceEvent] | None = None  # events that arrived during the current snapshot
        self._overflowed = False  # more events arrived than may wait
        self._is_looking_up = False
        self._output = OutputStream(server.id)
        self._has_limits = False
        self._reads_services = False
        self._services_timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Stop the timer."""
        if self._services_timer is not None:
            self._services_timer.cancel()

    # ------------------------------------------------------------------ snapshots

    async def read(self) -> None:
        """Report a snapshot, then the events that arrived while it was read. Raises CallError, LockedError."""
        async with self._reading:
            self._waiting = []
            self._report(await take_snapshot(self.server.id, self.server.directory, self._read, self._now()))
            turn = Turn()
            while self._waiting:
                waiting, self._waiting = self._waiting, []  # more may arrive meanwhile
                for event in waiting:
                    self._report(event)
                    await turn.give_way()
            self._waiting = None
            overflowed, self._overflowed = self._overflowed, False
        if overflowed:
            self._spawn(self.read)
        if not self._has_limits:
            self._has_limits = True
            self._report(await read_limits(self.server.id, self._read))  # the first time, OpenCode needs a second

    def draft(self, session_id: str) -> str:
        """Return the end of the text that is being written in a session; "" if there is none."""
        return self._output.draft(session_id, self._now())

    async def _read(self, what: str, session: str = "", limit: int = 0) -> Any:
        """Return a section of a snapshot, or None if it cannot be read. Raises CallError if there is no response."""
        try:
            query = {"limit": limit} if limit else {}
            response = await self._api.get(_PATHS[what].format(session=session), self.server.directory, **query)
        except CallError as error:
            if error.kind in (CallErrorKind.GONE, CallErrorKind.SILENT):
                raise
            return None
        if what == "branch":
            return response.get("branch") if isinstance(response, dict) else None
        if what == "permissions" and isinstance(response, list):
            permissions = [await self._with_command(permission) for permission in response[:MAX_PERMISSIONS]]
            if any(map(lacks_command, permissions)):
                self._look_up_commands_soon()
            return permissions
        return response

    # ------------------------------------------------------------------ events

    def handle(self, payload: msgspec.Raw, events: tuple[SourceEvent, ...]) -> None:
        """Handle one event of this directory and the core events that it was decoded to. Raises JSON_ERRORS."""
        match event_type(payload):
            case "message.part.delta":
                output = self._output.append(_delta.decode(payload).properties, self._now())
                events = events if output is None else (output,)
            case "message.part.updated":
                self._output.start(_part.decode(payload).properties.part, self._now())
            case name if name in SERVICES_CHANGED:
                self._read_services_soon()
        for event in events:
            if isinstance(event, ActivityReported) and not self._reads_services:
                self._read_services_soon()
            if isinstance(event, RequestAsked) and _is_incomplete_permission(event):
                self._look_up_commands_soon()
            self._report_in_order(event)

    def _report_in_order(self, event: SourceEvent) -> None:
        """Report an event, after the snapshot that is being read."""
        if self._waiting is None:
            self._report(event)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(event)
        else:
            self._overflowed = True

    # ------------------------------------------------------------------ commands of permissions

    def _look_up_commands_soon(self) -> None:
        if not self._is_looking_up:  # one task for all requests that are asked meanwhile
            self._is_looking_up = True
            self._spawn(self._look_up_commands)

    async def _look_up_commands(self) -> None:
        """Report the pending permissions again with their commands. OpenCode may store these after it has asked."""
        self._is_looking_up = False
        delays = Backoff(FIRST_LOOK_UP_DELAY, MAX_LOOK_UP_DELAY)
        for _ in range(MAX_LOOK_UPS):
            if await self._report_commands():
                return
            await asyncio.sleep(delays.next_delay())

    async def _report_commands(self) -> bool:
        """Report the pending permissions that have a command; return whether all have one."""
        permissions = await self._api.get("/permission", self.server.directory)
        is_complete = True
        for listed in permissions[:MAX_PERMISSIONS] if isinstance(permissions, list) else []:
            permission = await self._with_command(listed)
            is_complete = is_complete and not lacks_command(permission)
            for event in decode_event(
                self.server.id, msgspec.json.encode(["permission.asked", permission]), self._now()
            ):
                if isinstance(event, RequestAsked) and event.request.complete:
                    self._report_in_order(event)
        return is_complete

    async def _with_command(self, permission: Any) -> Any:
        return await with_command(self._api, self.server.directory, permission)

    # ------------------------------------------------------------------ MCP and LSP servers

    def _read_services_soon(self) -> None:
        """Read the services after a delay. Not before a session works: it would make OpenCode start its MCP servers."""
        self._reads_services = True
        if self._services_timer is None:
            self._services_timer = asyncio.get_running_loop().call_later(SERVICES_DELAY, self._read_services_now)

    def _read_services_now(self) -> None:
        self._services_timer = None
        self._spawn(self._read_services)

    async def _read_services(self) -> None:
        services = await read_services(self._api, self.server.directory)
        self._report(SnapshotTaken(self.server.id, services=services))


def event_type(payload: msgspec.Raw) -> str:
    """Return the type of an event. Raises JSON_ERRORS."""
    return _type.decode(payload).type


def _is_incomplete_permission(event: RequestAsked) -> bool:
    return event.request.kind is RequestKind.PERMISSION and not event.request.complete


_PATHS: Mapping[str, str] = {
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
