"""What the tray knows of a coding agent besides its sessions: where its files are, and how it reports to the tray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tray.agents.hook_file import HookFile
from tray.core.agent_setup import HookUse
from tray.core.servers import AgentKind

Folder = Callable[[Mapping[str, str], Path], Path]  # (environment, home folder of the user) -> folder


class Trust(NamedTuple):
    """How an agent lets the user trust hooks."""

    is_given: Callable[[Path], bool]  # returns whether the hooks in this file are trusted
    step: str  # what the user has to do


class Agent(msgspec.Struct, frozen=True):
    """One coding agent. Each has a folder in this package; `tray.agents.catalog` lists them."""

    kind: AgentKind
    program: str  # the name of its executable
    folder: Folder  # returns its configuration folder
    hooks: HookFile | None = None  # that the tray installs
    use: HookUse | None = None  # what the hooks are for
    trust: Trust | None = None  # for an agent that runs only hooks that the user has trusted
