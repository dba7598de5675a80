"""ntfy, on ntfy.sh or the user's own server (https://docs.ntfy.sh/publish/). Nothing of the tray has to be reachable.

A button publishes a code on a second topic, which only the tray reads: all readers of the first topic can answer.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import aiohttp

from tray.core.alerts import Reason
from tray.core.lenient_json import decode_or
from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
    Pressed,
)
from tray.surfaces.channels.listening import keep_listening
from tray.system.tasks import TaskSet

SERVER = "https://ntfy.sh"
STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=120)  # a server sends something each 45 s
HANDLED_WITHIN = 5.0  # s; an answer that takes longer does not hold up the next one
REPLY_TOPIC, LAST = "reply_topic", "last"  # names of the values that are kept
TAGS = {
    Reason.PERMISSION: "lock",
    Reason.QUESTION: "question",
    Reason.ERROR: "x",
    Reason.FINISHED: "white_check_mark",
}
HIGH, NORMAL, SILENT = 4, 3, 1  # priorities


class Ntfy:
    """One topic."""

    # A message has at most 4096 bytes, and the outcome is added; Android shows three buttons.
    limits = Limits(text=3600, buttons=3, label=40, measure=lambda text: len(text.encode("utf-8", "replace")))

    def __init__(self, context: ChannelContext) -> None:
        """The option `reply_token` is visible to the readers of the topic: it is sent with each button."""
        options = context.options
        self._server = str(options.get("server", SERVER)).rstrip("/")
        self._topic = str(options["topic"])
        if not self._topic.replace("_", "").replace("-", "").isalnum() or not self._topic.isascii():
            raise ChannelSetupError("a topic of ntfy has letters, digits, - and _")
        self._headers = {"Authorization": f"Bearer {options['token']}"} if options.get("token") else {}
        self._reply_token = str(options.get("reply_token", ""))
        if not context.recall(REPLY_TOPIC):
            context.remember(REPLY_TOPIC, f"reply-{secrets.token_hex(16)}")
        self._reply_topic = str(options.get("reply_topic") or context.recall(REPLY_TOPIC))
        self._context = context

    async def check(self) -> str:
        """Check that the topic of the answers can be read: the other one may be write-only."""
        await http.call(self._context.http, "GET", f"{self._server}/{self._reply_topic}/auth", headers=self._headers)
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Send a notification."""
        await self._publish(message.id, message, HIGH if message.reason.is_request else NORMAL)
        return message.id

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Replace the notification in place (ntfy 2.16 and newer; older ones show another)."""
        await self._publish(reference, message, NORMAL)
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Replace the notification without a sound."""
        await self._publish(reference, message, SILENT)

    async def _publish(self, reference: str, message: ChannelMessage, priority: int) -> None:
        body = {
            "topic": self._topic,
            "sequence_id": reference,
            "title": message.title,
            "message": message.body or message.title,
            "priority": priority,
            "tags": ["ballot_box_with_check" if message.outcome else TAGS[message.reason]],
            "actions": [self._button(label, code) for label, code in message.answers],
        }
        await http.call(self._context.http, "POST", self._server, json=body, headers=self._headers)

    def _button(self, label: str, code: str) -> dict[str, Any]:
        headers = {"headers": {"Authorization": f"Bearer {self._reply_token}"}} if self._reply_token else {}
        url = f"{self._server}/{self._reply_topic}"
        return {"action": "http", "label": label, "url": url, "method": "POST", "body": code, "clear": False, **headers}

    async def listen(self, press: Press) -> None:
        """Read the codes from the second topic, also those that were published while the tray was away."""
        if not self._context.recall(LAST):
            self._context.remember(LAST, str(int(time.time())))
        await keep_listening("ntfy", lambda handling: self._read(press, handling))

    async def _read(self, press: Press, handling: TaskSet) -> None:
        url, query = f"{self._server}/{self._reply_topic}/json", {"since": self._context.recall(LAST)}
        async with http.stream(self._context.http, url, STREAM_TIMEOUT, params=query, headers=self._headers) as lines:
            async for line in lines:
                event = decode_or(line, dict[str, Any], {})
                self._context.listening()
                if event.get("event") == "message" and isinstance(event.get("id"), str):
                    pressed = Pressed("a reader of the topic", str(event.get("message", "")))
                    task = handling.spawn(press(pressed), "answer of ntfy")
                    await asyncio.wait([task], timeout=HANDLED_WITHIN)
                    self._context.remember(LAST, event["id"])


CHANNEL = ChannelKind(
    "ntfy",
    Ntfy,
    needed=("topic",),
    optional=("server", "token", "reply_topic", "reply_token"),
    secrets=("topic", "token", "reply_token"),
)
