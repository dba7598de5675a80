"""Qwen Code, as the catalog of agents lists it."""

from __future__ import annotations

from tray.agents.agent import Agent
from tray.agents.qwen.settings import HOOK_FILE, configuration_folder
from tray.core.agent_setup import HookUse
from tray.core.servers import AgentKind

QWEN = Agent(AgentKind.QWEN, "qwen", configuration_folder, HOOK_FILE, HookUse.SESSIONS)
