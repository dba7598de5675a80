"""What an agent reports by a hook, in terms that all agents share. Its own payloads are decoded in its folder."""

from __future__ import annotations

import msgspec


class _Reported(msgspec.Struct, frozen=True, kw_only=True):
    transcript: str = ""  # the path of the session's transcript; "": not needed, or not reported


class HookEvent(_Reported, frozen=True):
    """Something that happened in a session. `session_id` is the agent's own id."""

    session_id: str
    directory: str = ""  # "": not reported


class SessionStarted(HookEvent, frozen=True):
    """A session was opened or resumed; no turn is running."""


class TurnStarted(HookEvent, frozen=True):
    """The user sent a prompt, or the agent goes on by itself. `prompt` is "" if there is none."""

    prompt: str = ""


class ToolStarted(HookEvent, frozen=True):
    """A tool started."""

    tool: str = ""


class ToolEnded(HookEvent, frozen=True):
    """A tool ended; what it asked for is answered."""

    tool: str = ""


class PermissionShown(HookEvent, frozen=True):
    """The agent asks for a permission in its terminal."""

    title: str = ""  # the tool
    detail: str = ""  # what it is about to do


class TurnEnded(HookEvent, frozen=True):
    """The agent finished its turn. `output` is its last message."""

    output: str = ""


class TurnFailed(HookEvent, frozen=True):
    """An error ended the turn."""

    message: str = ""


class TurnStopped(HookEvent, frozen=True):
    """The user stopped the turn."""


class SessionEnded(HookEvent, frozen=True):
    """The session was closed. It may be reported several times."""


Hook = (
    SessionStarted
    | TurnStarted
    | ToolStarted
    | ToolEnded
    | PermissionShown
    | TurnEnded
    | TurnFailed
    | TurnStopped
    | SessionEnded
)
