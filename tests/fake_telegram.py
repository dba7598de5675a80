"""A server with the methods of Telegram's Bot API that the tray uses (https://core.telegram.org/bots/api).

It checks what the documentation demands, and can cut a connection, answer 429, and repeat an update.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from web_server import serving

TOKEN = "7:secret-of-the-bot"
OWNER = {"id": 1001, "is_bot": False, "first_name": "Kim", "username": "kim"}
STRANGER = {"id": 666, "is_bot": False, "first_name": "Eve", "username": "eve"}
METHODS = ("getMe", "getUpdates", "sendMessage", "editMessageText", "answerCallbackQuery")


class FakeTelegram:
    """One bot, and what its owner sees."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: dict[int, dict[str, Any]] = {}  # as the owner sees them now, by ID
        self.confirmations: list[str] = []  # texts of answered presses
        self.calls: list[str] = []
        self.faults: list[str] = []  # what happens to the next calls of sendMessage and editMessageText
        self._updates: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def buttons(self, number: int) -> dict[str, str]:
        """Return the codes of a message's buttons by their labels."""
        rows = self.messages[number]["reply_markup"]["inline_keyboard"]
        return {button["text"]: button["callback_data"] for row in rows for button in row}

    # ------------------------------------------------------------------ what people do

    def press(self, number: int, code: str, sender: dict[str, Any] = OWNER, times: int = 1) -> None:
        message = {"message_id": number, "chat": {"id": OWNER["id"], "type": "private"}}
        for _ in range(times):
            query = {"id": f"q{next(self._numbers)}", "from": sender, "message": message, "data": code}
            self._add({"callback_query": query})

    def write(self, text: str, sender: dict[str, Any] = OWNER, reply_to: int | None = None) -> None:
        chat = {"id": sender["id"], "type": "private"}
        replied = {"reply_to_message": {"message_id": reply_to, "chat": chat}} if reply_to is not None else {}
        self._add(
            {"message": {"message_id": next(self._numbers), "from": sender, "chat": chat, "text": text, **replied}}
        )

    def send_nonsense(self) -> None:
        """Send an update whose number is none."""
        self._updates.append({"update_id": None, "message": 7})
        self._changed.set()

    def _add(self, update: dict[str, Any]) -> None:
        self._updates.append({"update_id": 100 + next(self._numbers), **update})
        self._changed.set()

    # ------------------------------------------------------------------ the methods

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != TOKEN or request.method != "POST":
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        method = request.match_info["method"]
        assert method in METHODS, method
        self.calls.append(method)
        given = await request.json()
        fault = self.faults.pop(0) if self.faults and method in ("sendMessage", "editMessageText") else ""
        if fault == "429":
            body = {
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests",
                "parameters": {"retry_after": 1},
            }
            return web.json_response(body, status=429)
        if fault == "cut":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "blocked":
            text = "Forbidden: bot was blocked by the user"
            return web.json_response({"ok": False, "error_code": 403, "description": text}, status=403)
        try:
            result = await getattr(self, f"_{method}")(given)
        except ValueError as error:
            text = f"Bad Request: {error}"
            return web.json_response({"ok": False, "error_code": 400, "description": text}, status=400)
        return web.json_response({"ok": True, "result": result})

    async def _getMe(self, _: dict[str, Any]) -> Any:  # noqa: N802  # Telegram's name
        return {"id": 7, "is_bot": True, "first_name": "Tray", "username": "tray_bot"}

    async def _getUpdates(self, given: dict[str, Any]) -> Any:  # noqa: N802
        self._updates = [
            update
            for update in self._updates
            if not isinstance(update["update_id"], int) or update["update_id"] >= given["offset"]
        ]
        if not self._updates:
            self._changed.clear()
            try:
                async with asyncio.timeout(min(given["timeout"], 20)):
                    await self._changed.wait()
            except TimeoutError:
                return []
        return self._updates

    async def _sendMessage(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if str(given["chat_id"]) not in (str(OWNER["id"]), str(STRANGER["id"])):
            raise ValueError("chat not found")
        number = next(self._numbers)
        self.messages[number] = _checked(given)
        return {"message_id": number, "chat": {"id": given["chat_id"], "type": "private"}, "text": given["text"]}

    async def _editMessageText(self, given: dict[str, Any]) -> Any:  # noqa: N802
        number = given["message_id"]
        if number not in self.messages:
            raise ValueError("message to edit not found")
        before, after = self.messages[number], _checked({**self.messages[number], **given})
        if (before["text"], before.get("reply_markup")) == (after["text"], after.get("reply_markup")):
            raise ValueError("message is not modified")
        self.messages[number] = after
        return {"message_id": number}

    async def _answerCallbackQuery(self, given: dict[str, Any]) -> Any:  # noqa: N802
        if len(given["text"]) > 200:
            raise ValueError("MESSAGE_TOO_LONG")
        self.confirmations.append(given["text"])
        return True


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    if not 1 <= len(given["text"]) <= 4096:
        raise ValueError("message is too long")
    for row in given.get("reply_markup", {}).get("inline_keyboard", []):
        for button in row:
            if not 1 <= len(button["callback_data"].encode()) <= 64:
                raise ValueError("BUTTON_DATA_INVALID")
            if not button["text"]:
                raise ValueError("text must be non-empty")
    return given


@asynccontextmanager
async def running_telegram() -> AsyncIterator[FakeTelegram]:
    """Run the server on a free port."""
    fake = FakeTelegram()
    application = web.Application()
    application.router.add_route("*", "/bot{token}/{method}", fake.handle)
    async with serving(application) as fake.port:
        yield fake
