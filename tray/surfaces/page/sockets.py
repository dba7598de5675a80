"""The WebSockets of the page: each proves its device in the first frame and then gets the live view."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import IntEnum

import msgspec
from aiohttp import ClientConnectionError, WSMsgType, web

from tray.core.devices import Device
from tray.core.lenient_json import JSON_ERRORS
from tray.surfaces.page.live import LiveView
from tray.surfaces.page.security import Hosts, outside_host
from tray.system.tasks import TaskSet

AUTH_TIMEOUT = 5.0  # s for the first frame
HEARTBEAT = 40.0  # s; a socket whose browser is gone is closed after it
CLOSE_TIMEOUT = 1.0  # s for the browser to answer a close frame
MAX_FRAME = 4096  # bytes
MAX_PENDING = 32  # sockets that have not proved their device yet
MAX_PENDING_OUTSIDE = 8  # of them behind a tunnel, where any stranger can open some
MAX_SOCKETS, MAX_OF_DEVICE = 64, 8  # those that have


class PageClose(IntEnum):
    """Why the server closes a socket."""

    GOING_AWAY = 1001
    UNAUTHORIZED = 4401
    TOO_LATE = 4408
    TOO_MANY = 4429


class _Auth(msgspec.Struct, forbid_unknown_fields=True):
    auth: str
    since: int | None = None  # the last sequence number that the browser has
    epoch: str = ""


class Sockets:
    """All open sockets."""

    def __init__(self, live: LiveView, device_of: Callable[[str, str], Device | None], https_hosts: Hosts) -> None:
        """`device_of` returns the device of a login and address, or None."""
        self._live = live
        self._device_of = device_of
        self._https_hosts = https_hosts
        self._open: dict[web.WebSocketResponse, str] = {}  # socket -> ID of its device; "": not known yet
        self._outside: dict[web.WebSocketResponse, str] = {}  # those that came through a tunnel or Tailscale: its name
        self._tasks = TaskSet()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve a socket until it is closed. Raises ConnectionError if the browser is gone."""
        outside = outside_host(request, self._https_hosts())
        pending = {ws for ws, owner in self._open.items() if not owner}
        if len(pending) >= MAX_PENDING or (outside and len(pending & self._outside.keys()) >= MAX_PENDING_OUTSIDE):
            raise web.HTTPTooManyRequests(text="too many sockets wait for their first frame")
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT, timeout=CLOSE_TIMEOUT, max_msg_size=MAX_FRAME)
        self._open[ws] = ""
        if outside:
            self._outside[ws] = outside
        try:
            await ws.prepare(request)
            await self._serve(ws, outside or request.remote or "")
        finally:
            del self._open[ws]
            self._outside.pop(ws, None)
        return ws

    async def _serve(self, ws: web.WebSocketResponse, address: str) -> None:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT):
                message = await ws.receive()
        except TimeoutError:
            await ws.close(code=PageClose.TOO_LATE, message=b"the first frame came too late")
            return
        auth = _decode(message.data) if message.type is WSMsgType.TEXT else None
        device = self._device_of(auth.auth, address) if auth is not None else None
        if auth is None or device is None:
            await ws.close(code=PageClose.UNAUTHORIZED, message=b"this device is not logged in")
            return
        owners = [owner for owner in self._open.values() if owner]
        if len(owners) >= MAX_SOCKETS or owners.count(device.id) >= MAX_OF_DEVICE:
            await ws.close(code=PageClose.TOO_MANY, message=b"too many pages are open")
            return
        self._open[ws] = device.id
        since = auth.since if auth.epoch == self._live.epoch else None
        sending = self._tasks.spawn(self._send(ws, since), "live view")
        try:
            async for _ in ws:  # later frames of the browser have no meaning
                pass
        finally:
            sending.cancel()

    async def _send(self, ws: web.WebSocketResponse, sequence: int | None) -> None:
        viewer = self._live.watch()
        try:
            frames = self._live.first_frames(sequence)
            while not ws.closed:
                viewer.clear()
                sequence = self._live.sequence
                for frame in frames:
                    await ws.send_str(frame.decode())
                await viewer.wait()
                frames = self._live.frames_after(sequence)
        except (ConnectionError, ClientConnectionError):
            return
        finally:
            self._live.unwatch(viewer)

    def close_of(self, device_ids: frozenset[str]) -> None:
        """Close the sockets of these devices."""
        for ws, owner in self._open.items():
            if owner in device_ids:
                self._tasks.spawn(_close(ws, PageClose.UNAUTHORIZED, b"this device was revoked"), "close")

    def close_ended_ways(self) -> None:
        """Close the sockets that came through a tunnel or Tailscale which is not open any more."""
        hosts = self._https_hosts()
        for ws, host in self._outside.items():
            if host not in hosts:
                self._tasks.spawn(_close(ws, PageClose.GOING_AWAY, b"the way to this page was closed"), "close")

    async def close_all(self) -> None:
        """Close all sockets: the tray stops."""
        for ws in self._open:
            self._tasks.spawn(_close(ws, PageClose.GOING_AWAY, b"the tray stops"), "close")
        await self._tasks.wait(CLOSE_TIMEOUT)
        self._tasks.cancel_all()


async def _close(ws: web.WebSocketResponse, code: PageClose, reason: bytes) -> None:
    with contextlib.suppress(ConnectionError, ClientConnectionError):
        await ws.close(code=code, message=reason)


def _decode(text: str) -> _Auth | None:
    try:
        return msgspec.json.decode(text, type=_Auth)
    except JSON_ERRORS:
        return None
