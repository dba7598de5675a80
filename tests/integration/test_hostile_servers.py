"""OpenCode servers that attack the tray that follows them: memory is bounded, and other servers are not affected."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import aiohttp
import psutil
import pytest
from aiohttp import web

from fake_opencode import HERE, FakeOpenCode
from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.sessions import Activity
from tray.core.source_calls import CallError
from tray.opencode.api import Api, ServerAddress
from tray.sources.http.servers import HttpServers
from tray.surfaces.channels.channel import ChannelError
from tray.surfaces.channels.http import call
from waiting import until_async as until
from web_server import serving

PASSWORD = "pl4nt-password-of-a-server"

AT = 1_795_237_290_000
EVIL = "/home/dev/evil"
ATTACK_TIME = 0.5  # s
MAX_DELAY = 2.0  # s until an event of another server is shown
MAX_GROWTH = 150e6  # bytes
BLOCK = b"x" * 65_536
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED_HEAD = JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

Parts = Callable[[], Iterator[bytes]]  # of an answer, after which the connection is closed


class HostileServer:
    """A server that gives a prepared answer to one path ("*": to all), and OpenCode's to the others."""

    def __init__(self, path: str, parts: Parts, pause: float = 0) -> None:
        """`pause`: between two parts, in s."""
        self._path = path
        self._parts = parts
        self._pause = pause
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().partition("?")[0]
        if self._path not in (path, "*"):
            writer.write(_usual_answer(path))
            await writer.drain()
            return True
        for part in self._parts():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(self._pause)
        return False


def _usual_answer(path: str) -> bytes:
    match path:
        case "/global/health":
            return answer({"healthy": True, "version": "1.18.33"})
        case "/path":
            return answer({"directory": EVIL})
        case "/global/event":
            return STREAM_HEAD + chunk(b'data: {"payload":{"type":"server.connected","properties":{}}}\n\n')
    return answer([])


def answer(value: Any, *headers: str, body: bytes = b"") -> bytes:
    content = body or json.dumps(value).encode()
    lines = "".join(f"{header}\r\n" for header in (f"content-length: {len(content)}", *headers))
    return JSON_HEAD + lines.encode() + b"\r\n" + content


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def endless(first: bytes, rest: bytes) -> Parts:
    def parts() -> Iterator[bytes]:
        yield first
        while True:
            yield rest

    return parts


def events(make: Callable[[int], bytes], count: int = 200) -> Parts:
    """Return chunks of `count` events without an end, each made from its number."""

    def parts() -> Iterator[bytes]:
        yield STREAM_HEAD
        number = 0
        while True:
            number += count
            yield chunk(b"".join(map(make, range(number, number + count))))

    return parts


def event(kind: str, properties: Any, directory: str = EVIL) -> bytes:
    value = {"directory": directory, "payload": {"type": kind, "properties": properties}}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def session(name: str, directory: str = EVIL) -> dict[str, Any]:
    return {"id": name, "title": name, "directory": directory, "time": {"updated": AT}}


def status(name: str, kind: str = "busy") -> dict[str, Any]:
    return {"sessionID": name, "status": {"type": kind}}


def ask(number: int) -> bytes:
    permission = {"id": f"per_{number}", "sessionID": "ses_1", "permission": "bash", "patterns": ["ls"]}
    return event("permission.asked", {**permission, "metadata": {"command": "x" * 1000}})


