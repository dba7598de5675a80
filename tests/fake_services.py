"""Stand-ins for the services of channels, each with the requests that its documentation describes.

`faults` are statuses with which the next messages are refused. `texts` is what the user sees of each message now.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from web_server import serving

SECRET = "s3cret-of-the-service"
FULL = {"delay": 0, "detail": "full"}  # fields of a channel that sends everything at once


class Service:
    """One service on a free port."""

    kind = ""
    routes: tuple[tuple[str, str, str], ...] = ()  # method, path, name of the handler

    def __init__(self) -> None:
        self.port = 0
        self.faults: list[int] = []
        self.texts: dict[str, str] = {}  # by the ID of the message

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, Any]:
        """Return the fields of the channel."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Refuse a message if the test wants that."""
        if self.faults:
            status = self.faults.pop(0)
            raise {429: web.HTTPTooManyRequests, 500: web.HTTPInternalServerError, 401: web.HTTPUnauthorized}[status](
                headers={"Retry-After": "1"}
            )

    def application(self) -> web.Application:
        application = web.Application()
        for method, path, name in self.routes:
            application.router.add_route(method, path, getattr(self, name))
        return application


def _title_and_text(given: dict[str, Any]) -> str:
    assert isinstance(given["title"], str)
    assert given["message"]
    return f"{given['title']}\n{given['message']}"


