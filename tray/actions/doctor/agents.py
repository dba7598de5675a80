"""Checks of the agents beside OpenCode: how they are seen, and whether their requests can be answered."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tray.actions.agent_hooks import AgentHooks, apply
from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.install import InstallError
from tray.agents.agent import Agent
from tray.core.agent_setup import HookState, HookUse
from tray.core.settings import OTHER_AGENTS
from tray.core.text import counted

_INSTALLED = {
    HookUse.ANSWERS: "its requests can be answered in the tray",
    HookUse.SESSIONS: "its sessions are seen by its hooks, and answered in its terminal",
    HookUse.WAITS: "its requests can be answered in the tray, without its daemon they are seen",
}
_MISSING = {
    HookUse.ANSWERS: "its requests are answered in its terminal only",
    HookUse.SESSIONS: "its sessions are not seen without hooks",
    HookUse.WAITS: "its requests can be answered in the tray, without its daemon they are not seen",
}


def agents(context: DoctorContext) -> Iterator[Finding]:
    """Check each agent that is found."""
    hooks = context.agent_hooks
    found = hooks.found()
    for agent in found:
        yield _seen(agent, context)
        yield from _hooks(agent, hooks)
    is_used = any(hooks.state(agent) is HookState.INSTALLED for agent in found)
    if context.status is not None and is_used and not context.paths.hook_socket.is_socket():
        yield broken("agents", f"the tray has no hook socket ({context.paths.hook_socket})", "see the tray's log")


def _seen(agent: Agent, context: DoctorContext) -> Finding:
    servers = [server for server in context.tray_servers if server["agent_kind"] == agent.kind.value]
    running = [server for server in servers if server["connected"]]
    versions = sorted({str(server["version"]) for server in running if server["version"]})
    if not context.settings[OTHER_AGENTS]:
        return note("agents", f"{agent.kind.title} is not looked for", "set discovery.agents to true")
    if context.status is None:
        return fine("agents", f"{agent.kind.title} was found")
    suffix = f" ({', '.join(versions)})" if versions else ""
    return fine("agents", f"{agent.kind.title}{suffix}: {counted(len(running), 'process is', 'processes are')} seen")


def _hooks(agent: Agent, hooks: AgentHooks) -> Iterator[Finding]:
    title, command = agent.kind.title, f"opencode-tray install-hooks {agent.kind.value}"
    match hooks.state(agent):
        case HookState.INSTALLED if agent.use is not None:
            yield fine("agents", f"{title}: {_INSTALLED[agent.use]}")
        case HookState.MISSING if agent.use is not None:
            yield note("agents", f"{title}: {_MISSING[agent.use]}", f"run: {command}")
        case HookState.UNTRUSTED if agent.trust is not None:
            yield broken("agents", f"{title}: its hooks wait for your trust", agent.trust.step)
        case HookState.PARTLY:
            fix = f"run: opencode-tray uninstall-hooks {agent.kind.value}, then: {command}"
            yield note("agents", f"{title}: some hooks were removed from its settings", fix)
        case HookState.OUTDATED:
            message = f"{title}: its hooks report to another tray"
            yield broken("agents", message, f"run: {command}", lambda: apply(hooks.installation(agent)))
        case HookState.UNREADABLE:
            yield broken("agents", f"{title}: {_error(agent, hooks)}", "correct the file")
        case HookState.OBSERVED if sys.platform == "win32" and agent.hooks is not None:
            yield note("agents", f"{title}: its hooks are not supported on Windows yet", "use its terminal")


def _error(agent: Agent, hooks: AgentHooks) -> str:
    try:
        hooks.installation(agent)
    except InstallError as error:
        return str(error)
    return "its settings have just changed"