class Watch:
    """A fleet that a hostile server and an honest one report to."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.http = HttpServers(self._take, lambda: AT)

    def _take(self, reported: SourceEvent) -> None:
        self.fleet.apply(reported, AT)

    def is_shown(self, name: str) -> bool:
        return any(key.session == name for key in self.fleet.sessions)

    def is_busy(self, name: str, expected: bool) -> bool:
        """Return whether a session is busy, or not, as expected."""
        sessions = [session for key, session in self.fleet.sessions.items() if key.session == name]
        return any((session.activity is Activity.BUSY) is expected for session in sessions)


@asynccontextmanager
async def attacked_by(*attackers: HostileServer, trusted: bool = True) -> AsyncIterator[tuple[Watch, FakeOpenCode]]:
    """Follow the hostile servers and an honest one. Afterwards, the memory and the honest one have to be as before."""
    watch, process = Watch(), psutil.Process()
    async with FakeOpenCode() as honest:
        honest.sessions[HERE] = [session("ses_honest", HERE)]
        before = process.memory_info().rss
        for attacker in attackers:
            await attacker.__aenter__()
        try:
            addresses = [ServerAddress(attacker.url, trusted=trusted) for attacker in attackers]
            watch.http.follow([*addresses, ServerAddress(honest.url)])
            await until(lambda: watch.is_shown("ses_honest"), "the honest server", MAX_DELAY)
            yield watch, honest
            end = time.monotonic() + ATTACK_TIME
            while time.monotonic() < end:
                for kind in ("idle", "busy"):
                    await honest.emit("session.status", status("ses_honest", kind))
                    await until(partial(watch.is_busy, "ses_honest", kind == "busy"), kind, MAX_DELAY)
                assert process.memory_info().rss - before < MAX_GROWTH
                await asyncio.sleep(0.02)
        finally:
            await watch.http.stop()
            for attacker in attackers:
                await attacker.__aexit__()


def run(scenario: Callable[[], Any]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


HEADERS = b"".join(b"x-%d: y\r\n" % number for number in range(1000))
ANSWERS: dict[str, HostileServer] = {
    "endless body": HostileServer("*", endless(JSON_HEAD + b"\r\n", BLOCK)),
    "endless body in chunks": HostileServer("/session", endless(CHUNKED_HEAD, chunk(BLOCK))),
    "endless header": HostileServer("*", endless(JSON_HEAD + b"x: ", BLOCK)),
    "endless headers": HostileServer("*", endless(JSON_HEAD, HEADERS)),
    "endless status line": HostileServer("*", endless(b"HTTP/1.1 200 ", BLOCK)),
    "endless extension of a chunk": HostileServer("*", endless(CHUNKED_HEAD + b"1;", BLOCK), 0.002),
    "endless trailers": HostileServer("*", endless(CHUNKED_HEAD + b"2\r\n{}\r\n0\r\n", HEADERS)),
    "endless interim answers": HostileServer("*", endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), 0.001),
    "slow body": HostileServer("*", endless(JSON_HEAD + b"content-length: 99\r\n\r\n", b"x"), 0.2),
    "slow header": HostileServer("*", endless(JSON_HEAD + b"x: ", b"x"), 0.2),
    "slow stream": HostileServer("/global/event", endless(STREAM_HEAD, b"x"), 0.2),
    "redirect to itself": HostileServer(
        "*", lambda: iter([b"HTTP/1.1 302 Found\r\nlocation: /session\r\ncontent-length: 0\r\n\r\n"])
    ),
    "compressed": HostileServer(
        "*", lambda: iter([answer(None, "content-encoding: gzip", body=gzip.compress(b"[" * 10_000_000))])
    ),
}


def test_servers_with_endless_slow_and_compressed_answers_harm_no_other() -> None:
    async def scenario() -> None:
        async with attacked_by(*ANSWERS.values()) as (watch, _):
            pass
        assert not {key.session for key in watch.fleet.sessions} - {"ses_honest"}

    run(scenario)


STREAMS: dict[str, Parts] = {
    "endless line": endless(STREAM_HEAD + chunk(b"data: "), chunk(BLOCK)),
    "endless event": endless(STREAM_HEAD, chunk(b"data: " + BLOCK + b"\n")),
    "comments": endless(STREAM_HEAD, chunk(b": " + BLOCK + b"\n")),
    "empty lines": endless(STREAM_HEAD, chunk(b"\n" * 65_536)),
    "empty events": endless(STREAM_HEAD, chunk(b"data: {}\n\n" * 6_000)),
    "deep event": endless(STREAM_HEAD, chunk(b'data: {"directory":"/x","payload":' + b"[" * 60_000 + b"\n\n")),
    "wrong UTF-8": endless(STREAM_HEAD, chunk(b'data: {"directory":"\xff\xfe","payload":{"type":"\xc3("}}\n\n' * 500)),
    "states": events(lambda number: event("session.status", status("ses_1", ("busy", "idle")[number % 2]))),
    "sessions": events(lambda number: event("session.updated", {"info": session(f"ses_{number}")})),
    "requests": events(ask),
    "folders": events(lambda number: event("session.status", status("ses_1"), f"/d/{number}")),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_server_that_sends_without_a_pause_delays_no_event_of_another(name: str) -> None:
    async def scenario() -> None:
        async with attacked_by(HostileServer("/global/event", STREAMS[name])):
            pass

    run(scenario)


SNAPSHOTS: dict[str, bytes] = {
    "deep": b"[" * 8_000_000,
    "wrong UTF-8": b'[{"id":"ses_\xff"}]',
    "100,000 sessions": json.dumps([session(f"ses_{number}") for number in range(100_000)]).encode(),
    "ids that are paths": json.dumps([session(name) for name in ("../x", "ses_/../../global", "-rf", "")]).encode(),
    "numbers": b'[{"id":"ses_1","time":{"updated":1e999}},{"id":"ses_2","time":{"updated":' + b"9" * 5000 + b"}}]",
    "another type": b'{"id":"ses_1"}',
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_hostile_list_of_sessions_harms_no_other_server(name: str) -> None:
    async def scenario() -> None:
        attacker = HostileServer("/session", lambda: iter([answer(None, body=SNAPSHOTS[name])]))
        async with attacked_by(attacker) as (watch, _):
            pass
        assert len(watch.fleet.sessions) <= 1001

    run(scenario)


def test_an_error_that_repeats_the_request_shows_no_password() -> None:
    async def repeat(request: web.Request) -> web.Response:
        said = f"{request.headers['Authorization']} is not {PASSWORD}: the password"
        return web.json_response({"name": "Error", "data": {"message": said}}, status=500)

    async def test() -> None:
        application = web.Application()
        application.router.add_get("/session", repeat)
        async with serving(application) as port, aiohttp.ClientSession() as http:
            api = Api(ServerAddress(f"http://127.0.0.1:{port}", password=PASSWORD), http)
            with pytest.raises(CallError) as refused:
                await api.get("/session")
            assert str(refused.value) == "OpenCode refused the request (500): Basic … is not …: the password"

    asyncio.run(test())


def test_a_compressed_answer_to_a_channel_fills_no_memory() -> None:
    """Services of channels, the push services that browsers name, and the package index are called in the same way."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([packer.compress(bytes(10_000_000)) for _ in range(50)]) + packer.flush()

    async def scenario() -> None:
        process = psutil.Process()
        async with HostileServer("*", lambda: iter([answer(None, "content-encoding: gzip", body=bomb)])) as service:
            before = process.memory_info().rss
            async with aiohttp.ClientSession() as http:
                with suppress(ChannelError):
                    await call(http, "POST", service.url, data=b"{}")
            assert process.memory_info().rss - before < 50e6

    run(scenario)
