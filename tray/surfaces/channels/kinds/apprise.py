"""All services that the library Apprise knows (https://github.com/caronc/apprise). It is an optional dependency."""

from __future__ import annotations

import json
from importlib.util import find_spec

from tray.core.text import clean
from tray.surfaces.channels.apprise_sender import FAILED, UNKNOWN
from tray.surfaces.channels.channel import (
    SEND_TIMEOUT,
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)  # fmt: skip
from tray.system import subprocesses
from tray.system.own_program import own_python

SENDER = "tray.surfaces.channels.apprise_sender"
MAX_SAID = 200  # characters


class Apprise:
    """One address of Apprise. Each message is sent by a process of its own: the import of Apprise takes 28 MB."""

    limits = Limits(text=2000)

    def __init__(self, context: ChannelContext) -> None:
        """Raise ChannelSetupError without the library."""
        if find_spec("apprise") is None:
            raise ChannelSetupError("Apprise is not installed; see docs/channels.md")
        self._url = str(context.options["url"])

    async def check(self) -> str:
        """Return the name of the service."""
        return await self._run({})

    async def send(self, message: ChannelMessage) -> str:
        """Send a message."""
        await self._run(_content(message, "warning" if message.reason.is_request else "info"))
        return ""

    async def replace(self, reference: str, message: ChannelMessage) -> str:  # noqa: ARG002
        """Send another message, because few services can change one."""
        return await self.send(message)

    async def finish(self, reference: str, message: ChannelMessage) -> None:  # noqa: ARG002
        """Say in another message how it ended."""
        await self._run(_content(message, "success"))

    async def listen(self, press: Press) -> None:  # messages have no buttons
        """Return: there are no answers."""

    async def _run(self, content: dict[str, str]) -> str:
        """Send a message, or only read the address; return the name of the service. Raises ChannelError."""
        command = (own_python(), "-P", "-m", SENDER)  # -P: not the modules of the current directory
        done = await subprocesses.run(command, timeout=SEND_TIMEOUT, stdin=json.dumps({"url": self._url, **content}))
        said = clean(done.out.strip())[:MAX_SAID]
        if not done.ok:
            is_known = done.code in (FAILED, UNKNOWN) and said
            raise ChannelError(said if is_known else f"Apprise ended with {done.code}", is_refused=done.code == UNKNOWN)
        return said


def _content(message: ChannelMessage, kind: str) -> dict[str, str]:
    return {"title": message.title, "body": message.body or message.title, "kind": kind}


CHANNEL = ChannelKind("Apprise", Apprise, needed=("url",), secrets=("url",))
