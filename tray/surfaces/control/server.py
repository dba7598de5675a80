"""What the person's own commands ask of the running tray, over an authenticated socket on `/client`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.overview import overview
from tray.surfaces.control.status_report import status_report, sums_report
from tray.surfaces.control.watchers import RowsWatcher, SumsWatcher, Watcher

log = logging.getLogger(__name__)

WATCH_EVERY = 0.25  # s; who watches is sent at most one frame in this time


class _Call(msgspec.Struct):
    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw(b"")


class ControlServer:
    """Answers `status` and the like, and all that Commands knows; after `watch.…` sends what differs, when it does."""

    def __init__(self, fleet: Fleet, index: SessionIndex, commands: ControlMethods, now: Callable[[], int]) -> None:
        self._fleet = fleet
        self._index = index
        self._commands = commands
        self._reports: dict[str, Callable[[], dict[str, Any]]] = {
            "status": lambda: status_report(fleet, index),
            "overview": lambda: overview(fleet, index, now()),
            "sums": lambda: sums_report(index),
        }
        self._watching: dict[Watcher, asyncio.Event] = {}

    def changed(self, session_ids: Iterable[str]) -> None:
        """Tell those who watch that the rows of these root sessions may differ."""
        for watcher, event in self._watching.items():
            watcher.changed(session_ids)
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
                elif call.method in self._reports:
                    await _send(ws, {"id": call.id, "result": self._reports[call.method]()})
                elif call.method in ("watch.rows", "watch.sums") and watch is None:
                    watch = asyncio.get_running_loop().create_task(self._watch(ws, call.method), name="watch")
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
        except UserError as problem:
            return {"error": {"code": -32602, "message": str(problem), "usage": problem.is_usage}}
        except Exception:  # the boundary of the connection: the person is told what came of it
            log.exception("%s failed", call.method[:40])
            return {"error": {"code": -32603, "message": "it failed; the tray's log says why"}}

    async def _watch(self, ws: web.WebSocketResponse, method: str) -> None:
        rows = method == "watch.rows"
        watcher: Watcher = RowsWatcher(self._fleet, self._index) if rows else SumsWatcher(self._index)
        event = self._watching[watcher] = asyncio.Event()
        try:
            while not ws.closed:
                event.clear()
                frame = watcher.frame()
                if frame is not None:
                    await _send(ws, frame)
                await asyncio.sleep(WATCH_EVERY)
                await event.wait()
        except ConnectionError:
            return
        finally:
            del self._watching[watcher]


def _decode(text: str) -> _Call | None:
    try:
        return msgspec.json.decode(text, type=_Call)
    except msgspec.DecodeError:
        return None


async def _send(ws: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    await ws.send_str(msgspec.json.encode(frame).decode())
