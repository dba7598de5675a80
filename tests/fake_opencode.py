"""A fake of OpenCode's HTTP server: the test sets its responses, and it records the requests."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import Counter, defaultdict
from typing import Any, Self

from aiohttp import web

HERE, ELSEWHERE = "/home/dev/project", "/home/dev/other"


class FakeOpenCode:
    """Listens on a free loopback port. An async context manager."""

    def __init__(self, version: str = "1.18.33", password: str = "", port: int = 0) -> None:
        self.version = version
        self.password = password
        self.port = port
        self.tls: Any = None
        self.sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)  # by directory
        self.statuses: dict[str, dict[str, Any]] = defaultdict(dict)
        self.permissions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.questions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.messages: dict[str, list[dict[str, Any]]] = defaultdict(list)  # by session
        self.mcp: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()  # "GET /path"
        self.posted: list[tuple[str, Any]] = []
        self.hangs = False  # accepts requests and never responds
        self.slow = asyncio.Event()  # /session responds only once this is set
        self.slow.set()
        self.fails = 0  # error status of every response
        self.redirect = ""  # URL that every request is redirected to
        self._streams: dict[web.StreamResponse, web.Request] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def subscribers(self) -> int:
        """The number of open event streams."""
        return len(self._streams)

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop_connections()
        if self._runner is not None:
            await self._runner.cleanup()

    async def drop_connections(self) -> None:
        """Abort the event streams, as a server that crashes."""
        for request in self._streams.values():
            if request.transport is not None:
                request.transport.abort()
        self._streams.clear()

    async def send(self, text: bytes) -> None:
        """Send bytes to all event streams."""
        for stream in list(self._streams):
            await stream.write(text)

    async def emit(self, kind: str, properties: Any, directory: str = HERE) -> None:
        """Send an event of a directory."""
        event = {"directory": directory, "payload": {"id": "evt_1", "type": kind, "properties": properties}}
        await self.send(f"data: {json.dumps(event)}\n\n".encode())

    async def heartbeat(self) -> None:
        """Send a heartbeat."""
        await self.send(b'data: {"payload":{"type":"server.heartbeat","properties":{}}}\n\n')

    # ------------------------------------------------------------------ answers

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests[f"{request.method} {request.path}"] += 1
        login = request.headers.get("Authorization", "")
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            return web.Response(status=self.fails)
        if self.redirect:
            raise web.HTTPTemporaryRedirect(self.redirect + request.path)
        if self.password and login != f"Basic {b64encode(f'opencode:{self.password}'.encode()).decode()}":
            raise web.HTTPUnauthorized
        if request.path == "/global/event":
            return await self._stream(request)
        return web.json_response(await self._response(request))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"payload":{"type":"server.connected","properties":{}}}\n\n')
        self._streams[response] = request
        try:
            await asyncio.Event().wait()
        finally:
            self._streams.pop(response, None)
        return response

    async def _response(self, request: web.Request) -> Any:
        directory = request.query.get("directory") or HERE
        path = request.path.strip("/").split("/")
        if request.method != "GET":
            body = await request.json() if request.can_read_body else None
            self.posted.append((f"{request.method} {request.path}", body))
            return True
        match path:
            case ["global", "health"]:
                return {"healthy": True, "version": self.version}
            case ["path"]:
                return {"directory": HERE}
            case ["session"]:
                await self.slow.wait()
                return self.sessions[directory]
            case ["session", "status"]:
                return self.statuses[directory]
            case ["permission"]:
                return self.permissions[directory]
            case ["question"]:
                return self.questions[directory]
            case ["vcs"]:
                return {"branch": "main"}
            case ["mcp"]:
                return self.mcp
            case ["lsp"]:
                return []
            case ["config", "providers"]:
                return {"providers": [{"id": "fake", "models": {"fake-1": {"limit": {"context": 8000}}}}]}
            case ["session", name]:
                return next((session for session in self.sessions[directory] if session["id"] == name), None)
            case ["session", name, "message"]:
                return self.messages[name]
            case ["session", name, "message", message]:
                return next(info for info in self.messages[name] if info["info"]["id"] == message)
            case ["session", _, "diff"]:
                return [{"messageID": request.query["messageID"]}] if "messageID" in request.query else []
            case ["session", _, "todo"]:
                return [{"content": "one", "status": "pending"}]
        raise web.HTTPNotFound
