"""The socket for the hooks of agents, called by the command that is installed."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tray.agents.hook_command import hook_command, python_hook_command
from tray.sources.agents import hook_server
from tray.sources.agents.hook_server import MAX_OPEN, HookCall, HookServer
from waiting import run, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hook socket yet")

ANSWER = b'{"decision": "allow"}'


class Calls:
    """Records the calls of an agent; each gets the same answer, or waits for it."""

    def __init__(self) -> None:
        self.received: list[HookCall] = []
        self.cancelled = 0
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handle(self, call: HookCall) -> bytes:
        self.received.append(call)
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Calls]:
    calls = Calls()
    server = HookServer(path, {"/hook/claude": calls.handle})
    await server.start()
    try:
        yield calls
    finally:
        await server.stop()


@pytest.fixture
def path(socket_folder: Path) -> Path:
    return socket_folder / "it's a folder" / "socket"


async def run_hook(path: Path, payload: bytes = b"{}", agent: str = "claude", limit: int = 1) -> tuple[int, bytes]:
    """Run the installed command as an agent does; return its exit code and all of its output."""
    return await run_command(hook_command(agent, str(path), limit), payload)


async def run_command(command: str, payload: bytes) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_shell(
        command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(payload)
    assert process.returncode is not None
    return process.returncode, output


def test_a_hook_reports_its_agent_and_prints_the_answer(path: Path):
    async def test() -> None:
        async with serving(path) as calls:
            calls.answer.set_result(ANSWER)
            payload = '{"text": "ö\n"}'.encode() * 50_000
            assert await run_hook(path, payload) == (0, ANSWER)
            assert calls.received == [HookCall(os.getpid(), payload)]

    run(test())


def test_a_hook_without_curl_does_the_same(path: Path):
    async def test() -> None:
        command = python_hook_command("claude", str(path), 5, sys.executable)
        async with serving(path) as calls:
            calls.answer.set_result(ANSWER)
            assert await run_command(command, b"{}" * 100_000) == (0, ANSWER)
            assert calls.received == [HookCall(os.getpid(), b"{}" * 100_000)]
        assert await run_command(command, b"{}") == (0, b"")

    run(test())


def test_a_hook_without_a_decision_prints_nothing(path: Path):
    async def test() -> None:
        async with serving(path) as calls:
            calls.answer.set_result(b"")
            assert await run_hook(path) == (0, b"")

    run(test())


@pytest.mark.fault
def test_a_hook_is_silent_whatever_is_wrong_with_the_tray(path: Path):
    async def test() -> None:
        assert await run_hook(path) == (0, b"")  # no tray has run
        async with serving(path) as calls:
            assert await run_hook(path) == (0, b"")  # it does not answer in time
            assert await run_hook(path, agent="unknown") == (0, b"")
            calls.answer.set_exception(RuntimeError("a fault"))
            assert await run_hook(path) == (0, b"")
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
        assert await run_hook(path) == (0, b"")  # the tray was killed

    run(test())


@pytest.mark.fault
def test_a_hung_tray_holds_no_hook(path: Path):
    async def test() -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(str(path))
            hung.listen()
            begun = time.monotonic()
            commands = (
                hook_command("claude", str(path), 60),
                python_hook_command("claude", str(path), 60, sys.executable),
            )
            assert await asyncio.gather(*(run_command(each, b"{}") for each in commands)) == [(0, b"")] * 2
            assert time.monotonic() - begun < 10

    run(test())


def test_the_socket_of_a_killed_tray_is_replaced(path: Path):
    async def test() -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
        async with serving(path) as calls:
            calls.answer.set_result(ANSWER)
            assert await run_hook(path) == (0, ANSWER)

    run(test())


def test_the_socket_of_another_tray_is_left_alone(path: Path):
    async def test() -> None:
        async with serving(path) as calls:
            calls.answer.set_result(ANSWER)
            second = HookServer(path, {})
            with pytest.raises(OSError, match="another tray"):
                await second.start()
            await second.stop()
            assert await run_hook(path) == (0, ANSWER)

    run(test())


def test_only_the_user_can_reach_the_socket(path: Path):
    async def test() -> None:
        async with serving(path):
            assert path.parent.stat().st_mode & 0o777 == 0o700

    run(test())


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path):
    async def test() -> None:
        with pytest.raises(OSError, match="too long"):
            await HookServer(tmp_path / ("a" * 120) / "socket", {}).start()

    run(test())


def test_a_killed_hook_cancels_its_handler(path: Path):
    async def test() -> None:
        async with serving(path) as calls:
            hook = asyncio.create_task(run_hook(path, limit=60))
            await until_async(lambda: calls.received, "the hook")
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
                waiting = asyncio.create_task(client.post("http://tray/hook/claude", data=b"{}"))
                await until_async(lambda: len(calls.received) == 2, "the second hook")
                waiting.cancel()
                await until_async(lambda: calls.cancelled == 1, "the cancellation")
            calls.answer.set_result(ANSWER)
            assert await hook == (0, ANSWER)

    run(test())


def test_more_hooks_than_the_limit_are_released_at_once(path: Path):
    async def test() -> None:
        async with (
            serving(path) as calls,
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=0)) as client,
        ):
            posts = [asyncio.create_task(client.post("http://tray/hook/claude", data=b"{}")) for _ in range(MAX_OPEN)]
            await until_async(lambda: len(calls.received) == MAX_OPEN, "the hooks")
            begun = time.monotonic()
            response = await client.post("http://tray/hook/claude", data=b"{}")
            assert (response.status, time.monotonic() - begun < 1) == (204, True)
            calls.answer.set_result(b"")
            assert {(await post).status for post in posts} == {204}

    run(test())


def test_a_body_that_is_too_large_is_refused(path: Path):
    async def test() -> None:
        async with serving(path) as calls:
            assert (await run_hook(path, b"x" * 9_000_000, limit=5))[0] == 0
            assert calls.received == []

    run(test())


def test_callers_that_stop_in_the_middle_of_a_payload_block_no_others(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hook_server, "BODY_TIMEOUT", 0.2)

    async def test() -> None:
        async with serving(path) as calls:
            calls.answer.set_result(ANSWER)
            stalled = [await asyncio.open_unix_connection(path) for _ in range(MAX_OPEN)]
            for _, writer in stalled:
                writer.write(b"POST /hook/claude HTTP/1.1\r\nHost: tray\r\nContent-Length: 100\r\n\r\n{")
            for reader, writer in stalled:
                assert b" 204 " not in await reader.readline()  # refused, or closed
                writer.close()
            assert await run_hook(path) == (0, ANSWER)
            assert len(calls.received) == 1

    run(test())
