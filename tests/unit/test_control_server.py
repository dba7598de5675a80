"""The control API when a client disconnects while a frame is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientConnectionError, WSMessage, WSMsgType

from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.control.server import ControlServer


class LostSocket:
    """The socket of a client that sends one call and disconnects: aiohttp reports that while it sends."""

    closed = False

    def __init__(self, call: str) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        yield WSMessage(WSMsgType.TEXT, self._call, None)

    async def send_str(self, _: str) -> None:
        raise ClientConnectionError("Connection lost")


def test_a_client_that_disconnects_while_a_frame_is_sent_is_no_error() -> None:
    async def test() -> None:
        fleet = Fleet()
        index = SessionIndex(fleet)
        server = ControlServer(fleet, index, ControlMethods(fleet, index, _execute), lambda: 0)
        client: Any = LostSocket('{"id": 1, "method": "status"}')
        await server.serve(client)

    asyncio.run(test())


async def _execute(*_: object) -> Any:
    raise NotImplementedError
