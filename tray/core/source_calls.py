"""Calls to a source: what the tray asks an OpenCode to do, and how that can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from enum import Enum
from typing import Any, Protocol

CALL_TIMEOUT = 10.0  # s


class CallErrorKind(Enum):
    """Why a call had no effect, or may have had none."""

    NOT_FOUND = "not found"  # OpenCode does not know the session or request (any more)
    UNSUPPORTED = "not supported"  # by this version of OpenCode or of the plugin
    REFUSED = "refused"  # OpenCode refused
    SILENT = "silent"  # no answer in time: the call may have had its effect
    GONE = "gone"  # the connection was lost: the call may have had its effect
    READ_ONLY = "read only"  # the connection has not proven the token: nothing is sent to it


class CallError(Exception):
    """A call to a source failed. The text is shown to the user."""

    def __init__(self, text: str, kind: CallErrorKind = CallErrorKind.REFUSED) -> None:
        super().__init__(text)
        self.kind = kind


class SourceCall(Protocol):
    """Calls a method of the source that reports a server; returns the result as plain JSON values. Raises CallError."""

    def __call__(self, server_id: str, method: str, params: Mapping[str, Any]) -> Awaitable[Any]:
        """Methods and parameters are those of plugin/PROTOCOL.md, "Calls"."""
