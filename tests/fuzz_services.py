"""Random answers of services: of those of channels, of OpenCode's HTTP server, and of machines on the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import msgspec

from fuzz import IDS, Inputs
from fuzz_fleet import FuzzedFleet
from tray.core.alerts import Reason
from tray.core.answer_codes import CodedAnswer
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.sources.protocol.digest import _ListedMessage
from tray.sources.protocol.requests import PermissionInfo, QuestionInfo
from tray.sources.protocol.schema import SessionInfo, StatusInfo, TodoInfo
from tray.sources.protocol.snapshot import _Providers
from tray.sources.protocol.snapshot_reader import read_limits, take_snapshot
from tray.surfaces.channels.channel import ChannelContext, ChannelError, ChannelMessage, Pressed
from tray.surfaces.channels.kinds import discord, gotify, ntfy, pushover, slack, telegram
from tray.system.tasks import TaskSet

AT = 1_790_000_000_000  # ms since the Unix epoch
BATCH = 20  # inputs for one event loop
OWNER = "7"  # the paired user
Feed = Callable[[], None]


class _EndedError(Exception):
    """A service has given all its answers."""


class _Answers:
    """In place of aiohttp's session: each request gets the next answer."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self.prepared: list[Any] = []

    @asynccontextmanager
    async def request(self, method: str, url: str, **options: Any) -> AsyncIterator[Any]:
        if not self.prepared:
            raise _EndedError
        raw = self._inputs.json(self.prepared.pop(0))
        status = self._inputs.random.choice((200, 200, 200, 200, 400, 429, 500, 302))
        headers = {"Retry-After": self._inputs.random.choice(("7", "-1", "nan", "inf", "1e999", "Wed, 21 Oct 2026"))}
        yield SimpleNamespace(status=status, headers=headers if status == 429 else {}, content=_Body(raw))

    def get(self, url: str, **options: Any) -> Any:
        return self.request("GET", url, **options)


class _Body:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._raw

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self.iter_any())


_LISTEN: Mapping[Any, Any] = {telegram.Telegram: telegram.Telegram._poll, ntfy.Ntfy: ntfy.Ntfy._read}  # noqa: SLF001
_MESSAGE = ChannelMessage(
    "ses_1", "m", Reason.PERMISSION, "Title", "text", (CodedAnswer("Once", "a:1"), CodedAnswer("No", "b:1")), "c:1"
)


def channels(seed: int) -> Feed:
    """The answers of the services of channels: a message is sent or not, a press is passed on or not."""
    inputs = Inputs(seed)
    kinds: tuple[tuple[Any, dict[str, str]], ...] = (
        (telegram.Telegram, {"token": "1:a", "chat": OWNER}), (ntfy.Ntfy, {"topic": "t"}),
        (slack.Slack, {"token": "xoxb-1", "user": OWNER}), (gotify.Gotify, {"server": "http://h", "token": "t"}),
        (discord.Discord, {"url": "http://h/webhooks/1/a"}), (pushover.Pushover, {"token": "t", "user": "u"}),
    )  # fmt: skip
    waiting: list[tuple[Any, dict[str, str]]] = []

    def update() -> dict[str, Any]:
        sender = {"id": inputs.random.choice((OWNER, 7, inputs.anything(1))), "username": inputs.anything(1)}
        message = {"from": sender, "chat": sender, "text": inputs.random.choice(("/start x", "hi", inputs.anything(1)))}
        press = {"id": inputs.anything(1), "from": sender, "data": inputs.random.choice(("a:1", inputs.anything(1)))}
        return {
            "update_id": inputs.random.choice((1, 2**70, None, inputs.anything(1))),
            **inputs.random.choice(({"message": message}, {"callback_query": press}, {"message": inputs.anything(2)})),
        }

    def answer() -> Any:
        parameters = {"retry_after": inputs.random.choice((1, 10**400, "x", inputs.anything(1)))}
        usual = {"ok": True, "message_id": 7, "id": inputs.anything(1), "ts": "1.2", "parameters": parameters}
        result = inputs.random.choice(
            ([update() for _ in range(2)], {"message_id": inputs.anything(1)}, inputs.anything(2))
        )
        event = {"event": "message", "id": "x", "message": inputs.random.choice(("a:1", inputs.anything(1)))}
        return inputs.random.choice(({**usual, "result": result}, {**usual, **event}, inputs.anything(3)))

    async def try_all() -> None:
        for make, options in waiting:
            http = _Answers(inputs)
            kept: dict[str, str] = {}
            context = ChannelContext(
                "phone", options, http, kept.__setitem__, lambda name, kept=kept: kept.get(name, ""), _nothing, _nothing
            )
            channel = make(context)
            for call in (channel.check, lambda c=channel: c.send(_MESSAGE), lambda c=channel: c.replace("7", _MESSAGE)):
                http.prepared = [answer()]
                with suppress(ChannelError, _EndedError):
                    found = await call()
                    assert isinstance(found, str)
            http.prepared = [answer() for _ in range(3)]
            listen = _LISTEN.get(make)
            handling = TaskSet()
            if listen is not None:
                with suppress(ChannelError, _EndedError):
                    await listen(channel, _press, handling)
            handling.cancel_all()

    def feed() -> None:
        waiting.append(inputs.random.choice(kinds))
        if len(waiting) == BATCH:
            asyncio.run(try_all())
            waiting.clear()

    return feed


def _nothing() -> None:
    """Take notice."""


async def _press(pressed: Pressed) -> str:
    assert isinstance(pressed.by, str)
    assert isinstance(pressed.code, str)
    assert isinstance(pressed.text, str)
    return "done"


_SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "permissions": PermissionInfo,
    "questions": QuestionInfo,
    "messages": _ListedMessage,
    "todos": TodoInfo,
}


def opencode_http(seed: int) -> Feed:
    """The answers of an OpenCode server: they make a snapshot, of which any part may be missing."""
    inputs, fleet = Inputs(seed), FuzzedFleet()

    def some(shape: type[msgspec.Struct]) -> list[Any]:
        return [inputs.record(shape) for _ in range(inputs.random.randrange(4))]

    def section(name: str) -> Any:
        if inputs.random.random() < 0.1:
            return inputs.anything(3)
        match name:
            case "sessions":
                return [session(), *some(SessionInfo)]
            case "session":
                return session()
            case "status":
                return {inputs.random.choice(IDS): inputs.record(StatusInfo) for _ in range(3)}
            case "branch":
                return {"branch": inputs.text()}
            case "providers":
                return inputs.record(_Providers)
            case _:
                return some(_SECTIONS[name])

    def session() -> dict[str, Any]:
        found = {**inputs.record(SessionInfo), "id": inputs.random.choice(IDS), "directory": "/work"}
        if inputs.random.random() < 0.8:
            found["time"] = {"created": AT, "updated": inputs.random.choice((AT, AT - 10**8, 2**70, "x"))}
        return found

    async def read(name: str, /, session: str = "", limit: int = 0) -> Any:
        try:
            return decode(inputs.json(section(name)))
        except JSON_ERRORS:
            return None

    pending = 0

    async def take_all() -> None:
        for _ in range(BATCH):
            snapshot = await take_snapshot(fleet.server.id, "/work", read, AT)
            fleet.apply((snapshot, await read_limits(fleet.server.id, read)), AT)

    def feed() -> None:
        nonlocal pending
        pending += 1
        if pending % BATCH == 0:
            asyncio.run(take_all())

    return feed
