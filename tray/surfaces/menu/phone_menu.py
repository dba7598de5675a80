"""The items for phones: that the page is exposed, a phone that wants to pair, and the ways to the page."""

from __future__ import annotations

from tray.core.commands import CloseWays, CopyText, DecidePairing, OpenTunnel, ServeOnTailnet, ShowPhoneCode
from tray.core.devices import Scope
from tray.core.pairing import PendingPairing
from tray.core.phone_ways import Exposure, PhoneWays, Way
from tray.core.text import shorten
from tray.surfaces.menu.items import Entry, Item

NAME_COLUMNS = 40
PHONE_MENU = ("phone",)  # its submenu ID


def exposure_entry(exposure: Exposure) -> Item:
    """Return an item that says that the internet reaches the page, with which to stop that."""
    return Item(
        "exposed",
        f"Exposed: {exposure.url} until {exposure.clock}",
        children=(
            Item("stop", "Stop", CloseWays(Way.TUNNEL)),
            Item("copy", "Copy the address", CopyText(exposure.url)),
        ),
    )


def pairing_entry(pairing: PendingPairing) -> Item:
    """Return an item with the decisions. The number has to be the one on the phone."""
    name = shorten(pairing.name, NAME_COLUMNS)
    return Item(
        f"pairing:{pairing.id}",
        f"Pair {name}, which shows {pairing.number}?",
        children=(
            Item("answer", "Allow it to answer requests, but never always", DecidePairing(pairing.id, Scope.ANSWER)),
            Item("watch", "Allow it to watch only", DecidePairing(pairing.id, Scope.WATCH)),
            Item("refuse", "Refuse", DecidePairing(pairing.id, None)),
        ),
    )


def phone_entries(ways: PhoneWays) -> tuple[Entry, ...]:
    """Return the contents of the *Phone* submenu. What runs a program shows the command first."""
    return (Item("pair", "Pair a phone…", ShowPhoneCode()), _tailnet_item(ways), _tunnel_item(ways))


def _tailnet_item(ways: PhoneWays) -> Item:
    if not ways.tailscale_command:
        return Item("tailscale", "Tailscale is not installed")
    if ways.is_on_tailnet:
        run = Item("run", f"Run: {ways.tailscale_command}", CloseWays(Way.TAILSCALE))
        return Item("tailscale", "Take it out of your tailnet", children=(run,))
    run = Item("run", f"Run: {ways.tailscale_command}", ServeOnTailnet())
    return Item("tailscale", "Show it in your tailnet (private, encrypted)", children=(run,))


def _tunnel_item(ways: PhoneWays) -> Item:
    if ways.exposure is not None:
        return Item("tunnel", "Close the tunnel from the internet", CloseWays(Way.TUNNEL))
    if not ways.tunnel_command:
        return Item("tunnel", "For a tunnel, install cloudflared or ngrok")
    run = Item("run", f"Run: {ways.tunnel_command}", OpenTunnel())
    return Item("tunnel", f"Expose it to the internet for {ways.tunnel_hours} h", children=(run,))
