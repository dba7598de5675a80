"""A relay between a plugin and the tray that spoils WebSocket frames: a bad network, or a proxy with faults."""

from __future__ import annotations

import asyncio
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from contextlib import suppress
from enum import Enum
from typing import Self

from tcp_relay import relaying

TEXT = 1  # the opcode of a text frame
DELAY = 1.0  # s
SWAP_WITHIN = 0.3  # s that a frame waits for the next one, to be sent after it
LOOK = 0.01  # s between two looks whether a stall is over


class Fault(Enum):
    """What is done to text frames."""

    STALL = "keep everything back"
    CUT = "close the connection in the middle of a frame"
    DELAY = "send each frame later"
    SWAP = "send a frame after the next one"
    DUPLICATE = "send each frame twice"
    CORRUPT = "change the first byte of the payload"
    CORRUPT_LENGTH = "change the length of the frame"


class Direction:
    """What goes in one direction. `fault` may be set from any thread; None: everything passes."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.spoiled: Counter[Fault] = Counter()

    async def copy(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(await reader.readuntil(b"\r\n\r\n"))  # the request for the WebSocket, or its answer
            frames = _Frames(reader)
            while True:
                frame = await frames.read()
                while self.fault is Fault.STALL:
                    self.spoiled[Fault.STALL] += 1
                    await asyncio.sleep(LOOK)
                if not await self._pass(frame, frames, writer):
                    return
                await writer.drain()
        writer.close()

    async def _pass(self, frame: bytes, frames: _Frames, writer: StreamWriter) -> bool:
        """Write a frame; return whether the connection goes on."""
        fault = self.fault if frame[0] & 0x0F == TEXT else None
        if fault is not None:
            self.spoiled[fault] += 1
        match fault:
            case Fault.CUT:
                self.fault = None
                writer.write(frame[: len(frame) // 2])
                await writer.drain()
                writer.transport.abort()
                return False
            case Fault.DELAY:
                await asyncio.sleep(DELAY)
            case Fault.SWAP:
                frame = await frames.read_within(SWAP_WITHIN) + frame
            case Fault.DUPLICATE:
                frame *= 2
            case Fault.CORRUPT:
                frame = _flipped(frame, len(frame) - _length(frame))
            case Fault.CORRUPT_LENGTH:
                frame = _flipped(frame, 1)
        writer.write(frame)
        return True


class FaultyRelay:
    """Passes connections on to a port of the loopback, in a thread. A context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.forth, self.back = Direction(), Direction()  # what the client sends, and what it receives
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._open = relaying(port, forth=self.forth.copy, back=self.back.copy)

    def spoil(self, fault: Fault | None) -> None:
        """Set the fault of both directions."""
        self.forth.fault = self.back.fault = fault

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._open.__aenter__(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._open.__aexit__(None, None, None), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class _Frames:
    """Reads whole frames."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._reading: asyncio.Task[bytes] | None = None

    async def read(self) -> bytes:
        """Return the next frame. Raises IncompleteReadError at the end."""
        reading, self._reading = self._reading, None
        return await (reading or _frame(self._reader))

    async def read_within(self, seconds: float) -> bytes:
        """Return the next frame if it comes within this time, else b""."""
        self._reading = asyncio.create_task(_frame(self._reader))
        await asyncio.wait({self._reading}, timeout=seconds)
        return await self.read() if self._reading.done() else b""


async def _frame(reader: StreamReader) -> bytes:
    """Read a whole frame, with its header. Raises IncompleteReadError at the end."""
    head = await reader.readexactly(2)
    more = {126: 2, 127: 8}.get(head[1] & 0x7F, 0) + (4 if head[1] & 0x80 else 0)
    head += await reader.readexactly(more)
    return head + await reader.readexactly(_length(head))


def _length(frame: bytes) -> int:
    """Return the length of the payload of a frame, by its header."""
    short = frame[1] & 0x7F
    form = {126: "!H", 127: "!Q"}.get(short)
    return short if form is None else int(struct.unpack_from(form, frame, 2)[0])


def _flipped(frame: bytes, position: int) -> bytes:
    return frame[:position] + bytes([frame[position] ^ 0x01]) + frame[position + 1 :]
