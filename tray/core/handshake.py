"""Both sides prove that they hold the token; the token itself never travels (plugin/PROTOCOL.md)."""

from __future__ import annotations

import hmac
from enum import Enum


class Side(Enum):
    """Who proves. The label keeps a proof of one side from being played back as the other's."""

    TRAY = "opencode-tray 2 tray"
    PLUGIN = "opencode-tray 2 plugin"
    CLIENT = "opencode-tray 2 client"


def proof(side: Side, token: str, instance: str, hello_nonce: str, challenge_nonce: str) -> str:
    """HMAC-SHA256 over the label and both nonces, in hex."""
    message = f"{side.value}\n{instance}\n{hello_nonce}\n{challenge_nonce}"
    return hmac.new(token.encode(), message.encode(), "sha256").hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
