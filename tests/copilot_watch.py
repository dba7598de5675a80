"""Follow the sessions of Copilot CLI in a folder, as the tray does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_watch import AgentWatch, running
from tray.sources.agents.copilot import CopilotSessions


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[AgentWatch]:
    watch = AgentWatch()
    source = CopilotSessions(watch.context(COPILOT_HOME=str(folder)))
    async with running(source):
        yield watch