class FakeNtfy(Service):
    """https://docs.ntfy.sh/publish/ and https://docs.ntfy.sh/subscribe/api/."""

    kind = "ntfy"
    routes = (
        ("POST", "/", "publish"),
        ("POST", "/{topic}", "publish_text"),
        ("GET", "/{topic}/json", "stream"),
        ("GET", "/{topic}/auth", "auth"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.actions: dict[str, list[dict[str, Any]]] = {}
        self.priorities: dict[str, int] = {}
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._changed = asyncio.Condition()

    def settings(self) -> dict[str, Any]:
        return {"kind": "ntfy", "server": self.address, "topic": "alerts", "token": SECRET, "reply_token": "tk_reply"}

    async def auth(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        return web.json_response({"success": True})

    async def publish(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        given = await request.json()
        self.refuse()
        assert given["topic"] == "alerts"
        assert 1 <= given["priority"] <= 5
        assert len(given["message"].encode()) <= 4096
        assert len(given["actions"]) <= 3
        for action in given["actions"]:
            assert (action["action"], action["method"]) == ("http", "POST")
            assert action["url"].startswith(f"{self.address}/")
        reference = given["sequence_id"]
        self.texts[reference] = _title_and_text(given)
        self.actions[reference] = given["actions"]
        self.priorities[reference] = given["priority"]
        return web.json_response({"id": f"m{len(self.texts)}", "event": "message", "topic": "alerts"})

    async def publish_text(self, request: web.Request) -> web.Response:
        """Publish, as the app does when a button is pressed."""
        kept = self._kept.setdefault(request.match_info["topic"], [])
        kept.append({"id": f"r{len(kept)}", "event": "message", "message": await request.text()})
        async with self._changed:
            self._changed.notify_all()
        return web.json_response(kept[-1])

    async def stream(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        kept = self._kept.setdefault(request.match_info["topic"], [])
        since = request.query.get("since")
        sent = next((n + 1 for n, message in enumerate(kept) if message["id"] == since), 0) if since else len(kept)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"id":"o","event":"open"}\n')
        while True:
            for message in kept[sent:]:
                await response.write(json.dumps(message).encode() + b"\n")
            sent = len(kept)
            async with self._changed:
                await self._changed.wait()


class FakeGotify(Service):
    """https://gotify.net/api-docs."""

    kind = "gotify"
    routes = (("GET", "/version", "version"), ("POST", "/message", "push"), ("DELETE", "/message/{id}", "delete"))

    def settings(self) -> dict[str, Any]:
        return {"kind": "gotify", "server": self.address, "token": SECRET}

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "2.6.1"})

    async def push(self, request: web.Request) -> web.Response:
        assert request.headers["X-Gotify-Key"] == SECRET
        given = await request.json()
        self.refuse()
        number = len(self.texts) + 1
        self.texts[str(number)] = _title_and_text(given)
        assert isinstance(given["priority"], int)
        return web.json_response({"id": number, "appid": 1, **given})

    async def delete(self, request: web.Request) -> web.Response:
        if request.headers["X-Gotify-Key"] != "client":
            raise web.HTTPUnauthorized
        self.texts.pop(request.match_info["id"])
        return web.json_response({})


class FakePushover(Service):
    """https://pushover.net/api."""

    kind = "pushover"
    routes = (("POST", "/1/messages.json", "push"), ("POST", "/1/users/validate.json", "validate"))

    def settings(self) -> dict[str, Any]:
        return {"kind": "pushover", "server": self.address, "token": SECRET, "user": "u123"}

    async def validate(self, request: web.Request) -> web.Response:
        assert (await request.json()) == {"token": SECRET, "user": "u123"}
        return web.json_response({"status": 1})

    async def push(self, request: web.Request) -> web.Response:
        given = await request.json()
        self.refuse()
        assert (given["token"], given["user"]) == (SECRET, "u123")
        assert -2 <= given["priority"] <= 1  # 2 needs `retry` and `expire`
        assert len(given["message"]) <= 1024
        assert len(given["title"]) <= 250
        self.texts[str(len(self.texts))] = _title_and_text(given)
        return web.json_response({"status": 1, "request": f"r{len(self.texts)}"})


class FakeDiscord(Service):
    """https://docs.discord.com/developers/resources/webhook."""

    kind = "discord"
    routes = (
        ("GET", "/api/webhooks/1/{token}", "look"),
        ("POST", "/api/webhooks/1/{token}", "execute"),
        ("PATCH", "/api/webhooks/1/{token}/messages/{id}", "edit"),
    )

    def settings(self) -> dict[str, Any]:
        return {"kind": "discord", "url": f"{self.address}/api/webhooks/1/{SECRET}"}

    async def look(self, _: web.Request) -> web.Response:
        return web.json_response({"id": "1", "name": "alerts"})

    async def execute(self, request: web.Request) -> web.Response:
        assert request.query["wait"] == "true"  # else the answer has no ID
        return await self._put(request, str(len(self.texts) + 1))

    async def edit(self, request: web.Request) -> web.Response:
        assert request.match_info["id"] in self.texts
        return await self._put(request, request.match_info["id"])

    async def _put(self, request: web.Request, number: str) -> web.Response:
        assert request.match_info["token"] == SECRET
        given = await request.json()
        self.refuse()
        assert 1 <= len(given["content"]) <= 2000
        assert given["allowed_mentions"] == {"parse": []}
        self.texts[number] = given["content"].replace("\\", "")
        return web.json_response({"id": number})


class FakeWebhook(Service):
    """An address of the user."""

    kind = "webhook"
    routes = (("POST", "/hook", "take"),)

    def settings(self) -> dict[str, Any]:
        return {"kind": "webhook", "url": f"{self.address}/hook", "secret": SECRET}

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.refuse()
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert request.headers["X-OpenCode-Tray-Signature"] == f"sha256={expected}"
        given = json.loads(body)
        assert given["event"] == ("closed" if given["id"] in self.texts else "opened")
        self.texts[given["id"]] = "\n".join((given["title"], given["text"], given["outcome"]))
        return web.Response(status=204)


class FakeSlack(Service):
    """https://docs.slack.dev/apis/events-api/using-socket-mode and https://docs.slack.dev/reference/methods."""

    kind = "slack"
    routes = (("POST", "/api/{method}", "call"), ("GET", "/link/", "link"))

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, dict[str, str]] = {}  # values by label, by the time of the message
        self.said: list[tuple[str, str]] = []  # user and text of what only that user sees
        self.acknowledged: list[str] = []
        self._socket: web.WebSocketResponse | None = None
        self.is_linked = asyncio.Event()

    def settings(self) -> dict[str, Any]:
        tokens = {"token": f"xoxb-{SECRET}", "app_token": f"xapp-{SECRET}"}
        return {"kind": "slack", "server": self.address, "user": "U1", **tokens}

    async def call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        token = "xapp" if method == "apps.connections.open" else "xoxb"
        assert request.headers["Authorization"] == f"Bearer {token}-{SECRET}"
        given = await request.json()
        if method in ("chat.postMessage", "chat.update"):
            self.refuse()
        return web.json_response({"ok": True, **self._result(method, given)})

    def _result(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        match method:
            case "auth.test":
                return {"team": "Acme"}
            case "apps.connections.open":
                return {"url": f"{self.address.replace('http', 'ws')}/link/?ticket=1"}
            case "chat.postMessage" if "thread_ts" in given:
                self.said.append((given["thread_ts"], given["text"]))
                return {"channel": "D1", "ts": "9.9"}
            case "chat.postMessage":
                assert given["channel"] == "U1"
                return self._put(f"{len(self.texts) + 1}.0", given)
            case "chat.update":
                assert given["channel"] == "D1"
                return self._put(given["ts"], given)
            case "chat.postEphemeral":
                self.said.append((given["user"], given["text"]))
                return {}
        return {"ok": False, "error": "unknown_method"}

    def _put(self, ts: str, given: dict[str, Any]) -> dict[str, Any]:
        section, *rest = given["blocks"]
        assert section["text"]["type"] == "plain_text"
        assert 1 <= len(section["text"]["text"]) <= 3000
        elements = rest[0]["elements"] if rest else []
        assert all(len(element["text"]["text"]) <= 75 and len(element["value"]) <= 2000 for element in elements)
        assert len({element["action_id"] for element in elements}) == len(elements)
        self.texts[ts] = section["text"]["text"]
        self.buttons[ts] = {element["text"]["text"]: element["value"] for element in elements}
        return {"channel": "D1", "ts": ts}

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._socket = socket
        await socket.send_json({"type": "hello", "num_connections": 1})
        self.is_linked.set()
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                self.acknowledged.append(frame.json()["envelope_id"])
        return socket

    async def press(self, value: str, user: str = "U1") -> None:
        payload = {
            "type": "block_actions",
            "user": {"id": user, "name": "kim"},
            "channel": {"id": "D1"},
            "actions": [{"action_id": "x", "value": value}],
        }
        await self._send("interactive", payload)

    async def write(self, text: str, ts: str, user: str = "U1") -> None:
        event = {"type": "message", "user": user, "text": text, "thread_ts": ts, "channel": "D1"}
        await self._send("events_api", {"event": event})

    async def _send(self, kind: str, payload: dict[str, Any]) -> None:
        await asyncio.wait_for(self.is_linked.wait(), 10)
        assert self._socket is not None
        number = f"e{len(self.acknowledged)}"
        await self._socket.send_json({"type": kind, "envelope_id": number, "payload": payload})

    async def disconnect(self) -> None:
        """Ask for another connection, as Slack does every few hours."""
        await asyncio.wait_for(self.is_linked.wait(), 10)
        assert self._socket is not None
        self.is_linked.clear()
        await self._socket.send_json({"type": "disconnect", "reason": "refresh_requested"})


class FakeApprise(Service):
    """https://github.com/caronc/apprise/wiki/Notify_Custom_JSON, the service behind an address of Apprise."""

    kind = "apprise"
    routes = (("POST", "/", "take"),)

    def settings(self) -> dict[str, Any]:
        return {"kind": "apprise", "url": f"json://user:{SECRET}@127.0.0.1:{self.port}"}

    async def take(self, request: web.Request) -> web.Response:
        self.refuse()
        self.texts[str(len(self.texts) + 1)] = _title_and_text(await request.json())
        return web.Response()


class FakeMail(Service):
    """An SMTP server (RFC 5321) without encryption."""

    kind = "email"

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[str] = []

    def settings(self) -> dict[str, Any]:
        return {"kind": "email", "host": "127.0.0.1", "port": self.port, "security": "none", "to": "kim@example.org"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def answer(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        answer("220 ready")
        while line := await reader.readline():
            word = line.decode().split(maxsplit=1)[0].upper()
            if word == "DATA":
                answer("354 go on")
                lines = []
                while (part := await reader.readline()) != b".\r\n":
                    lines.append(part.decode())
                self._take("".join(lines))
                answer("250 taken")
            elif word == "MAIL" and self.faults:
                answer(f"{451 if self.faults.pop(0) == 429 else 452} later")
            elif word == "QUIT":
                answer("221 bye")
                break
            else:
                answer("250 fine")
        writer.close()

    def _take(self, mail: str) -> None:
        self.mails.append(mail)
        self.texts[str(len(self.mails))] = mail


SERVICES: tuple[type[Service], ...] = (
    FakeNtfy, FakeGotify, FakePushover, FakeDiscord, FakeWebhook, FakeSlack, FakeMail, FakeApprise,
)  # fmt: skip


@asynccontextmanager
async def running_service(service: Service) -> AsyncIterator[None]:
    """Run a service on a free port."""
    if isinstance(service, FakeMail):
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        service.port = server.sockets[0].getsockname()[1]
        async with server:
            yield
        return
    async with serving(service.application()) as service.port:
        yield


def channel_tables(*channels: Mapping[str, Any]) -> str:
    """Return the settings with these channels."""
    tables = [
        "\n".join(["[[channels]]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())])
        for table in channels
    ]
    return "\n\n".join(tables) + "\n"
