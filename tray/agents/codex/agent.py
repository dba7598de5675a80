"""Codex CLI, as the catalog of agents lists it."""

from __future__ import annotations

from tray.agents.agent import Agent, Trust
from tray.agents.codex.home import home_folder
from tray.agents.codex.hooks import HOOK_FILE
from tray.agents.codex.trust import are_hooks_trusted
from tray.core.agent_setup import HookUse
from tray.core.servers import AgentKind

TRUST = Trust(are_hooks_trusted, 'start codex and choose "Trust all and continue"')
CODEX = Agent(AgentKind.CODEX, "codex", home_folder, HOOK_FILE, HookUse.WAITS, TRUST)
