"""The codes and reasons with which the listener closes WebSockets."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a connection is closed (plugin/PROTOCOL.md, "How the tray refuses")."""

    GOING_AWAY = 1001
    NO_BINARY = 1003
    UNAUTHORIZED_1 = 1008
    TOO_BIG = 1009
    OUT_OF_ORDER = 4400
    UNAUTHORIZED = 4401
    UNEXPECTED_RESULT = 4402
    TOO_LATE = 4408
    REPLACED = 4409
    TOO_MANY_BAD_FRAMES = 4429


MAX_REASON = 120  # bytes; RFC 6455 allows 123


class RejectedError(Exception):
    """The connection has to be closed with this code and reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def encode_reason(text: str) -> bytes:
    """Return the reason for a close frame, cut between two characters if it is too long."""
    return text.encode()[:MAX_REASON].decode(errors="ignore").encode()
