"""Send events at a constant rate, and print the time of each one (s of the monotonic clock).

Stays connected until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

from bench import RATE, connect_fleet

SERVERS, SESSIONS = 100, 50
EVENTS = 2_500


async def main(port: int) -> None:
    async with AsyncExitStack() as stack:
        links = await connect_fleet(stack, port, SERVERS, SESSIONS, shake=True)
        await asyncio.sleep(2)  # until the tray has read the snapshots
        sent = []
        begun = time.monotonic()
        for number in range(EVENTS):
            await asyncio.sleep(max(0, begun + number / RATE - time.monotonic()))
            server, session = number % SERVERS, number // SERVERS
            sent.append(time.monotonic())
            await links[server].event("session.status", sessionID=f"ses_{server}_{session}", status={"type": "busy"})
        await asyncio.sleep(1)  # until the last view is shown
        print(json.dumps(sent), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
