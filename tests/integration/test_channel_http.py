"""Answers of services over a real connection: in parts, refused, redirected, cut, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tray.surfaces.channels import http, listening
from tray.surfaces.channels.channel import ChannelError
from tray.surfaces.channels.kinds import ntfy, telegram
from tray.surfaces.channels.listening import keep_listening
from tray.system.tasks import TaskSet
from waiting import run, until_async


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


def test_an_answer_may_ask_to_wait_for_longer_than_a_number_can_say() -> None:
    body = b'{"retry_after": 1' + b"0" * 400 + b"}"

    async def test() -> None:
        async with server(head("429 Wait", len(body)), body) as url:
            with pytest.raises(ChannelError) as caught:
                await get(url)
            assert caught.value.status == 429

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

    async def listen(_: TaskSet) -> None:
        attempts.append(1)

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(keep_listening("x", listen), 0.5)
        assert len(attempts) == 1

    run(test())


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_RETRY", 0.0)
    monkeypatch.setattr(listening, "MIN_INTERVAL", 0.0)
    monkeypatch.setattr(listening, "STABLE_AFTER", 0.05)


@pytest.mark.usefixtures("quick_retries")
def test_only_failures_of_short_connections_in_a_row_are_a_problem() -> None:
    lengths = [0, 0, 0, 0, 0.1, 0, 0, 0, 0]

    async def listen(_: TaskSet) -> None:
        await asyncio.sleep(lengths.pop(0))
        raise ChannelError("lost")

    async def test() -> None:
        with pytest.raises(ChannelError, match="lost"):
            await keep_listening("x", listen)
        assert lengths == []

    run(test())


def test_an_attempt_without_an_answer_is_not_taken_for_a_connection() -> None:
    longest = ntfy.STREAM_TIMEOUT.sock_read, telegram.POLL_CLIENT_TIMEOUT.total, http.TIMEOUT.total
    assert max(filter(None, longest)) < listening.STABLE_AFTER


@pytest.mark.usefixtures("quick_retries")
def test_an_answer_is_handled_while_there_is_no_connection_and_ends_with_the_channel() -> None:
    handled: list[str] = []
    rest = asyncio.Event()

    async def handle() -> None:
        try:
            await rest.wait()
            handled.append("handled")
            await asyncio.sleep(3600)
        finally:
            handled.append("cancelled")

    async def listen(handling: TaskSet) -> None:
        if not rest.is_set():
            handling.spawn(handle(), "answer")
            await asyncio.sleep(0)  # the connection ends now
            rest.set()

    async def test() -> None:
        running = asyncio.create_task(keep_listening("x", listen))
        await until_async(lambda: handled)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await until_async(lambda: handled == ["handled", "cancelled"])

    run(test())
