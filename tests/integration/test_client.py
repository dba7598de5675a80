"""The WebSocket client of the command line, against a real server."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tray.cli.websocket import WebSocket
from tray_process import Home

BIG = "ä" * 2_000_000  # 4 MB
Talk = Callable[[web.WebSocketResponse, web.Request], Any]


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], int]]:
    """Starts a WebSocket server that runs `talk` for each connection; returns its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners: list[web.AppRunner] = []

    async def start(talk: Talk) -> int:
        async def handler(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse(max_msg_size=0, autoping=False)
            await ws.prepare(request)
            await talk(ws, request)
            return ws

        app = web.Application()
        app.router.add_get("/client", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    yield lambda talk: asyncio.run_coroutine_threadsafe(start(talk), loop).result(5)
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_texts_of_every_size_are_sent_and_received(serve: Callable[[Talk], int]) -> None:
    async def echo(ws: web.WebSocketResponse, _: web.Request) -> None:
        async for message in ws:
            await ws.send_str(message.data)

    connection = WebSocket.connect("127.0.0.1", serve(echo), "/client", 5)
    for text in ("", "x", "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536, BIG):
        connection.send(text)
        assert connection.receive(10) == text
    connection.close()


def test_a_fragmented_text_with_a_ping_between_its_frames_is_one_text(serve: Callable[[Talk], int]) -> None:
    pongs: list[bytes] = []

    async def talk(ws: web.WebSocketResponse, request: web.Request) -> None:
        assert request.transport is not None
        request.transport.write(b"\x01\x05hello" + b"\x89\x04ping" + b"\x80\x06 world")
        pongs.append((await ws.receive()).data)

    connection = WebSocket.connect("127.0.0.1", serve(talk), "/client", 5)
    assert connection.receive(5) == "hello world"
    assert connection.receive(5) is None  # the server got its pong and closes
    assert pongs == [b"ping"]
    connection.close()


def test_a_close_ends_the_connection_and_a_binary_frame_is_an_error(serve: Callable[[Talk], int]) -> None:
    async def leave(ws: web.WebSocketResponse, _: web.Request) -> None:
        await ws.close(code=4401, message=b"no")

    async def binary(ws: web.WebSocketResponse, _: web.Request) -> None:
        await ws.send_bytes(b"x")
        assert (await ws.receive()).type is WSMsgType.CLOSE

    connection = WebSocket.connect("127.0.0.1", serve(leave), "/client", 5)
    assert connection.receive(5) is None
    connection.close()
    connection = WebSocket.connect("127.0.0.1", serve(binary), "/client", 5)
    with pytest.raises(ValueError, match="not a text frame"):
        connection.receive(5)
    connection.close()


def test_a_server_that_is_silent_or_no_websocket_is_an_error() -> None:
    for said in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: made up\r\n\r\n", b""):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=_say, args=(server, said))
            thread.start()
            with pytest.raises((ValueError, TimeoutError)):
                WebSocket.connect("127.0.0.1", server.getsockname()[1], "/client", 0.5)
            thread.join(5)


def _say(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(said)
        connection.recv(1)  # until the client leaves


def test_the_token_is_never_sent_even_to_another_program_on_the_port(tmp_path: Path) -> None:
    home = Home(tmp_path)
    received: list[bytes] = []

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            while block := connection.recv(65_536):
                received.append(block)
                if len(received) == 1:
                    key = block.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
                    connection.sendall(_accept(key))
                    connection.sendall(b"\x81\x1b" + b'{"nonce":"00","proof":"00"}')

    with socket.create_server(("127.0.0.1", home.port)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        done = home.run("status", "--port", str(home.port), OPENCODE_MONITOR_TOKEN="the-secret")
        thread.join(5)
    assert (done.returncode, "token" in done.stderr) == (1, True)
    assert len(received) >= 2
    assert b"the-secret" not in b"".join(received)


def _accept(key: bytes) -> bytes:
    from base64 import b64encode  # noqa: PLC0415
    from hashlib import sha1  # noqa: PLC0415

    accepted = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return upgrade + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["status", "--waybar"], ["stop"]])
def test_commands_that_call_the_tray_load_no_heavy_modules(tmp_path: Path, words: list[str]) -> None:
    home = Home(tmp_path)
    home.tray()
    try:
        done = home.run(*words, "--port", str(home.port), PYTHONPROFILEIMPORTTIME="1")
        assert done.returncode == 0, done.stderr
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "tray.cli.client" in loaded
        if sys.platform == "win32":  # psutil asks whether the tray runs: `os.kill` would end it there
            loaded.remove("psutil")
        assert not loaded & {"aiohttp", "asyncio", "msgspec", "PIL", "psutil", "rich", "ssl", "tomllib", "tray.app"}
    finally:
        home.stop()
