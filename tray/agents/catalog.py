"""The agents that the tray knows besides OpenCode."""

from __future__ import annotations

from tray.agents.claude.agent import CLAUDE
from tray.agents.codex.agent import CODEX
from tray.agents.copilot.agent import COPILOT
from tray.agents.gemini.agent import GEMINI
from tray.agents.qwen.agent import QWEN
from tray.core.servers import AgentKind

AGENTS = {agent.kind: agent for agent in (CLAUDE, CODEX, COPILOT, QWEN, GEMINI)}


def agent_kind(name: str) -> AgentKind | None:
    """Return the kind of an agent by its name on the command line; None if there is no such agent."""
    return next((kind for kind in AGENTS if kind.value == name), None)
