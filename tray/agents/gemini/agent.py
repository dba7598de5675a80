"""Gemini CLI, as the catalog of agents lists it."""

from __future__ import annotations

from tray.agents.agent import Agent
from tray.agents.gemini.settings import HOOK_FILE, configuration_folder
from tray.core.agent_setup import HookUse
from tray.core.servers import AgentKind

GEMINI = Agent(AgentKind.GEMINI, "gemini", configuration_folder, HOOK_FILE, HookUse.SESSIONS)
