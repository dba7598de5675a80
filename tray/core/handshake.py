"""The proofs of the handshakes: both sides show that they have a token without sending it.

plugin/PROTOCOL.md describes that of plugins and commands, docs/page.md that of browsers.
"""

from __future__ import annotations

import hmac
from enum import Enum


class Side(Enum):
    """The side that sends a proof. Each has its own label, so a proof cannot be replayed as the other side's."""

    TRAY = "opencode-tray 2 tray"
    PLUGIN = "opencode-tray 2 plugin"
    CLIENT = "opencode-tray 2 client"
    PAGE = "opencode-tray page"  # the tray, to a browser
    BROWSER = "opencode-tray browser"


def proof(side: Side, token: str, instance: str, hello_nonce: str, challenge_nonce: str) -> str:
    """Return the HMAC-SHA256 of the label, the instance and both nonces, in hex.

    `instance` is what the proof is for: one start of a plugin or command, or the host of the page.
    """
    message = f"{side.value}\n{instance}\n{hello_nonce}\n{challenge_nonce}"
    return hmac.new(token.encode(), message.encode(), "sha256").hexdigest()


def same(first: str, second: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(first.encode("utf-8", "surrogatepass"), second.encode("utf-8", "surrogatepass"))
