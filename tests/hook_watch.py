"""Follow the sessions of an agent by its hooks, as the tray does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agent_watch import AgentWatch, running
from tray.agents.hook import Hook
from tray.agents.hook_command import hook_command
from tray.agents.hook_file import HookFile
from tray.core.servers import AgentKind
from tray.sources.agents.hook_server import HookServer
from tray.sources.agents.hook_sessions import HookSessions, OpenTranscript


def install_hooks(hooks: HookFile, folder: Path, socket: Path) -> None:
    """Add the hooks of the tray to the settings in an agent's folder."""
    path = folder / hooks.name
    text = path.read_text(encoding="utf-8")
    installed = hooks.with_hooks(text, lambda agent, seconds: hook_command(agent, str(socket), seconds))
    path.write_text(installed, encoding="utf-8")


class HookWatch(AgentWatch):
    """The sessions of an agent."""

    def __init__(
        self, kind: AgentKind, decode: Callable[[bytes], Hook | None], open_transcript: OpenTranscript | None = None
    ) -> None:
        super().__init__()
        self.source = HookSessions(kind, decode, self.context(), open_transcript)


@asynccontextmanager
async def following(watch: HookWatch, path: str, socket: Path) -> AsyncIterator[None]:
    """Accept the hooks of an agent at a path of the socket, and follow its sessions."""
    server = HookServer(socket, {path: watch.source.on_hook})
    await server.start()
    try:
        async with running(watch.source):
            yield
    finally:
        await server.stop()
