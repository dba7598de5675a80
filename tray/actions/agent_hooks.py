"""Install and uninstall the hooks with which agents report to the tray. Each change is shown before it is made."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tray.actions.install import InstallError
from tray.agents.agent import Agent
from tray.agents.catalog import AGENTS
from tray.agents.hook_command import hook_command, python_hook_command
from tray.agents.hook_file import HookCommand, HookFile
from tray.agents.json_editor import InvalidJsonError
from tray.core.agent_setup import AgentSetup, HookState
from tray.files.reading import is_folder, read_regular
from tray.files.writing import write_privately
from tray.system.own_program import own_python
from tray.system.paths import MAX_SOCKET_PATH


class HookChange(NamedTuple):
    """A change of one settings file of an agent."""

    agent: Agent
    path: Path
    before: str  # "" if the file does not exist
    after: str  # "" to remove the file

    @property
    def diff(self) -> str:
        """The change as a unified diff; "" if nothing changes."""
        name = str(self.path)
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), name, name, lineterm="")
        return "\n".join(lines)


class AgentHooks:
    """The hooks of the agents in the configuration of one user."""

    def __init__(self, environment: Mapping[str, str], home: Path, socket: Path) -> None:
        """`socket` is the path of the hook socket."""
        self._environment = environment
        self._home = home
        self._socket = socket

    def is_found(self, agent: Agent) -> bool:
        """Whether an agent is installed, or has been used."""
        is_program = shutil.which(agent.program, path=self._environment.get("PATH")) is not None
        return is_program or is_folder(agent.folder(self._environment, self._home))

    def found(self) -> tuple[Agent, ...]:
        """Return the agents that are installed, or have been used."""
        return tuple(filter(self.is_found, AGENTS.values()))

    def setups(self) -> tuple[AgentSetup, ...]:
        """Return the setup of each agent that is found."""
        return tuple(map(self._setup, self.found()))

    def _setup(self, agent: Agent) -> AgentSetup:
        settings = str(self._file(agent)[0]) if agent.hooks is not None else ""
        step = agent.trust.step if agent.trust is not None else ""
        return AgentSetup(agent.kind, self.state(agent), agent.use, settings, step)

    def state(self, agent: Agent) -> HookState:
        """Return how far an agent reports to the tray."""
        if agent.hooks is None or sys.platform == "win32":
            return HookState.OBSERVED
        try:
            change = self.installation(agent)
            if change.before and (found := agent.hooks.installed(change.before)):
                if change.before != change.after:
                    return HookState.OUTDATED
                if set(found) != set(agent.hooks.seconds):
                    return HookState.PARTLY
                is_trusted = agent.trust is None or agent.trust.is_given(change.path)
                return HookState.INSTALLED if is_trusted else HookState.UNTRUSTED
        except (InstallError, InvalidJsonError):
            return HookState.UNREADABLE
        return HookState.MISSING

    def installation(self, agent: Agent) -> HookChange:
        """Return the change that installs the hooks of an agent. Raises InstallError."""
        if sys.platform == "win32":
            raise InstallError(f"hooks of {agent.kind.title} are not supported on Windows yet; it is only observed")
        if len(os.fsencode(self._socket)) > MAX_SOCKET_PATH:
            advice = "set XDG_DATA_HOME to a shorter path"
            raise InstallError(f"the path of the hook socket is too long ({self._socket}); {advice}")
        path, hooks = self._file(agent)
        before = _read(path)
        after = _edited(path, lambda: hooks.with_hooks(before, self._command()))
        return HookChange(agent, path, before, after)

    def removal(self, agent: Agent) -> HookChange:
        """Return the change that removes the hooks of an agent. Raises InstallError."""
        path, hooks = self._file(agent)
        before = _read(path)
        return HookChange(agent, path, before, _edited(path, lambda: hooks.without_hooks(before)))

    def _file(self, agent: Agent) -> tuple[Path, HookFile]:
        if agent.hooks is None:
            raise InstallError(f"{agent.kind.title} has no hooks that can be installed; it is only observed")
        return agent.folder(self._environment, self._home) / agent.hooks.name, agent.hooks

    def _command(self) -> HookCommand:
        socket = str(self._socket)
        if shutil.which("curl", path=self._environment.get("PATH")) is not None:
            return partial(_curl_command, socket)
        return partial(_python_command, socket)


def apply(change: HookChange) -> str:
    """Make a change, and return a line about it. Raises InstallError.

    A link stays a link, and the mode of the file stays. A file that has changed since it was read is left alone.
    """
    title, path = change.agent.kind.title, change.path
    if change.before == change.after:
        is_installed = change.agent.hooks is not None and change.before and change.agent.hooks.installed(change.before)
        return f"{title}: the hooks are installed already" if is_installed else f"{title}: no hooks were installed"
    if _read(path) != change.before:
        raise InstallError(f"{path} has just been changed by another program; try again")
    try:
        if change.after:
            write_privately(path.resolve(), change.after, keep_mode=True)
        else:
            path.resolve().unlink()
    except OSError as error:
        raise InstallError(f"cannot write {path}: {error.strerror}") from error
    return f"{title}: {'changed' if change.after else 'removed'} {path}"


def _edited(path: Path, edit: Callable[[], str]) -> str:
    """Return the edited text of a file. Raises InstallError if the file is not what the agent expects."""
    try:
        return edit()
    except InvalidJsonError as error:
        raise InstallError(f"{path} is not valid JSON ({error}); correct it and try again") from error


def _curl_command(socket: str, agent: str, seconds: int) -> str:
    return hook_command(agent, socket, seconds)


def _python_command(socket: str, agent: str, seconds: int) -> str:
    return python_hook_command(agent, socket, seconds, own_python())


def _read(path: Path) -> str:
    """Return the text of a file, with its line ends; "" if there is none. Raises InstallError."""
    try:
        return read_regular(path).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError(f"cannot read {path}: {error}") from error
