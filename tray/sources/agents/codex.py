"""The sessions of Codex: those of its daemon, which can be answered, and those of processes without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tray.agents.codex.home import CodexHome, home_folder
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.codex_daemon import CodexDaemon
from tray.sources.agents.codex_processes import CodexProcesses
from tray.sources.agents.hook_server import HookCall
from tray.system.tasks import run_all


class CodexSessions:
    """Follows everything in Codex' folder. Lives on the event loop's thread."""

    def __init__(self, context: AgentContext) -> None:
        report, now, environment, home, is_enabled = context
        folder = CodexHome(home_folder(environment, home))
        self._processes = CodexProcesses(folder, report, now, is_enabled, lambda: self._daemon.pid)
        self._daemon = CodexDaemon(folder, report, now, is_enabled, self._processes.look)

    async def run(self) -> None:
        """Report events until cancelled. An error of one session does not end it."""
        await run_all((self._daemon.run(), self._processes.run()))

    def look(self) -> None:
        """Look for daemons and processes: one may have appeared or ended without a notice."""
        self._daemon.look()
        self._processes.look()

    async def on_hook(self, call: HookCall) -> bytes:
        """Take a hook, and decide nothing."""
        return await self._processes.on_hook(call)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call a method of plugin/PROTOCOL.md. Raises CallError."""
        return await self._daemon.call(server_id, method, params)
