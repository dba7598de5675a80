"""The proofs of the handshake: both sides show that they have the token without sending it (plugin/PROTOCOL.md)."""

from __future__ import annotations

import hmac
from enum import Enum


class Side(Enum):
    """The side that sends a proof. Each has its own label, so a proof cannot be replayed as the other side's."""

    TRAY = "opencode-tray 2 tray"
    PLUGIN = "opencode-tray 2 plugin"
    CLIENT = "opencode-tray 2 client"


def proof(side: Side, token: str, instance: str, hello_nonce: str, challenge_nonce: str) -> str:
    """Return the HMAC-SHA256 of the label, the instance and both nonces, in hex."""
    message = f"{side.value}\n{instance}\n{hello_nonce}\n{challenge_nonce}"
    return hmac.new(token.encode(), message.encode(), "sha256").hexdigest()


def same(first: str, second: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(first.encode("utf-8", "surrogatepass"), second.encode("utf-8", "surrogatepass"))
