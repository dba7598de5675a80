"""What a source may be asked to do, and how that can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from enum import Enum
from typing import Any, Protocol

CALL_TIMEOUT = 10.0  # s that a source gets to do what a person asked for


class CallErrorKind(Enum):
    """Why a call did nothing, or may have done nothing."""

    NOT_FOUND = "not found"  # OpenCode does not know it (any more)
    UNSUPPORTED = "not supported"  # by this version of OpenCode, or of the plugin
    REFUSED = "refused"  # OpenCode said no
    SILENT = "silent"  # no answer in time: it may have been done
    GONE = "gone"  # the connection is lost: it may have been done
    WATCH_ONLY = "watch only"  # the link has not proven the token: nothing is ever asked of it


class CallError(Exception):
    """A call to a source failed; the text says how, to a person."""

    def __init__(self, text: str, kind: CallErrorKind = CallErrorKind.REFUSED) -> None:
        super().__init__(text)
        self.kind = kind


class SourceCall(Protocol):
    """Asks the source of this server to do `method`; returns its answer as plain JSON values. Raises CallError."""

    def __call__(self, server_id: str, method: str, params: Mapping[str, Any]) -> Awaitable[Any]:
        """Methods and parameters are those of plugin/PROTOCOL.md, "Calls"."""
