"""`install --agents`, `install-hooks` and `uninstall-hooks`: the hooks with which other agents report to the tray."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tray.actions.agent_hooks import AgentHooks, apply
from tray.agents.agent import Agent
from tray.agents.catalog import AGENTS, agent_kind
from tray.cli.exit_codes import OK
from tray.core.agent_setup import HookState
from tray.core.errors import UserError
from tray.system.paths import Paths

INSTALLABLE = tuple(agent for agent in AGENTS.values() if agent.hooks is not None)


class UnknownAgentError(UserError):
    """There is no agent with this name."""

    is_usage = True


def chosen(names: str | None) -> tuple[Agent, ...]:
    """Return the agents of a list such as "claude,codex"; "all" is every agent that is found, "none" is no agent.

    Raises UnknownAgentError.
    """
    if names in (None, "", "none"):
        return ()
    if names == "all":
        return tuple(filter(_hooks().is_found, INSTALLABLE))
    return tuple(_agent(name.strip()) for name in str(names).split(","))


def _agent(name: str) -> Agent:
    kind = agent_kind(name)
    if kind is None:
        known = ", ".join(kind.value for kind in AGENTS)
        raise UnknownAgentError(f"unknown agent {name!r}; the agents are: {known}, all, none")
    return AGENTS[kind]


def show(agents: Iterable[Agent]) -> None:
    """Print the changes that `install` would make. Raises InstallError."""
    for agent in _with_hooks(agents):
        change = _hooks().installation(agent)
        print(change.diff or f"{agent.kind.title}: nothing to change in {change.path}")


def _with_hooks(agents: Iterable[Agent]) -> Iterator[Agent]:
    """Yield the agents for which the tray has hooks, and print why it has none for the others."""
    for agent in agents:
        if agent.hooks is None:
            print(f"{agent.kind.title}: {_hooks().state(agent).value}; nothing to change")
        else:
            yield agent


def install(agents: Iterable[Agent]) -> None:
    """Install hooks, and print what was done. Raises InstallError."""
    for agent in _with_hooks(agents):
        print(apply(_hooks().installation(agent)))
        state = _hooks().state(agent)
        if state is HookState.PARTLY:
            print("  Some were removed from this file and are not added again; to restore them: uninstall-hooks first")
        if state is HookState.UNTRUSTED and agent.trust is not None:
            print(f"  They run once you trust them: {agent.trust.step}")


def offer() -> None:
    """Ask in the terminal for each agent that is found; elsewhere, print how to install its hooks."""
    hooks = _hooks()
    agents = [agent for agent in INSTALLABLE if hooks.is_found(agent) and hooks.state(agent) is HookState.MISSING]
    for agent in agents:
        title, command = agent.kind.title, f"opencode-tray install-hooks {agent.kind.value}"
        purpose = agent.use.value if agent.use is not None else ""
        if not sys.stdin.isatty():
            print(f"{title} was found; to {purpose}: {command}")
            continue
        print(f"{title} was found. To {purpose}, it needs these hooks:\n{hooks.installation(agent).diff}")
        if input("Add them? [y/N] ").strip().lower() in ("y", "yes"):
            install([agent])
        else:
            print(f"Not added; later: {command}")


def removals() -> Iterator[Callable[[], str]]:
    """Yield functions that remove the hooks of each agent, and return what was done, or "". They raise InstallError."""
    for agent in INSTALLABLE:
        yield partial(_removed, agent)


def _removed(agent: Agent) -> str:
    change = _hooks().removal(agent)
    return apply(change) if change.before != change.after else ""


def install_hooks(options: argparse.Namespace) -> int:
    """Install the hooks of the named agents. Raises UserError."""
    agents = chosen(",".join(options.names) or "all")
    if not agents:
        print("No agent with hooks was found")
    show(agents) if options.dry_run else install(agents)
    return OK


def uninstall_hooks(options: argparse.Namespace) -> int:
    """Remove the hooks of the named agents. Raises UserError."""
    for agent in _with_hooks(chosen(",".join(options.names)) or INSTALLABLE):
        change = _hooks().removal(agent)
        print(change.diff if options.dry_run else apply(change))
    return OK


def _hooks() -> AgentHooks:
    return AgentHooks(os.environ, Path.home(), Paths.of(os.environ).hook_socket)
