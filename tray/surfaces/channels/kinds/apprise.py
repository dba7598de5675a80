"""All services that the library Apprise knows (https://github.com/caronc/apprise). It is an optional dependency."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from importlib.util import find_spec

from tray.core.text import clean
from tray.surfaces.channels.apprise_sender import FAILED, UNKNOWN
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
)  # fmt: skip

SENDER = "tray.surfaces.channels.apprise_sender"
MAX_REASON = 200  # characters


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
        await self._run(_content(message, "warning" if message.is_request else "info"))
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
        command = (sys.executable, "-P", "-m", SENDER)  # -P: not the modules of the current directory
        try:
            process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            raise ChannelError(f"cannot start Apprise: {error.strerror}") from error
        try:
            printed, errors = await process.communicate(json.dumps({"url": self._url, **content}).encode())
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            lines = errors.decode("utf-8", "replace").splitlines()
            known = process.returncode in (FAILED, UNKNOWN)
            reason = clean(lines[-1])[:MAX_REASON] if known and lines else f"Apprise ended with {process.returncode}"
            raise ChannelError(reason, is_refused=process.returncode == UNKNOWN)
        return clean(printed.decode("utf-8", "replace").strip())


def _content(message: ChannelMessage, kind: str) -> dict[str, str]:
    return {"title": message.title, "body": message.body or message.title, "kind": kind}


CHANNEL = ChannelKind("Apprise", Apprise, needed=("url",), secrets=("url",))
