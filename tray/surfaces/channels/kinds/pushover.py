"""Pushover (https://pushover.net/api)."""

from __future__ import annotations

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import ChannelContext, ChannelKind, ChannelMessage, Limits, Press

SERVER = "https://api.pushover.net"
HIGH, NORMAL, SILENT = 1, 0, -2  # priorities
MAX_TITLE, MAX_MESSAGE = 250, 1024  # characters


class Pushover:
    """One user or group."""

    limits = Limits(text=900)

    def __init__(self, context: ChannelContext) -> None:
        self._http = context.http
        self._server = str(context.options.get("server", SERVER)).rstrip("/")
        self._access = {"token": str(context.options["token"]), "user": str(context.options["user"])}

    async def check(self) -> str:
        """Check the user and the token."""
        await http.call(self._http, "POST", f"{self._server}/1/users/validate.json", json=self._access)
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Send a message. Its request is for looking up problems only: a message cannot be changed."""
        return await self._push(message, HIGH if message.reason.is_request else NORMAL)

    async def replace(self, reference: str, message: ChannelMessage) -> str:  # noqa: ARG002
        """Send another message."""
        return await self._push(message, NORMAL)

    async def finish(self, reference: str, message: ChannelMessage) -> None:  # noqa: ARG002
        """Say in another message, which makes no notification, how it ended."""
        await self._push(message, SILENT)

    async def _push(self, message: ChannelMessage, priority: int) -> str:
        text = (message.outcome or message.text or message.title)[:MAX_MESSAGE]
        body = {**self._access, "title": message.title[:MAX_TITLE], "message": text, "priority": priority}
        sent = await http.call(self._http, "POST", f"{self._server}/1/messages.json", json=body)
        return str(sent.get("request", ""))

    async def listen(self, press: Press) -> None:  # messages have no buttons
        """Return: there are no answers."""


CHANNEL = ChannelKind("Pushover", Pushover, needed=("token", "user"), optional=("server",), secrets=("token", "user"))
