"""Gotify, on the user's own server (https://gotify.net/docs/pushmsg)."""

from __future__ import annotations

from typing import Any

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import ChannelContext, ChannelError, ChannelKind, ChannelMessage, Limits, Press

HIGH, NORMAL, SILENT = 8, 5, 0  # priorities


class Gotify:
    """One application of the server."""

    limits = Limits(text=4000)

    def __init__(self, context: ChannelContext) -> None:
        """The option `client_token` is that of a client: with it a message is deleted when it has ended."""
        self._http = context.http
        self._server = str(context.options["server"]).rstrip("/")
        self._token = str(context.options["token"])
        self._client_token = str(context.options.get("client_token", ""))

    async def _call(self, method: str, path: str, token: str, **options: Any) -> dict[str, Any]:
        headers = {"X-Gotify-Key": token}
        return await http.call(self._http, method, f"{self._server}{path}", headers=headers, **options)

    async def check(self) -> str:
        """Return the version of the server."""
        found = await self._call("GET", "/version", self._token)
        return f"Gotify {found['version']}" if found.get("version") else ""

    async def send(self, message: ChannelMessage) -> str:
        """Send a message."""
        return await self._push(message, HIGH if message.reason.is_request else NORMAL)

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Send another message, because a message cannot be changed."""
        await self._delete(reference)
        return await self._push(message, NORMAL)

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Delete the message, or say in another one without a sound how it ended."""
        if not await self._delete(reference):
            await self._push(message, SILENT)

    async def _push(self, message: ChannelMessage, priority: int) -> str:
        body = {"title": message.title, "message": message.body or message.title, "priority": priority}
        sent = await self._call("POST", "/message", self._token, json=body)
        return str(sent.get("id", ""))

    async def _delete(self, reference: str) -> bool:
        if not self._client_token or not reference.isdigit():
            return False
        try:
            await self._call("DELETE", f"/message/{reference}", self._client_token)
        except ChannelError as error:
            if not error.is_permanent:  # else it is gone already
                raise
        return True

    async def listen(self, press: Press) -> None:  # messages have no buttons
        """Return: there are no answers."""


CHANNEL = ChannelKind(
    "Gotify", Gotify, needed=("server", "token"), optional=("client_token",), secrets=("token", "client_token")
)
