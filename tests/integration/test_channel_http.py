"""Answers of services over a real connection: in parts, refused, redirected, cut, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import ChannelError
from tray.surfaces.channels.listening import keep_listening
from waiting import run


@asynccontextmanager
async def server(*parts: bytes) -> AsyncIterator[str]:
    """Run a server that answers each request with these parts, one after another."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for number, part in enumerate(parts):
            await asyncio.sleep(0.05 if number else 0)
            writer.write(part)
            await writer.drain()
        writer.close()

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/secret-path"


def head(status: str, length: int, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", "")).encode()


async def get(url: str) -> object:
    async with aiohttp.ClientSession() as session:
        return await http.call(session, "GET", url)


def test_an_answer_in_parts_is_read_whole() -> None:
    body = json.dumps({"text": "x" * 50_000}).encode()

    async def test() -> None:
        async with server(head("200 OK", len(body)), body[:10], body[10:30_000], body[30_000:]) as url:
            assert await get(url) == json.loads(body)

    run(test())


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        ("400 Bad", (), (True, False, 0)),
        ("404 Gone", (), (True, False, 0)),
        ("401 No", (), (False, True, 0)),
        ("403 No", (), (False, True, 0)),
        ("302 Elsewhere", ("Location: http://evil.example/",), (False, True, 0)),
        ("429 Wait", ("Retry-After: 7",), (False, False, 7)),
        ("429 Wait", ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",), (False, False, 0)),
        ("500 Bug", (), (False, False, 0)),
    ],
)
def test_a_refusal_says_whether_another_attempt_makes_sense(
    status: str, headers: tuple[str, ...], expected: tuple[bool, bool, float]
) -> None:
    async def test() -> None:
        async with server(head(status, 0, *headers)) as url:
            with pytest.raises(ChannelError) as caught:
                await get(url)
            error = caught.value
            assert (error.is_permanent, error.is_refused, error.retry_after) == expected
            assert "secret" not in str(error)

    run(test())


@pytest.mark.parametrize("url", ["ntfy.example", "http://", "ftp://a/"])
def test_an_address_that_is_none_waits_for_the_user(url: str) -> None:
    async def test() -> None:
        with pytest.raises(ChannelError, match="not valid") as caught:
            await get(url)
        assert caught.value.is_refused

    run(test())


def test_a_cut_connection_is_tried_again() -> None:
    async def test() -> None:
        async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as url:
            with pytest.raises(ChannelError) as caught:
                await get(url)
            assert (caught.value.is_permanent, caught.value.is_refused) == (False, False)

    run(test())


def test_a_service_that_ends_each_connection_at_once_is_not_asked_without_a_pause() -> None:
    attempts = []

    async def listen() -> None:
        attempts.append(1)

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keep_listening("x", listen), 0.5)
        assert len(attempts) == 1

    run(test())
