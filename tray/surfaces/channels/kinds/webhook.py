"""A webhook: each change is posted as JSON to an address of the user, signed if there is a secret."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)


class Webhook:
    """One address."""

    limits = Limits(text=10_000)

    def __init__(self, context: ChannelContext) -> None:
        """The option `secret` signs each body: header `X-OpenCode-Tray-Signature: sha256=HEX`, an HMAC."""
        self._http = context.http
        self._url = str(context.options["url"])
        if not self._url.startswith(("https://", "http://")):
            raise ChannelSetupError("the url of a webhook begins with https:// or http://")
        self._secret = str(context.options.get("secret", ""))

    async def check(self) -> str:
        """Return: only a message shows whether the address accepts one."""
        return ""

    async def send(self, message: ChannelMessage) -> str:
        """Post a new message."""
        await self._post("opened", message.id, message)
        return message.id

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Post the changed message."""
        await self._post("changed", reference, message)
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Post how it ended."""
        await self._post("closed", reference, message)

    async def _post(self, event: str, reference: str, message: ChannelMessage) -> None:
        fields = {name: getattr(message, name) for name in ("session", "title", "text", "outcome")}
        fields["reason"] = message.reason.value
        body = json.dumps({"event": event, "id": reference, "at": int(time.time() * 1000), **fields}).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-OpenCode-Tray-Signature"] = f"sha256={signature}"
        await http.call(self._http, "POST", self._url, data=body, headers=headers)

    async def listen(self, press: Press) -> None:  # it only sends
        """Return: there are no answers."""


CHANNEL = ChannelKind("Webhook", Webhook, needed=("url",), optional=("secret",), secrets=("url", "secret"))
