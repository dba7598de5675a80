"""One authenticated connection of a plugin: it receives frames, sends calls, and ends after too many bad frames."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import ClientConnectionError, WebSocketError, WSMsgType, web

from tray.core.events import InstanceDisposed, SourceEvent
from tray.core.lenient_json import JSON_ERRORS, replace_lone_surrogates
from tray.core.servers import Server
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.text import shorten
from tray.opencode.turn import Turn
from tray.sources.plugin.close_codes import CloseCode, RejectedError, encode_reason
from tray.sources.protocol.events import ABSENT, FrameError, decode_numbered_event
from tray.sources.protocol.snapshot import decode_snapshot

log = logging.getLogger(__name__)

CALL_TIMEOUT = 30.0  # s (the value of opencode-monitor)
MAX_BAD_FRAMES = 100  # within BAD_FRAME_WINDOW; one more closes the connection
BAD_FRAME_WINDOW = 60.0  # s
MAX_HELD = 5_000  # events held back while a snapshot is read
MAX_ABANDONED = 100  # calls without a waiting caller whose results may still arrive

_KINDS = {
    -32601: CallErrorKind.UNSUPPORTED,
    -32001: CallErrorKind.NOT_FOUND,
    -32002: CallErrorKind.UNSUPPORTED,
}  # plugin/PROTOCOL.md, "Calls"
_MESSAGES = {
    CallErrorKind.NOT_FOUND: "OpenCode no longer has this session or request",
    CallErrorKind.UNSUPPORTED: "this version of OpenCode or of its plugin cannot do that",
    CallErrorKind.REFUSED: "OpenCode refused the request",
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
    number: int = 0


_frame = msgspec.json.Decoder(_Frame)


class PluginConnection:
    """A connection that is served by the task of its socket. It ends when `serve` returns.

    `report` is called with each event, `now` returns the time in ms since the Unix epoch. `on_loss` is called when a
    frame was lost, doubled or changed on the way: only a new snapshot shows what is true then.
    """

    def __init__(
        self,
        server: Server,
        socket: web.WebSocketResponse,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        on_loss: Callable[[], None],
        *,
        is_opencode_monitor: bool = False,
    ) -> None:
        self.server = server
        self.is_opencode_monitor = is_opencode_monitor  # opencode-monitor's plugin, protocol 1
        self.goodbye = False  # whether the plugin announced the end
        self.replaced = False  # by a newer connection of the same instance
        self._socket = socket
        self._report = report
        self._now = now
        self._on_loss = on_loss
        self._last_number = 0  # of the frames that are numbered
        self._calls: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._abandoned: deque[int] = deque(maxlen=MAX_ABANDONED)
        self._last_call = 0
        self._bad_frames: deque[float] = deque(maxlen=MAX_BAD_FRAMES)  # times, in s of the loop's clock
        self._held: list[SourceEvent] | None = None
        self._holds = 0

    async def serve(self) -> None:
        """Receive frames until the socket is closed. Raises RejectedError for what the protocol forbids."""
        try:
            turn = Turn()  # a read may bring thousands of frames
            async for message in self._socket:
                await turn.give_way()
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data.encode())
                elif message.type is WSMsgType.BINARY:
                    raise RejectedError(CloseCode.NO_BINARY, "binary frames are not supported")
                elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
                    raise RejectedError(CloseCode.TOO_BIG, f"invalid frame: {message.data}")
        finally:
            for result in self._calls.values():
                if not result.done():
                    result.set_exception(CallError("the connection was lost", CallErrorKind.GONE))

    async def call(
        self, method: str, params: dict[str, Any] | None = None, timeout: float = CALL_TIMEOUT
    ) -> msgspec.Raw:
        """Call the plugin and return the JSON of the result. Raises CallError. `timeout` is in seconds."""
        self._last_call += 1
        call_id = self._last_call
        result: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._calls[call_id] = result
        frame = {"id": call_id, "method": method} | ({} if params is None else {"params": params})
        try:
            async with asyncio.timeout(timeout):
                await self._socket.send_str(msgspec.json.encode(frame).decode())
                return await result
        except TimeoutError:
            raise CallError(f"no answer in {timeout:g} s", CallErrorKind.SILENT) from None
        except (ConnectionError, ClientConnectionError):  # the latter if it is lost while `send_str` waits
            raise CallError("the connection was lost", CallErrorKind.GONE) from None
        finally:
            del self._calls[call_id]
            if not result.done() or result.cancelled():
                self._abandoned.append(call_id)

    async def close(self, code: CloseCode, reason: str) -> None:
        """Close the socket; `serve` then returns."""
        await self._socket.close(code=code, message=encode_reason(reason))

    def hold(self) -> None:
        """Hold events back until `release`, so that a snapshot that is being read does not overwrite newer events."""
        self._holds += 1
        if self._held is None:
            self._held = []

    def release(self) -> bool:
        """End one `hold`. The last one reports the events that were held back, in order.

        Return False if there were more than MAX_HELD, so that the newest events were dropped.
        """
        self._holds -= 1
        if self._holds:
            return True
        held, self._held = self._held or [], None
        for event in held[:MAX_HELD]:
            self._report(event)
        return len(held) <= MAX_HELD

    # ------------------------------------------------------------------ frames

    def _receive(self, raw: bytes) -> None:
        """Decode a frame, again without lone surrogates if it is invalid, and count it as bad if that fails too."""
        try:
            self._decode(raw)
        except (FrameError, *JSON_ERRORS) as error:
            cleaned = replace_lone_surrogates(raw)
            if cleaned == raw:
                self._count_bad_frame(str(error))
                self._on_loss()
            else:
                self._receive(cleaned)

    def _decode(self, raw: bytes) -> None:
        """Decode a frame and take what it contains. Raises FrameError or one of JSON_ERRORS."""
        if raw.startswith(b"["):
            self._decode_event(raw)
            return
        frame = _frame.decode(raw)
        if frame.type == "event" and frame.event is not ABSENT:
            self._decode_event(frame.event)
        elif frame.type == "snapshot" and not self.is_opencode_monitor:
            self._check_number(frame.number)
            self._take(decode_snapshot(self.server.id, raw, self._now()))
        elif frame.type == "goodbye":
            self.goodbye = True
        elif not frame.type and frame.id is not None:
            self._take_result(frame.id, frame)
        else:
            raise FrameError(f"unknown frame type {frame.type[:40]!r}")

    def _decode_event(self, raw: bytes | msgspec.Raw) -> None:
        number, events = decode_numbered_event(self.server.id, raw, self._now())
        self._check_number(number)
        for event in events:
            self._take(event)

    def _check_number(self, number: int) -> None:
        """Take the number of a frame: plugins number what they send without a gap, if they do at all."""
        if number:
            expected, self._last_number = self._last_number + 1, number
            if number != expected:
                self._on_loss()

    def _take(self, event: SourceEvent) -> None:
        """Report an event, or hold it back."""
        if isinstance(event, InstanceDisposed) and self.is_opencode_monitor:
            self.goodbye = True  # opencode-monitor's plugin sends no goodbye when its directory is unloaded
        if self._held is None:
            self._report(event)
        elif len(self._held) <= MAX_HELD:  # one more shows that events were dropped
            self._held.append(event)

    def _take_result(self, call_id: int, frame: _Frame) -> None:
        result = self._calls.get(call_id)
        if result is None:
            if call_id in self._abandoned:
                return
            raise RejectedError(CloseCode.UNEXPECTED_RESULT, f"an answer to call {call_id}, which was not made")
        if result.done():
            return
        if frame.error is not ABSENT:
            result.set_exception(_call_error(frame.error))
        else:
            result.set_result(msgspec.Raw(b"null") if frame.result is ABSENT else frame.result)

    def _count_bad_frame(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        reason = "…" + reason.rpartition(" - at ")[2][:200]  # the place only: the message may quote the user's text
        log.debug("%s: frame dropped: %s", self.server.name, reason)
        is_full = len(self._bad_frames) == MAX_BAD_FRAMES
        if is_full and now - self._bad_frames[0] < BAD_FRAME_WINDOW:
            message = f"{MAX_BAD_FRAMES} bad frames in a minute, the last: {reason}"
            raise RejectedError(CloseCode.TOO_MANY_BAD_FRAMES, message)
        self._bad_frames.append(now)


def decode_result(raw: msgspec.Raw) -> Any:
    """Return the plain JSON values of a result. Raises CallError if it is not valid JSON."""
    try:
        return msgspec.json.decode(raw)
    except JSON_ERRORS as error:
        raise CallError("the answer could not be read") from error


def _call_error(raw: msgspec.Raw) -> CallError:
    try:
        error = msgspec.json.decode(raw, type=_Error)
    except JSON_ERRORS:
        error = _Error()
    kind = _KINDS.get(error.code, CallErrorKind.REFUSED)
    detail = f" ({error.status})" if error.status else f": {shorten(error.message, 80)}" if error.message else ""
    return CallError(f"{_MESSAGES[kind]}{detail}", kind)
