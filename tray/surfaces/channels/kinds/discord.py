"""Discord, by a webhook of a channel (https://docs.discord.com/developers/resources/webhook)."""

from __future__ import annotations

import re
from typing import Any

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)

_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@:-])")


class Discord:
    """One webhook. Its address is the secret."""

    limits = Limits(text=1500)  # a message has at most 2000 characters

    def __init__(self, context: ChannelContext) -> None:
        self._http = context.http
        self._url = str(context.options["url"])
        if not re.fullmatch(r"https?://[^\s?#]+/webhooks/\d+/[\w-]+", self._url):
            raise ChannelSetupError("the url of a webhook ends with /webhooks/NUMBER/LETTERS")

    async def check(self) -> str:
        """Return the name of the webhook."""
        found = await http.call(self._http, "GET", self._url)
        return str(found.get("name", ""))

    async def send(self, message: ChannelMessage) -> str:
        """Send a message."""
        sent = await http.call(self._http, "POST", self._url, params={"wait": "true"}, json=_content(message))
        return str(sent.get("id", ""))

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Change the text of a message."""
        await http.call(self._http, "PATCH", f"{self._url}/messages/{reference}", json=_content(message))
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Say in the message how it ended."""
        await self.replace(reference, message)

    async def listen(self, press: Press) -> None:  # a webhook receives nothing
        """Return: there are no answers."""


def _content(message: ChannelMessage) -> dict[str, Any]:
    """Return the fields of a message that mentions no user. Its text is in a block, where nothing is markup."""
    block = f"```\n{message.text.replace('```', '` ` `')}\n```" if message.text else ""
    parts = f"**{_escaped(message.title)}**", block, _escaped(message.outcome)
    return {"content": "\n".join(filter(None, parts)), "allowed_mentions": {"parse": []}}


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


CHANNEL = ChannelKind("Discord", Discord, needed=("url",), secrets=("url",))
