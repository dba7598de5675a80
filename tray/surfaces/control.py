"""What the person's own commands ask of the running tray, over an authenticated socket on `/client`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from tray.core.problem import Problem
from tray.surfaces.commands import Commands

log = logging.getLogger(__name__)

WATCH_EVERY = 0.25  # s; a watching terminal is sent at most one report in this time


class _Call(msgspec.Struct):
    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw(b"")


class Control:
    """Answers `status`, and all that Commands knows; after `watch` sends a report whenever something changed."""

    def __init__(self, status: Callable[[], dict[str, Any]], commands: Commands) -> None:
        self._status = status
        self._commands = commands
        self._watching: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Tell those who watch."""
        for event in self._watching:
            event.set()

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Answer one client until it leaves, one call after the other."""
        watch: asyncio.Task[None] | None = None
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    break
                call = _decode(message.data)
                if call is None:
                    await ws.send_json({"error": {"code": -32600, "message": "no call"}})
                elif call.method == "status":
                    await _send(ws, {"id": call.id, "result": self._status()})
                elif call.method == "watch" and watch is None:
                    watch = asyncio.get_running_loop().create_task(self._watch(ws), name="watch")
                else:
                    await _send(ws, {"id": call.id, **await self._carry_out(call)})
        except ConnectionError:  # it left before it was answered
            return
        finally:
            if watch is not None:
                watch.cancel()

    async def _carry_out(self, call: _Call) -> dict[str, Any]:
        try:
            return {"result": await self._commands.run(call.method, call.params)}
        except Problem as problem:
            return {"error": {"code": -32602, "message": str(problem), "usage": problem.is_usage}}
        except Exception:  # the boundary of the connection: the person is told what came of it
            log.exception("%s failed", call.method[:40])
            return {"error": {"code": -32603, "message": "it failed; the tray's log says why"}}

    async def _watch(self, ws: web.WebSocketResponse) -> None:
        event = asyncio.Event()
        self._watching.add(event)
        try:
            while not ws.closed:
                event.clear()
                await _send(ws, {"type": "status", "status": self._status()})
                await asyncio.sleep(WATCH_EVERY)
                await event.wait()
        except ConnectionError:
            return
        finally:
            self._watching.discard(event)


def _decode(text: str) -> _Call | None:
    try:
        return msgspec.json.decode(text, type=_Call)
    except msgspec.DecodeError:
        return None


async def _send(ws: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    await ws.send_str(msgspec.json.encode(frame).decode())
