"""One authenticated connection of a plugin: frames in, calls out, and the rules for frames that are wrong."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec
from aiohttp import WebSocketError, WSMsgType, web

from tray.core.events import InstanceDisposed, ServerLost, SourceEvent
from tray.core.model import Server
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.text import shorten
from tray.opencode.lenient_json import JSON_ERRORS, replace_lone_surrogates
from tray.sources.protocol.events import ABSENT, FrameError, decode_event
from tray.sources.protocol.snapshot import decode_snapshot

log = logging.getLogger(__name__)

CALL_TIMEOUT = 30.0  # s that a call may take (opencode-monitor's)
MAX_BAD_FRAMES = 100  # within BAD_FRAME_WINDOW; then the link is closed
BAD_FRAME_WINDOW = 60.0  # s
MAX_HELD = 5_000  # events held back while a snapshot is read
FORGOTTEN_CALLS = 100  # calls that timed out and may still be answered


class Close(IntEnum):
    """Why a connection is closed (plugin/PROTOCOL.md, "How the tray refuses")."""

    GOING_AWAY = 1001
    NO_BINARY = 1003
    UNAUTHORIZED_1 = 1008
    TOO_BIG = 1009
    OUT_OF_ORDER = 4400
    UNAUTHORIZED = 4401
    UNASKED_ANSWER = 4402
    TOO_LATE = 4408
    REPLACED = 4409
    TOO_MANY_BAD_FRAMES = 4429


class Refused(Exception):  # noqa: N818  # what happened, not what kind of thing it is
    """This connection ends now, with this code and this reason."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


_WHY = {
    -32601: CallErrorKind.UNSUPPORTED,
    -32001: CallErrorKind.NOT_FOUND,
    -32002: CallErrorKind.UNSUPPORTED,
}  # plugin/PROTOCOL.md, "Calls"
_TOLD = {
    CallErrorKind.NOT_FOUND: "OpenCode does not know it any more",
    CallErrorKind.UNSUPPORTED: "this OpenCode, or the plugin in it, cannot do that",
    CallErrorKind.REFUSED: "OpenCode said no",
}


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    status: int = 0


class _Frame(msgspec.Struct):
    type: str = ""
    event: msgspec.Raw = ABSENT
    id: int | None = None
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


_frame = msgspec.json.Decoder(_Frame)


