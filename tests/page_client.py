"""A client of the page: what a browser's scripts do, over aiohttp."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

from running_app import RunningApp
from tray.core.commands import OpenDashboard
from tray.core.devices import Scope
from tray.core.handshake import Side, proof


class PairedDevice(NamedTuple):
    """What a browser keeps: `paired` is the answer to its pairing."""

    id: str
    token: str

    @classmethod
    def of(cls, paired: dict[str, Any]) -> Self:
        return cls(paired["id"], paired["token"])

    def login_body(self) -> dict[str, str]:
        """Return the body of a login, with a fresh nonce."""
        return {"device": self.id, "nonce": secrets.token_hex(16)}

    def login(self, host: str, body: dict[str, str], answer: dict[str, str]) -> str:
        """Return the key of the calls, after the tray has proved that it is the tray."""
        nonces = body["nonce"], answer["nonce"]
        assert answer["proof"] == proof(Side.PAGE, self.token, host, *nonces)
        return proof(Side.BROWSER, self.token, host, *nonces)


class PageClient:
    """A paired device that has logged in, or one that is not paired yet."""

    def __init__(self, session: aiohttp.ClientSession, address: str, login: str = "") -> None:
        self.session = session
        self.address = address.rstrip("/")
        self.login = login
        self.device = PairedDevice("", "")

    @classmethod
    async def pair(
        cls, session: aiohttp.ClientSession, running: RunningApp, name: str = "Test", scope: Scope = Scope.ACT
    ) -> Self:
        address, _, code = (await new_address(running, scope)).partition("#c=")
        client = cls(session, address)
        status, answer = await client.call("POST", "/api/pair", {"code": code, "name": name})
        assert status == 200, answer
        await client.log_in(PairedDevice.of(answer))
        return client

    async def log_in(self, device: PairedDevice) -> None:
        """Log in as a device under the `Host` that this client sends."""
        self.device, body = device, device.login_body()
        status, answer = await self.call("POST", "/api/login", body)
        assert status == 200, answer
        host = self.session.headers.get("Host") or urlsplit(self.address).netloc
        self.login = device.login(host, body, answer)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that prove the device."""
        return {"Authorization": f"Bearer {self.login}"} if self.login else {}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return status and decoded body."""
        sent = self.headers
        content = None if body is None else json.dumps(body)
        if method != "GET":
            sent["Content-Type"] = "application/json"
        async with self.session.request(
            method, self.address + path, data=content, headers={**sent, **headers}, allow_redirects=False
        ) as answer:
            assert "Set-Cookie" not in answer.headers
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text

    @asynccontextmanager
    async def live(self, **auth: Any) -> AsyncIterator[LiveSocket]:
        async with self.session.ws_connect(f"{self.address}/ws") as socket:
            await socket.send_json({"auth": self.login, **auth})
            yield LiveSocket(socket)


class LiveSocket:
    """The live view as a browser keeps it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.entries: dict[str, Any] = {}
        self.sequence = 0
        self.epoch = ""

    async def read(self) -> dict[str, Any]:
        """Apply the next frame and return it."""
        frame: dict[str, Any] = await self.socket.receive_json(timeout=5)
        if frame["type"] == "view":
            self.entries, self.epoch = {}, frame["epoch"]
        self.entries |= frame["set"]
        for key in frame.get("removed", ()):
            del self.entries[key]
        self.sequence = frame["seq"]
        return frame

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for key, entry in self.entries.items() if ":" in key for request in entry["requests"]]

    async def first_request(self) -> dict[str, Any]:
        """Read until a request is shown, and return it."""
        while not self.requests:
            await self.read()
        return self.requests[0]


async def new_address(running: RunningApp, scope: Scope = Scope.ACT) -> str:
    """Return the page's address with a new code."""
    result = await running.choose(OpenDashboard(in_browser=False, scope=scope))
    assert result.ok, result.message
    return str(result.result)
