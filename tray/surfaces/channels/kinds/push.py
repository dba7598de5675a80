"""Web Push: notifications of one browser that is paired with the page, through the push service of its vendor.

There is a channel for each browser that has turned notifications on. A table in the settings applies to all of them.
"""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256

from tray.core.errors import UserError
from tray.surfaces.channels import http, web_push
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)
from tray.surfaces.channels.push_endpoint import check_endpoint

TIME_TO_LIVE = 24 * 3600  # s that a push service keeps a notification for a browser that is not connected
GONE = (404, 410)  # statuses of a browser that takes no more notifications (RFC 8030)
HIGH, NORMAL, LOW = "high", "normal", "low"  # urgencies


def _size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


class Push:
    """One browser."""

    limits = Limits(text=1800, buttons=2, label=40, measure=_size)

    def __init__(self, context: ChannelContext) -> None:
        """The options are those of `tray.core.devices.push_channel`."""
        self._context = context
        self._options = context.options
        if not self._options["may_answer"]:
            self.limits = self.limits._replace(buttons=0)
        try:
            web_push.public_key(self._options["sender_key"])
        except ValueError as error:
            raise ChannelSetupError("the key of the notifications is damaged") from error

    async def check(self) -> str:
        """Check the address: only a notification shows whether the browser takes one."""
        await self._check_endpoint()
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Show a notification, which replaces the one of the same session."""
        await self._push(message, HIGH if message.reason.is_request else NORMAL)
        return message.id

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Show another text in the notification."""
        await self._push(message, NORMAL)
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:  # noqa: ARG002  # its tag is the session
        """Say in the notification, without a sound, how it ended. Browsers do not allow to remove it unseen."""
        await self._push(message, LOW)

    async def _push(self, message: ChannelMessage, urgency: str) -> None:
        await self._check_endpoint()
        options, topic = self._options, _topic(message)
        keys = options["browser_key"], options["browser_secret"]
        try:
            sender, salt = web_push.new_sender(), os.urandom(web_push.SALT_LENGTH)
            body = web_push.encrypted(_content(message, topic), *keys, sender, salt)
        except ValueError as error:
            raise ChannelError(f"it cannot be encrypted: {error}", is_permanent=True) from error
        headers = {
            "Authorization": web_push.authorization(options["endpoint"], options["sender_key"], int(time.time())),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TIME_TO_LIVE),
            "Topic": topic,  # what the push service still has for this session is replaced
            "Urgency": urgency,
        }
        try:
            await http.call(self._context.http, "POST", options["endpoint"], data=body, headers=headers)
        except ChannelError as error:
            if error.status in GONE:
                self._context.ended()
            raise

    async def _check_endpoint(self) -> None:
        try:
            await check_endpoint(self._options["endpoint"])
        except UserError as error:
            raise ChannelError(str(error)) from error

    async def listen(self, press: Press) -> None:  # a press is a call to the page's server
        """Return: there are no answers."""


def _topic(message: ChannelMessage) -> str:
    """Return the name of a session for the push service, which learns nothing from it: 32 characters (RFC 8030)."""
    return web_push.encoded(sha256((message.session or message.id).encode()).digest())[:32]


def _content(message: ChannelMessage, tag: str) -> bytes:
    """Return what tray/surfaces/page/static/sw.js shows."""
    shown = {
        "tag": tag,
        "title": message.title,
        "body": message.body,
        "actions": [[answer.label, answer.code] for answer in message.answers],
        "session": message.session,
        "waits": message.reason.is_request and not message.outcome,
        "silent": bool(message.outcome),
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


CHANNEL = ChannelKind(
    "Web Push", Push, internal=("endpoint", "browser_key", "browser_secret", "sender_key", "may_answer")
)