class PluginConnection:
    """Owned by the socket's own task; ends when `serve` returns."""

    def __init__(
        self,
        server: Server,
        socket: web.WebSocketResponse,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        *,
        seed: bool = False,
    ) -> None:
        self.server = server
        self.seed = seed  # opencode-monitor's own plugin: protocol 1
        self.goodbye = False
        self.replaced = False
        self._socket = socket
        self._report = report
        self._now = now
        self._calls: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._late: deque[int] = deque(maxlen=FORGOTTEN_CALLS)
        self._next_call = 0
        self._bad: deque[float] = deque(maxlen=MAX_BAD_FRAMES)
        self._held: list[SourceEvent] | None = None
        self._holds = 0

    async def serve(self) -> None:
        """Take frames until the socket closes. Raises Refused for what the protocol forbids."""
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._take(message.data.encode())
                elif message.type is WSMsgType.BINARY:
                    raise Refused(Close.NO_BINARY, "binary frames are not spoken here")
                elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
                    raise Refused(Close.TOO_BIG, f"no frame of ours: {message.data}")
        finally:
            for call in self._calls.values():
                if not call.done():
                    call.set_exception(CallError("the connection was lost", CallErrorKind.GONE))

    async def call(
        self, method: str, params: dict[str, Any] | None = None, timeout: float = CALL_TIMEOUT
    ) -> msgspec.Raw:
        """Call the plugin and return the result's JSON. Raises CallError."""
        self._next_call += 1
        number = self._next_call
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        frame = {"id": number, "method": method} | ({} if params is None else {"params": params})
        try:
            await self._socket.send_str(msgspec.json.encode(frame).decode())
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise CallError(f"no answer in {timeout:g} s", CallErrorKind.SILENT) from None
        except ConnectionError:
            raise CallError("the connection was lost", CallErrorKind.GONE) from None
        finally:
            del self._calls[number]
            if not answer.done() or answer.cancelled():
                self._late.append(number)  # nobody waits for it any more, and it may still come

    async def close(self, code: Close, reason: str) -> None:
        """Close the socket; `serve` then returns."""
        await self._socket.close(code=code, message=reason.encode()[:120])

    def hold(self) -> None:
        """Keep events back until `release`, so that a snapshot under way cannot overtake them."""
        self._holds += 1
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Report what was held back, in order, once everybody who held it has let go."""
        self._holds -= 1
        if self._holds:
            return
        held, self._held = self._held or [], None
        for event in held:
            self._report(event)

    # ------------------------------------------------------------------ frames

    def _take(self, raw: bytes) -> None:
        try:
            self._read(raw)
        except (FrameError, *JSON_ERRORS) as error:
            whole = replace_lone_surrogates(raw)
            if whole == raw:
                self._bad_frame(str(error))
            else:
                self._take(whole)

    def _read(self, raw: bytes) -> None:
        """Take a frame. Raises FrameError, or what msgspec raises."""
        if raw.startswith(b"["):
            self._happened(raw)
            return
        frame = _frame.decode(raw)
        if frame.type == "event" and frame.event is not ABSENT:
            self._happened(frame.event)
        elif frame.type == "snapshot" and not self.seed:
            self._event(decode_snapshot(self.server.id, raw, self._now()))
        elif frame.type == "goodbye":
            self.goodbye = True
        elif not frame.type and frame.id is not None:
            self._answered(frame.id, frame)
        else:
            raise FrameError(f"unknown frame type {frame.type[:40]!r}")

    def _happened(self, raw: bytes | msgspec.Raw) -> None:
        for event in decode_event(self.server.id, raw, self._now()):
            self._event(event)

    def _event(self, event: SourceEvent) -> None:
        if isinstance(event, InstanceDisposed) and self.seed:
            self.goodbye = True  # opencode-monitor's plugin says no other goodbye when its directory is unloaded
        if self._held is None:
            self._report(event)
        elif len(self._held) < MAX_HELD:
            self._held.append(event)

    def _answered(self, number: int, frame: _Frame) -> None:
        call = self._calls.get(number)
        if call is None:
            if number in self._late:
                return
            raise Refused(Close.UNASKED_ANSWER, f"an answer to call {number}, which was never made")
        if call.done():
            return
        if frame.error is not ABSENT:
            call.set_exception(_failure(frame.error))
        else:
            call.set_result(msgspec.Raw(b"null") if frame.result is ABSENT else frame.result)

    def _bad_frame(self, why: str) -> None:
        at = asyncio.get_running_loop().time()
        why = "…" + why.rpartition(" - at ")[2][:200]  # where, and not what: it may be somebody's text
        log.debug("%s: frame dropped: %s", self.server.name, why)
        full = len(self._bad) == MAX_BAD_FRAMES
        if full and at - self._bad[0] < BAD_FRAME_WINDOW:
            raise Refused(Close.TOO_MANY_BAD_FRAMES, f"{MAX_BAD_FRAMES} bad frames in a minute, the last: {why}")
        self._bad.append(at)


def decode_answer(raw: msgspec.Raw) -> Any:
    """The plain JSON values of an answer. Raises CallError for what is none."""
    try:
        return msgspec.json.decode(raw)
    except JSON_ERRORS as error:
        raise CallError("the answer could not be read") from error


def _failure(raw: msgspec.Raw) -> CallError:
    try:
        error = msgspec.json.decode(raw, type=_Error)
    except JSON_ERRORS:
        error = _Error()
    why = _WHY.get(error.code, CallErrorKind.REFUSED)
    more = f" ({error.status})" if error.status else f": {shorten(error.message, 80)}" if error.message else ""
    return CallError(f"{_TOLD[why]}{more}", why)


def lost(link: PluginConnection) -> ServerLost:
    """What the end of a link says of its server."""
    return ServerLost(link.server.id, goodbye=link.goodbye)
