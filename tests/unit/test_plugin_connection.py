"""Calls over a connection whose socket does not accept data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientConnectionError

from replay import SERVER
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.plugin.connection import PluginConnection


class BlockedSocket:
    """The socket of a plugin that does not read: `send_str` waits until the connection is lost."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send_str(self, _: str) -> None:
        await self.lost


def call(socket: Any, timeout: float) -> Any:
    connection = PluginConnection(SERVER, socket, lambda _: None, lambda: 0, lambda: None)
    return asyncio.wait_for(connection.call("session.todo", {}, timeout), 5)


def test_the_timeout_of_a_call_includes_sending() -> None:
    async def test() -> None:
        with pytest.raises(CallError) as failed:
            await call(BlockedSocket(), 0.05)
        assert failed.value.kind is CallErrorKind.SILENT

    asyncio.run(test())


def test_a_connection_lost_while_a_call_is_sent_is_a_call_error() -> None:
    async def test() -> None:
        socket = BlockedSocket()
        asyncio.get_running_loop().call_soon(socket.lost.set_exception, ClientConnectionError("Connection lost"))
        with pytest.raises(CallError) as failed:
            await call(socket, 1)
        assert failed.value.kind is CallErrorKind.GONE

    asyncio.run(test())
