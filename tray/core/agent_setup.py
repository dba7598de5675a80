"""How far the agents beside OpenCode are set up on this machine."""

from __future__ import annotations

from enum import Enum

import msgspec

from tray.core.servers import AgentKind


class HookUse(Enum):
    """What the tray can do with the hooks of an agent."""

    ANSWERS = "answer its requests in the tray"
    SESSIONS = "see its sessions"
    WAITS = "see what it waits for when it runs without its daemon"


class HookState(Enum):
    """Whether an agent reports to the tray by hooks."""

    OBSERVED = "the tray has no hooks for it"
    MISSING = "not installed"
    PARTLY = "partly installed"  # the user removed some
    OUTDATED = "installed for another tray"  # its hook socket has another path
    UNTRUSTED = "installed, but not trusted"  # the agent skips them until the user trusts them
    INSTALLED = "installed"
    UNREADABLE = "its settings cannot be read"


class AgentSetup(msgspec.Struct, frozen=True):
    """An agent that was found on this machine."""

    kind: AgentKind
    hooks: HookState
    use: HookUse | None = None  # None: the tray has no hooks for it
    settings: str = ""  # the path of the file with its hooks; "" if the tray has no hooks for it
    trust_step: str = ""  # how the user trusts its hooks; "" if that is not needed
