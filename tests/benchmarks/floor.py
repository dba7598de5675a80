"""The baseline of the benchmarks: a WebSocket server of aiohttp that decodes JSON frames and discards them."""

from __future__ import annotations

import asyncio
import json
import sys

from aiohttp import WSMsgType, web

PING_EVERY = 20.0  # s, as in the tray


async def _receive(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=PING_EVERY, compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            json.loads(message.data)
    return socket


async def main(port: int) -> None:
    application = web.Application()
    application.router.add_get("/", _receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("listens on", port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
