"""The clients of the soak's tray: plugins, commands, browsers, phones, and processes that call hooks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from fake_desktop import FakeDesktop
from fakes import FakePlugin
from page_client import LiveSocket, PageClient, PairedDevice
from soak_truth import HOST, Agent, Ask, Notices
from tray.cli.client import Handshake
from tray.core.handshake import Side
from waiting import until_async

TOKEN = re.compile(r"\bsoak-[rce]\d+\b")  # in what is asked, and at the end of a turn
CALL_TIME = 20.0  # s

# Returns the events that a call causes, and its result. Raises CallFailed, CutOff.
Serve = Callable[[Agent, str, dict[str, Any]], tuple[list[Any], Any]]


class CallFailed(Exception):  # noqa: N818  # the answer of a plugin
    """The plugin answers with this error code, after these events."""

    def __init__(self, code: int, *frames: Any) -> None:
        super().__init__(code)
        self.code = code
        self.frames = frames


class CutOff(Exception):  # noqa: N818  # what a test does
    """The connection ends before the plugin has answered."""


class PluginLink:
    """The connection of one plugin, which serves the tray's calls."""

    def __init__(self, agent: Agent, http: aiohttp.ClientSession, serve: Serve) -> None:
        self.agent = agent
        self._http = http
        self._serve = serve
        self._plugin: FakePlugin | None = None
        self._reading: asyncio.Task[None] | None = None
        self.calls = 0

    async def connect(self, port: int, token: str) -> None:
        """Connect with a new connection, and send a snapshot. An older one is left to the tray."""
        ws = await self._http.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=0)
        plugin = FakePlugin(ws)
        name = {"instance": self.agent.instance, "serverId": f"{HOST}-{1000 + self.agent.number}", "hostname": HOST}
        more = {"serverName": self.agent.name, "directory": self.agent.directory, "serverUrl": "disabled"}
        await plugin.authenticate(token, **name, **more, pid=1000 + self.agent.number, project=self.agent.name)
        before, reading = self._plugin, self._reading
        self._plugin, self.agent.is_live = plugin, True
        await plugin.send(self.agent.snapshot)
        self._reading = asyncio.create_task(self._read(plugin), name=f"plugin {self.agent.name}")
        if before is not None and reading is not None:  # the tray closes it: the same instance connected again
            await asyncio.wait_for(asyncio.shield(reading), CALL_TIME)
            assert before.socket.close_code == 4409, before.socket.close_code

    async def send(self, *frames: Any) -> None:
        if self._plugin is not None and self.agent.is_live:
            await self._plugin.send(*frames)

    async def goodbye(self) -> None:
        await self.send({"type": "goodbye"})
        await self.close()

    async def close(self) -> None:
        """Close as a plugin does."""
        if self._plugin is not None:
            await self._plugin.socket.close()
        await self._ended()

    async def cut(self) -> None:
        """End the connection in the middle of a frame."""
        if self._plugin is not None:
            file = self._plugin.socket.get_extra_info("socket").fileno()
            with suppress(OSError):
                os.write(file, b'\x81\xfe\x10\x00\x01\x02\x03\x04["session.status"')
                with socket.socket(fileno=os.dup(file)) as end:
                    end.shutdown(socket.SHUT_RDWR)
        await self._ended()

    async def lost(self) -> None:
        """Wait for the end of a connection that the tray has closed."""
        if self._reading is not None:
            await asyncio.wait_for(asyncio.shield(self._reading), CALL_TIME)
        await self._ended()

    async def _ended(self) -> None:
        self.agent.is_live = False
        reading, self._reading, self._plugin = self._reading, None, None
        if reading is not None and reading is not asyncio.current_task():
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, plugin: FakePlugin) -> None:
        async for message in plugin.socket:
            call = json.loads(message.data)
            self.calls += 1
            try:
                frames, result = self._serve(self.agent, call["method"], call.get("params", {}))
            except CallFailed as failed:
                error = {"code": failed.code, "message": "refused by the soak"}
                await plugin.send(*failed.frames, {"id": call["id"], "error": error})
            except CutOff:
                await self.cut()
                return
            else:
                await plugin.send(*frames, {"id": call["id"], "result": result})


