"""Claude Code, as the catalog of agents lists it."""

from __future__ import annotations

from tray.agents.agent import Agent
from tray.agents.claude.registry import configuration_folder
from tray.agents.claude.settings import HOOK_FILE
from tray.core.agent_setup import HookUse
from tray.core.servers import AgentKind

CLAUDE = Agent(AgentKind.CLAUDE, "claude", configuration_folder, HOOK_FILE, HookUse.ANSWERS)
