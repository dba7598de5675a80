"""All sources of agents other than OpenCode, and the hook socket that they share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tray.agents.gemini.chat import ChatFile
from tray.agents.gemini.hooks import decode_hook as decode_gemini
from tray.agents.qwen.hooks import decode_hook as decode_qwen
from tray.core.servers import AgentKind, Server, Source
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.claude import ClaudeSessions
from tray.sources.agents.codex import CodexSessions
from tray.sources.agents.conversations import MESSAGES, read_messages
from tray.sources.agents.copilot import CopilotSessions
from tray.sources.agents.hook_server import HookHandler, HookServer
from tray.sources.agents.hook_sessions import HookSessions
from tray.sources.agents.reports import ReportedSessions
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

HOOKS_INTERVAL = 5.0  # s between two attempts to accept hooks


class AgentSource(Protocol):
    """Follows the sessions of one agent. Lives on the event loop's thread."""

    async def run(self) -> None:
        """Report events until cancelled. An error of one session does not end it."""

    def look(self) -> None:
        """Read everything again: something may have changed without a notice."""

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call a method of plugin/PROTOCOL.md. Raises CallError."""


class AgentSources:
    """Runs the source of each agent."""

    def __init__(self, context: AgentContext, hook_socket: Path) -> None:
        """`hook_socket` is the path of the socket for hooks."""
        self._context = context
        claude = ClaudeSessions(context)
        codex = CodexSessions(context)
        reports = ReportedSessions(context)
        qwen = HookSessions(AgentKind.QWEN, decode_qwen, context)
        gemini = HookSessions(AgentKind.GEMINI, decode_gemini, context, ChatFile)
        self._sources: dict[AgentKind, AgentSource] = {
            AgentKind.CLAUDE: claude,
            AgentKind.CODEX: codex,
            AgentKind.COPILOT: CopilotSessions(context),
            AgentKind.QWEN: qwen,
            AgentKind.GEMINI: gemini,
            AgentKind.OTHER: reports,
        }
        handlers: dict[str, HookHandler] = {
            "/hook/claude": claude.on_hook,
            "/hook/codex": codex.on_hook,
            "/hook/qwen": qwen.on_hook,
            "/hook/gemini": gemini.on_hook,
            "/report": reports.on_report,
        }
        self._hooks = HookServer(hook_socket, handlers)
        self._tasks = TaskSet()

    async def start(self) -> None:
        """Follow the sessions from now on, and accept hooks if the socket is free."""
        for kind, source in self._sources.items():
            self._tasks.spawn(source.run(), f"sessions of {kind.title}")
        if problem := await self._receive_hooks():
            self._tasks.spawn(self._receive_hooks_later(problem), "hooks of agents")

    async def _receive_hooks(self) -> str:
        """Accept hooks; return why that is not possible now: the disk may be full, or another tray have the socket."""
        try:
            await self._hooks.start()
        except OSError as error:
            return str(error)
        return ""

    async def _receive_hooks_later(self, problem: str) -> None:
        log.info("hooks of agents are not received: %s", problem)  # doctor says so if hooks are installed
        while problem:
            await asyncio.sleep(HOOKS_INTERVAL)
            problem = await self._receive_hooks()
        log.info("hooks of agents are received now")

    async def stop(self) -> None:
        """Release all hooks, and end all sources."""
        self._tasks.cancel_all()
        await asyncio.gather(self._hooks.stop(), self._tasks.wait(1))

    def look(self) -> None:
        """Read everything again."""
        for source in self._sources.values():
            source.look()

    async def call(self, server: Server, method: str, params: Mapping[str, Any]) -> Any:
        """Call the agent of a server. Raises CallError."""
        if method == MESSAGES:
            return await asyncio.to_thread(
                read_messages, server.agent_kind, self._context.environment, self._context.home, params
            )
        source = self._sources.get(server.agent_kind)
        if source is None or server.source is not Source.AGENT:
            raise CallError(server.read_only_reason, CallErrorKind.READ_ONLY)
        return await source.call(server.id, method, params)
