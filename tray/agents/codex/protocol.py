"""The frames of Codex' daemon ("app server"): JSON-RPC without its version field. Unknown fields are ignored."""

from __future__ import annotations

from typing import Any

import msgspec

from tray.agents.codex.rollout import USER

FrameId = int | str


class RpcError(msgspec.Struct, frozen=True):
    """Why a call failed."""

    message: str = ""


class Frame(msgspec.Struct, frozen=True):
    """A notification (no id), a request of the daemon (method and id), or the response to a call (no method)."""

    method: str = ""
    id: FrameId | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: RpcError | None = None


class ThreadStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What a thread is doing."""

    type: str = ""  # "idle", "active", "systemError": idle after an error, "notLoaded"
    active_flags: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether a turn is running."""
        return self.type == "active"

    @property
    def is_loaded(self) -> bool:
        """Whether the daemon has the thread open."""
        return self.type != "notLoaded"

    @property
    def is_waiting(self) -> bool:
        """Whether the turn waits for the user. While Codex' automatic reviewer decides, it does not."""
        return self.is_active and any(flag.startswith("waitingOn") for flag in self.active_flags)


class Thread(msgspec.Struct, frozen=True, rename="camel"):
    """A thread, as the daemon describes it. Times are in s since the Unix epoch."""

    id: str
    cwd: str = ""
    name: str | None = None
    path: str | None = None  # of its rollout
    ephemeral: bool = False
    parent_thread_id: str | None = None
    thread_source: str | None = None
    created_at: int = 0
    updated_at: int = 0
    status: ThreadStatus = ThreadStatus()

    @property
    def is_session(self) -> bool:
        """Whether it belongs to the user. Codex itself needs threads for titles, reviews and memories."""
        return is_session(self.thread_source or USER) and not self.ephemeral


class ThreadAnswer(msgspec.Struct, frozen=True):
    """The result of `thread/read`, and the parameters of `thread/started`."""

    thread: Thread


class StatusChanged(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters of `thread/status/changed`."""

    thread_id: str = ""
    status: ThreadStatus = ThreadStatus()


class ThreadNamed(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters of `thread/name/updated`."""

    thread_id: str = ""
    thread_name: str | None = None


class ThreadClosed(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters of `thread/closed`."""

    thread_id: str = ""


class RequestResolved(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters of `serverRequest/resolved`: a request was answered by any client, or dropped."""

    thread_id: str = ""
    request_id: FrameId = 0


class LoadedThreads(msgspec.Struct, frozen=True):
    """The result of `thread/loaded/list`."""

    data: tuple[str, ...] = ()


class Initialized(msgspec.Struct, frozen=True, rename="camel"):
    """The result of `initialize`."""

    user_agent: str = ""  # "codex-tui/0.171.0 (Debian 12.0.0; x86_64) …"

    @property
    def version(self) -> str:
        """The daemon's version."""
        return self.user_agent.partition("/")[2].partition(" ")[0]


def is_session(purpose: str) -> bool:
    """Whether a thread with this purpose belongs to the user: it is the user's own, or a subagent of such a thread."""
    return purpose == USER or purpose.startswith("subagent")


# Notifications that the tray does not use: most of the traffic of a running turn.
UNUSED = (
    "item/agentMessage/delta", "item/plan/delta", "item/reasoning/summaryTextDelta", "item/reasoning/summaryPartAdded",
    "item/reasoning/textDelta", "item/commandExecution/outputDelta", "item/fileChange/outputDelta",
    "item/fileChange/patchUpdated", "item/mcpToolCall/progress", "item/started", "item/completed",
    "rawResponseItem/completed", "hook/started", "hook/completed", "turn/diff/updated", "turn/plan/updated",
    "thread/tokenUsage/updated", "account/rateLimits/updated", "thread/readState/changed",
)  # fmt: skip


def initialize_parameters(version: str) -> dict[str, Any]:
    """Return the parameters of `initialize`, with the tray's version."""
    return {
        "clientInfo": {"name": "opencode-tray", "title": "OpenCode Tray", "version": version},
        "capabilities": {"experimentalApi": True, "optOutNotificationMethods": list(UNUSED)},
    }
