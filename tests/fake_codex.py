"""A daemon of Codex with prepared threads, on the socket in Codex' folder."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

ACTIVE, IDLE = {"type": "active", "activeFlags": []}, {"type": "idle"}
WAITING = {"type": "active", "activeFlags": ["waitingOnApproval"]}
PROJECT = "/home/dev/project"


class FakeDaemon:
    """Answers the calls of the tray, and sends what a test tells it to."""

    def __init__(self, folder: Path) -> None:
        self.threads: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()  # methods
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.results: dict[Any, Any] = {}  # the answers of the tray, by the id of the request
        self.connections = 0
        self._sockets: set[web.WebSocketResponse] = set()
        self._folder = folder
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        daemon = self._folder / "app-server-daemon"
        daemon.mkdir(exist_ok=True)
        (daemon / "daemon.pid").write_text(json.dumps({"pid": os.getpid()}))
        control = self._folder / "app-server-control"
        control.mkdir(exist_ok=True)
        await web.UnixSite(self._runner, str(control / "app-server-control.sock")).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self.drop()
            await self._runner.cleanup()
            self._runner = None

    async def drop(self) -> None:
        """Close all connections."""
        for socket in list(self._sockets):
            await socket.close()

    def add(self, thread_id: str, status: dict[str, Any] = IDLE, **fields: Any) -> None:
        """Add a thread without a notification."""
        thread = {"id": thread_id, "cwd": PROJECT, "name": "Title", "status": status, "threadSource": "user", **fields}
        self.threads[thread_id] = thread

    async def set(self, thread_id: str, status: dict[str, Any]) -> None:
        """Change the status of a thread."""
        self.threads[thread_id]["status"] = status
        await self.send("thread/status/changed", threadId=thread_id, status=status)

    async def send(self, method: str, frame_id: int | None = None, **params: Any) -> None:
        """Send a notification, or a request, to all clients."""
        frame = {"method": method, "params": params}
        await self.send_text(json.dumps(frame if frame_id is None else {**frame, "id": frame_id}))

    async def send_text(self, text: str) -> None:
        for socket in self._sockets:
            await socket.send_str(text)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self._sockets.add(socket)
        try:
            async for message in socket:
                frame = json.loads(message.data)
                if "method" not in frame:
                    self.results[frame["id"]] = frame["result"]
                elif "id" in frame:
                    await socket.send_str(json.dumps({"id": frame["id"], **self._answer(frame)}))
        finally:
            self._sockets.discard(socket)
        return socket

    def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        method, params = frame["method"], frame["params"]
        self.calls.append((method, params))
        if method in self.refused:
            return {"error": {"code": -32600, "message": "refused"}}
        match method:
            case "initialize":
                return {"result": {"userAgent": "codex-tui/0.171.0 (Debian)"}}
            case "thread/loaded/list":
                return {"result": {"data": list(self.threads)}}
            case "thread/read" if params["threadId"] in self.threads:
                return {"result": {"thread": self.threads[params["threadId"]]}}
            case "thread/read":
                return {"error": {"message": "no such thread"}}
        return {"result": {}}


@asynccontextmanager
async def fake_daemon(folder: Path) -> AsyncIterator[FakeDaemon]:
    daemon = FakeDaemon(folder)
    await daemon.start()
    try:
        yield daemon
    finally:
        await asyncio.wait_for(daemon.stop(), 5)
