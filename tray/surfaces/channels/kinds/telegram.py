"""Telegram: a bot of the user, by the Bot API (https://core.telegram.org/bots/api). Nothing has to be reachable.

The bot talks to one user, who is found by a pairing: `/start CODE`. Presses and texts of other users are ignored.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from tray.core.alerts import Reason
from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Pairing,
    Press,
    Pressed,
)
from tray.surfaces.channels.listening import keep_listening
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

SERVER = "https://api.telegram.org"
POLL_TIMEOUT = 50  # s that the server waits for updates
POLL_CLIENT_TIMEOUT = aiohttp.ClientTimeout(total=POLL_TIMEOUT + 15)
EMPTY_PAUSE = 1.0  # s after an answer without a new update: a faulty server may give such answers at once
HANDLED_WITHIN = 5.0  # s; an answer that takes longer is confirmed to the service before it is known
CONFIRMED_WITHIN = 3.0  # s after which a button says that it was pressed
CHAT, OFFSET = "chat", "offset"  # names of the values that are kept
REPLY_HINT = "Use a button, or reply to the message of a request"
MARKS = {Reason.PERMISSION: "🔐", Reason.QUESTION: "❓", Reason.ERROR: "❌", Reason.FINISHED: "✅"}


class Telegram:
    """One bot, paired with one user."""

    limits = Limits(text=3500, buttons=10, label=60)  # a message has at most 4096 characters

    def __init__(self, context: ChannelContext) -> None:
        """The option `chat`, if it is given, is the ID of the user: no pairing is needed then."""
        server = str(context.options.get("server", SERVER)).rstrip("/")
        token = str(context.options["token"])
        if ":" not in token:
            raise ChannelSetupError("the token of a Telegram bot is NUMBER:LETTERS, from @BotFather")
        self._http = context.http
        self._address = f"{server}/bot{quote(token, safe=':')}"
        self._context = context
        self._code = ""  # of the pairing that was begun

    @property
    def _chat(self) -> str:
        return str(self._context.options.get(CHAT) or self._context.recall(CHAT))

    async def _call(
        self, method: str, parameters: Mapping[str, Any] | None = None, timeout: aiohttp.ClientTimeout = http.TIMEOUT
    ) -> Any:
        url = f"{self._address}/{method}"
        answer = await http.call(self._http, "POST", url, timeout=timeout, json=dict(parameters or {}))
        if answer.get("ok") is not True:
            raise ChannelError("its answer is not that of Telegram", is_permanent=True)
        return answer.get("result")

    async def check(self) -> str:
        """Return the name of the bot, and whether it is paired."""
        bot = await self._call("getMe")
        name = f"@{bot['username']}" if isinstance(bot, dict) and bot.get("username") else "the bot"
        return name if self._chat else f"{name} is not paired: run opencode-tray channels pair {self._context.name}"

    # ------------------------------------------------------------------ messages

    async def send(self, message: ChannelMessage) -> str:
        """Send a message with its buttons."""
        if not self._chat:
            raise ChannelError(f"run opencode-tray channels pair {self._context.name}", is_refused=True)
        sent = await self._call("sendMessage", {"chat_id": self._chat, **_content(message)})
        number = sent.get("message_id") if isinstance(sent, dict) else None
        if not isinstance(number, int):
            raise ChannelError("its answer has no message", is_permanent=True)
        return str(number)

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Change text and buttons of a message."""
        target = {"chat_id": self._chat, "message_id": int(reference)}
        try:
            await self._call("editMessageText", {**target, **_content(message)})
        except ChannelError as error:
            if "not modified" not in str(error):
                raise
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Remove the buttons, and say how it ended."""
        await self.replace(reference, message)

    # ------------------------------------------------------------------ answers

    def pair(self) -> Pairing:
        """Begin a pairing."""
        self._code = secrets.token_hex(4)
        return Pairing(f"Send this to your bot in Telegram: /start {self._code}", self._code)

    async def listen(self, press: Press) -> None:
        """Pass on presses and replies of the paired user. Updates are confirmed after they were handled."""
        await keep_listening("Telegram", lambda handling: self._poll(press, handling))

    async def _poll(self, press: Press, handling: TaskSet) -> None:
        """Take updates until one question fails. Raises ChannelError."""
        while True:
            offset = int(self._context.recall(OFFSET) or 0)
            wanted = {"offset": offset, "timeout": POLL_TIMEOUT, "allowed_updates": ["message", "callback_query"]}
            found = await self._call("getUpdates", wanted, POLL_CLIENT_TIMEOUT)
            self._context.listening()
            updates = [update for update in found if isinstance(update, dict)] if isinstance(found, list) else []
            tasks = [handling.spawn(self._take(update, press, handling), "update of Telegram") for update in updates]
            if tasks:
                await asyncio.wait(tasks, timeout=HANDLED_WITHIN)
            numbers = [number for update in updates if isinstance(number := update.get("update_id"), int)]
            following = max([offset, *(number + 1 for number in numbers)])
            if following > offset:
                self._context.remember(OFFSET, str(following))
            else:
                await asyncio.sleep(EMPTY_PAUSE)

    async def _take(self, update: dict[str, Any], press: Press, handling: TaskSet) -> None:
        try:
            pressed = update.get("callback_query")
            if isinstance(pressed, dict):
                await self._take_press(pressed, press, handling)
            elif isinstance(update.get("message"), dict):
                await self._take_text(update["message"], press)
        except ChannelError as error:
            log.info("Telegram does not take the result of an answer: %s", error)
        except Exception:  # of one update; the others are taken
            log.exception("cannot handle an update of Telegram")

    async def _take_press(self, pressed: dict[str, Any], press: Press, handling: TaskSet) -> None:
        number = str(pressed.get("id"))
        if not self._is_owner(pressed):
            await self._confirm(number, "This bot belongs to another user")
            return
        answering = handling.spawn(press(Pressed(_name(pressed), str(pressed.get("data")))), "answer of Telegram")
        done, _ = await asyncio.wait([answering], timeout=CONFIRMED_WITHIN)
        await self._confirm(number, answering.result() if done else "Sent")
        await answering

    async def _confirm(self, number: str, text: str) -> None:
        """End the sign of progress on a button."""
        await self._call("answerCallbackQuery", {"callback_query_id": number, "text": text[:200]})

    async def _take_text(self, message: dict[str, Any], press: Press) -> None:
        text, chat = str(message.get("text", "")), _id_of(message, "chat")
        if text.split(maxsplit=1)[:1] == ["/start"]:
            await self._take_start(message, text.removeprefix("/start").strip())
        elif self._is_owner(message) and chat == self._chat:
            answered = message.get("reply_to_message")
            reference = str(answered.get("message_id", "")) if isinstance(answered, dict) else ""
            said = await press(Pressed(_name(message), "", text, reference)) if reference and text else REPLY_HINT
            await self._call("sendMessage", {"chat_id": chat, "text": said})

    async def _take_start(self, message: dict[str, Any], code: str) -> None:
        chat, sender = _id_of(message, "chat"), _id_of(message, "from")
        if not self._code or not hmac.compare_digest(code.encode(), self._code.encode()) or chat != sender:
            return  # a stranger learns nothing
        self._code = ""
        self._context.remember(CHAT, chat)
        log.info("paired with a user of Telegram")
        await self._call("sendMessage", {"chat_id": chat, "text": "Paired. Alerts of OpenCode Tray arrive here."})

    def _is_owner(self, update: dict[str, Any]) -> bool:
        return bool(self._chat) and _id_of(update, "from") == self._chat


def _content(message: ChannelMessage) -> dict[str, Any]:
    """Return the fields of a message. Its text is plain: without `parse_mode` nothing in it is markup."""
    buttons = [{"text": label, "callback_data": code} for label, code in message.answers]
    rows = [buttons] if len(buttons) == 2 else [[button] for button in buttons]
    mark = "☑️" if message.outcome else MARKS[message.reason]
    hint = "Reply to this message to answer in your own words." if message.text_code else ""
    parts = f"{mark} {message.title}".strip(), message.text, message.outcome, hint
    return {
        "text": "\n\n".join(filter(None, parts)),
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {"inline_keyboard": rows},
    }


def _id_of(update: dict[str, Any], name: str) -> str:
    found = update.get(name)
    return str(found.get("id", "")) if isinstance(found, dict) else ""


def _name(update: dict[str, Any]) -> str:
    sender = update.get("from")
    name = sender.get("username") or sender.get("first_name") if isinstance(sender, dict) else ""
    return str(name or "a user")


CHANNEL = ChannelKind("Telegram", Telegram, needed=("token",), optional=("chat", "server"), secrets=("token",))
