"""The control API: answers the calls of authenticated clients on `/client`, one WebSocket each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiohttp import ClientConnectionError, WSMsgType, web

from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.lenient_json import JSON_ERRORS
from tray.core.session_index import SessionIndex
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.overview import overview
from tray.surfaces.control.status_report import status_report, summary_report
from tray.surfaces.control.watchers import RowsWatcher, SummaryWatcher, Watcher

log = logging.getLogger(__name__)

MIN_INTERVAL = 0.25  # s between two frames to a client that watches


class _Call(msgspec.Struct):
    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw(b"")


class ControlServer:
    """Answers reports (`status` …), runs the methods of ControlMethods, and sends frames after `watch.…`."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        methods: ControlMethods,
        now: Callable[[], int],
        exposed: Callable[[], str] = str,
    ) -> None:
        """`now` returns ms since the Unix epoch, `exposed` how long the internet can reach the page."""
        self._fleet = fleet
        self._index = index
        self._methods = methods
        self._reports: dict[str, Callable[[], dict[str, Any]]] = {
            "status": lambda: status_report(fleet, index),
            "overview": lambda: overview(fleet, index, now(), exposed()),
            "summary": lambda: summary_report(index),
        }
        self._watchers: dict[Watcher, asyncio.Event] = {}  # an event is set when there may be a frame to send

    def changed(self, session_ids: Iterable[str]) -> None:
        """Notify the watchers that the rows of these root sessions may have changed."""
        for watcher, event in self._watchers.items():
            watcher.changed(session_ids)
            event.set()

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Answer the calls of a client one after the other until it disconnects."""
        watching: asyncio.Task[None] | None = None
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    break
                call = _decode(message.data)
                if call is None:
                    await ws.send_json({"error": {"code": -32600, "message": "invalid call"}})
                elif call.method in self._reports:
                    await _send(ws, {"id": call.id, "result": self._reports[call.method]()})
                elif call.method in ("watch.rows", "watch.summary") and watching is None:
                    watching = asyncio.get_running_loop().create_task(self._watch(ws, call.method), name="watch")
                else:
                    await _send(ws, {"id": call.id, **await self._run(call)})
        except (ConnectionError, ClientConnectionError):  # it disconnected before the answer
            return
        finally:
            if watching is not None:
                watching.cancel()

    async def _run(self, call: _Call) -> dict[str, Any]:
        try:
            return {"result": await self._methods.run(call.method, call.params)}
        except UserError as error:
            return {"error": {"code": -32602, "message": str(error), "usage": error.is_usage}}
        except Exception:  # a bug must not end the connection; the client gets an error
            log.exception("%s failed", call.method[:40])
            return {"error": {"code": -32603, "message": "internal error; see the tray's log"}}

    async def _watch(self, ws: web.WebSocketResponse, method: str) -> None:
        is_table = method == "watch.rows"
        watcher: Watcher = RowsWatcher(self._fleet, self._index) if is_table else SummaryWatcher(self._index)
        event = self._watchers[watcher] = asyncio.Event()
        try:
            while not ws.closed:
                event.clear()
                frame = watcher.frame()
                if frame is not None:
                    await _send(ws, frame)
                await asyncio.sleep(MIN_INTERVAL)
                await event.wait()
        except (ConnectionError, ClientConnectionError):
            return
        finally:
            del self._watchers[watcher]


def _decode(text: str) -> _Call | None:
    try:
        return msgspec.json.decode(text, type=_Call)
    except JSON_ERRORS:
        return None


async def _send(ws: web.WebSocketResponse, frame: dict[str, Any]) -> None:
    await ws.send_str(msgspec.json.encode(frame).decode())
