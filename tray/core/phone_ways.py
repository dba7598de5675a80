"""The ways in which a phone can reach the page."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

STOP = "opencode-tray phone --stop"
TUNNEL_PROGRAMS = ("cloudflared", "ngrok")  # the first one needs no account


class Way(Enum):
    """A way to the page, the best one first."""

    TAILSCALE = "tailscale"
    TUNNEL = "tunnel"
    LAN_HTTPS = "lan-https"
    LAN = "lan"


NOTES: Mapping[Way, str] = MappingProxyType(
    {
        Way.TAILSCALE: "Only devices in your tailnet can open it, with an encrypted connection; Tailscale has to run "
        "on the phone",
        Way.TUNNEL: "The address is open to the whole internet until the tunnel is stopped, and the operator of the "
        "tunnel can read what is sent. Nothing is shown to a device that is not paired",
        Way.LAN_HTTPS: "The phone has to be in the same network, and has to trust the certificate of this tray once",
        Way.LAN: "The phone has to be in the same network. The page is not encrypted there: others in that network can "
        "read it. It works while it is open, without notifications; for those, see docs/channels.md",
    }
)


class PhoneAddress(NamedTuple):
    """The address with a code that begins the pairing of one phone."""

    url: str
    way: Way
    note: str  # what the way can and cannot do, and what it needs
    typed: str  # a short code for a phone on which the user opens the address and types it


class Exposure(NamedTuple):
    """A tunnel through which the whole internet can reach the page."""

    url: str  # https://HOST, without a path
    end: float  # ms since the Unix epoch
    clock: str  # the local time of the end, HH:MM

    @property
    def text(self) -> str:
        """How long it lasts."""
        return f"Exposed to the internet until {self.clock}"

    @property
    def sentence(self) -> str:
        """The same with the address, and what to do."""
        return f"{self.text}: {self.url}; to stop it: {STOP}"

    @property
    def host(self) -> str:
        """The name in the address."""
        return self.url.removeprefix("https://")


class PhoneWays(NamedTuple):
    """What the menu shows of the ways to the page. A command is the line that would be run; "" without its program."""

    exposure: Exposure | None = None
    tunnel_command: str = ""
    tunnel_hours: int = 0
    tailscale_command: str = ""  # that which begins or, on the tailnet, ends the way
    is_on_tailnet: bool = False
