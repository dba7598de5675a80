"""ntfy, on ntfy.sh or the user's own server (https://docs.ntfy.sh/publish/). Nothing of the tray has to be reachable.

A button publishes a code on a second topic, which only the tray reads: all readers of the first topic can answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from typing import Any

import aiohttp

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
    Pressed,
)
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

SERVER = "https://ntfy.sh"
STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=120)  # a server sends something each 45 s
RETRIES = (5.0, 10.0, 30.0, 60.0)  # s; ntfy.sh bans clients that ignore its 429
REPLY_TOPIC, LAST = "reply_topic", "last"  # names of the values that are kept
TAGS = {"permission": "lock", "question": "question", "error": "x", "finished": "white_check_mark"}
HIGH, NORMAL, SILENT = 4, 3, 1  # priorities


class Ntfy:
    """One topic."""

    limits = Limits(text=3000, buttons=3, label=40)  # a message has at most 4096 bytes; Android shows three buttons

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
        """Check that the topic can be read."""
        await http.call(self._context.http, "GET", f"{self._server}/{self._topic}/auth", headers=self._headers)
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Send a notification."""
        reference = secrets.token_hex(8)
        await self._publish(reference, message, HIGH if message.is_request else NORMAL)
        return reference

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
        """Read the codes from the second topic."""
        handling = TaskSet()
        try:
            await self._keep_reading(press, handling)
        finally:
            handling.cancel_all()

    async def _keep_reading(self, press: Press, handling: TaskSet) -> None:
        failures = 0
        while True:
            try:
                await self._read(press, handling)
                failures = 0
            except ChannelError as error:
                if error.is_permanent:
                    raise
                log.debug("no answers of ntfy: %s", error)
                failures += 1
                await asyncio.sleep(error.retry_after or RETRIES[min(failures, len(RETRIES)) - 1])

    async def _read(self, press: Press, handling: TaskSet) -> None:
        since = self._context.recall(LAST)
        query = {"since": since} if since else {}
        url = f"{self._server}/{self._reply_topic}/json"
        async with http.stream(self._context.http, url, STREAM_TIMEOUT, params=query, headers=self._headers) as lines:
            async for line in lines:
                handling.spawn(self._take(line, press), "answer of ntfy")

    async def _take(self, line: bytes, press: Press) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict) and event.get("event") == "message" and isinstance(event.get("id"), str):
            await press(Pressed("a reader of the topic", str(event.get("message", ""))))
            self._context.remember(LAST, event["id"])


CHANNEL = ChannelKind(
    "ntfy",
    Ntfy,
    needed=("topic",),
    optional=("server", "token", "reply_topic", "reply_token"),
    secrets=("topic", "token", "reply_token"),
)