class Control:
    """A connection of the user's commands, which are answered one after the other."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._calls = 0
        self._free = asyncio.Lock()

    async def connect(self, port: int, token: str) -> None:
        await self.close()
        ws = await self._http.ws_connect(f"http://127.0.0.1:{port}/client", max_msg_size=0)
        handshake = Handshake(token, str(port), Side.CLIENT)
        await ws.send_json(handshake.hello)
        await ws.send_json(handshake.auth(await ws.receive_json(timeout=CALL_TIME)))
        handshake.finish(await ws.receive_json(timeout=CALL_TIME))
        self._ws = ws

    async def call(self, method: str, **params: Any) -> Any:
        """Return the result, or the error as {"error": TEXT}."""
        async with self._free:
            assert self._ws is not None
            self._calls += 1
            await self._ws.send_json({"id": self._calls, "method": method, "params": params})
            answer = await self._ws.receive_json(timeout=35)
        assert answer["id"] == self._calls
        return answer.get("result", {"error": answer.get("error", {}).get("message")})

    async def close(self) -> None:
        if self._ws is not None:
            await self._ws.close()


class Device:
    """A browser or a phone with its live view. `is_slow`: it does not read for now."""

    def __init__(self, client: PageClient) -> None:
        self.client = client
        self.live: LiveSocket | None = None
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the live view."""
        await self.close()
        await self.client.log_in(self.client.device)  # anew: the tray may have been restarted
        ws = await self.client.session.ws_connect(f"{self.client.address}/ws", max_msg_size=0)
        await ws.send_json({"auth": self.client.login})
        self.live = LiveSocket(ws)
        await self.live.read()
        self._reading = asyncio.create_task(self._read(self.live), name="live view")

    async def resume(self) -> None:
        """Read again. The tray closes a socket that does not answer its pings: a browser then opens another one."""
        if not self.may_read.is_set():
            self.may_read.set()
            await self.open()

    @property
    def is_open(self) -> bool:
        """Whether the live view is read."""
        return self._reading is not None and not self._reading.done()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self.live is not None:
            await self.live.socket.close()
        self.live = None

    async def _read(self, live: LiveSocket) -> None:
        with suppress(TypeError):  # the tray has closed the socket
            while True:
                await self.may_read.wait()
                try:
                    await live.read()
                except TimeoutError:  # nothing has changed
                    continue

    async def answer(self, ask: Ask, body: dict[str, Any]) -> tuple[int, Any]:
        """Answer the request as it is shown. Raises LookupError if it was closed before."""

        def shown() -> str | None:
            assert self.is_open, "the live view has ended"
            requests = self.live.requests if self.live is not None else []
            seen = next((str(request["seen"]) for request in requests if request["id"] == ask.id), None)
            return seen or (None if ask.is_open else "closed")

        seen = await until_async(shown, f"{ask.name} on the page", 10)
        if seen == "closed":
            raise LookupError(f"{ask.name} was closed before it was shown")
        return await self.client.call("POST", f"/api/requests/{ask.id}/reply", {"seen": seen, **body})


async def paired_browser(http: aiohttp.ClientSession, control: Control) -> Device:
    result = await control.call("dashboard", in_browser=False)
    address, _, code = str(result["result"]).partition("#c=")
    client = PageClient(http, address)
    status, answer = await client.call("POST", "/api/pair", {"code": code, "name": "Browser"})
    assert status == 200, answer
    await client.log_in(PairedDevice.of(answer))
    return Device(client)


async def paired_phone(http: aiohttp.ClientSession, control: Control) -> Device:
    result = await control.call("phone")
    address, _, code = str(result["result"]["address"]).partition("#c=")
    client = PageClient(http, address)
    status, begun = await client.call("POST", "/api/pair", {"code": code, "name": "Phone"})
    assert status == 202, begun
    decided = await control.call("phone.decide", device=begun["pending"], device_scope="answer")
    assert decided["ok"], decided
    body = {"pending": begun["pending"], "secret": begun["secret"]}
    status, answer = await client.call("POST", "/api/pair/wait", body)
    assert status == 200, answer
    await client.log_in(PairedDevice.of(answer))
    return Device(client)


class Hooks:
    """A process of Qwen Code, which the tray knows by its hooks."""

    def __init__(self, session: str, socket_path: Path) -> None:
        self.session = session
        self._socket = socket_path
        self._process = subprocess.Popen(["sleep", "3600"])

    async def call(self, name: str, **payload: Any) -> None:
        body = {"hook_event_name": name, "session_id": self.session, "cwd": "/soak/hooks", **payload}
        headers = {"X-Pid": str(self._process.pid)}
        connector = aiohttp.UnixConnector(str(self._socket))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post("http://tray/hook/qwen", json=body, headers=headers) as answer,
        ):
            assert answer.status == 204, answer.status

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Screen:
    """The notifications on a fake desktop, recorded by what they are about."""

    def __init__(self, desktop: FakeDesktop, notices: Notices) -> None:
        self.desktop = desktop
        self._notices = notices
        desktop.on_note = self._shown

    def _shown(self) -> None:
        token = _token(self.desktop.notes[self.desktop.noted])
        if token:
            self._notices.shown[token] += 1
        else:
            self._notices.others += 1

    def open(self) -> list[str]:
        """Return what the open notifications are about, sorted."""
        return sorted(filter(None, map(_token, self.desktop.notes.values())))

    async def steady(self, seconds: float) -> None:
        """Wait until nothing has appeared or closed for so long."""
        before, since = None, time.monotonic()
        while time.monotonic() < since + seconds:
            now = self.desktop.noted, sorted(self.desktop.notes)
            if now != before:
                before, since = now, time.monotonic()
            await asyncio.sleep(0.03)

    def buttons(self, token: str) -> tuple[int, dict[str, str]]:
        """Return the number of a notification, and its buttons."""
        number, note = next((n, note) for n, note in self.desktop.notes.items() if _token(note) == token)
        return number, dict(zip(note[5][1::2], note[5][::2], strict=True))


def _token(note: list[Any]) -> str:
    """Return what a notification is about; "" for the result of a command."""
    found = TOKEN.search(str(note[4]))
    return found[0] if found is not None else ""
