"""Copilot CLI, as the catalog of agents lists it."""

from __future__ import annotations

from tray.agents.agent import Agent
from tray.agents.copilot.open_sessions import configuration_folder
from tray.core.servers import AgentKind

COPILOT = Agent(AgentKind.COPILOT, "copilot", configuration_folder)
