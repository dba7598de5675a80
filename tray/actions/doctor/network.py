"""Checks of what is connected to: HTTP servers, and other machines' clocks."""

from __future__ import annotations

from collections.abc import Iterator

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.serve.listing import FoundServer, clean_up
from tray.core.loopback import is_loopback
from tray.core.settings import SERVERS
from tray.core.text import clean, counted
from tray.opencode.processes import listening_addresses

SKEW = 60_000  # ms by which clocks may differ before ages on the screen are wrong
CORRECT = "correct it under [[servers]] in the settings"


def servers(scene: DoctorContext) -> Iterator[Finding]:
    """The HTTP servers: reachable, and not open to everybody."""
    for server in scene.servers:
        yield from _server(server, scene)
    for known in scene.told:
        if known["source"] == "http" and known["problem"]:
            yield broken("servers", f"{clean(str(known['url']))}: {known['problem']}", CORRECT)
    healthy = sum(server.state == "healthy" for server in scene.servers)
    if healthy:
        yield fine("servers", counted(healthy, "HTTP server answers", "HTTP servers answer"))
    for account in scene.settings[SERVERS]:
        if account.password_env and not scene.environment.get(account.password_env):
            told = f"{account.password_env} is not set, for {account.url}"
            yield note("servers", told, "set it where the tray is started")


def _server(server: FoundServer, scene: DoctorContext) -> Iterator[Finding]:
    name = f"server {server.name} ({clean(server.directory)})"
    if server.state == "locked":
        yield broken("servers", f"{name} wants a password", "put it under [[servers]] in the settings")
    elif server.state == "silent" and server.is_server:
        deed = "restart" if server.record else "stop"
        yield broken("servers", f"{name} does not answer", f"run: opencode-tray serve {deed} {server.name}")
    elif server.state == "ended":
        mend = lambda: f"removed {', '.join(clean_up(scene.paths))}"  # noqa: E731  # one line, one use
        yield note("servers", f"{name} has ended", "run: opencode-tray serve clean", mend)
    elif server.state == "healthy" and not server.password and _is_open(server.pid):
        fix = f"run: opencode-tray serve stop {server.name}; one with a password: opencode-tray serve start"
        yield broken("servers", f"{name} is open to the network without a password", fix)


def _is_open(pid: int) -> bool:
    return any(not is_loopback(address) for address, _ in listening_addresses(pid))


def clocks(scene: DoctorContext) -> Iterator[Finding]:
    """Other machines' clocks: ages are told by them."""
    for server in scene.told:
        skew = int(server.get("clock_skew") or 0)
        if server["connected"] and abs(skew) > SKEW:
            ahead = "ahead" if skew > 0 else "behind"
            told = f"the clock of {clean(str(server['host']))} is {abs(skew) // 1000} s {ahead}"
            yield note("clocks", told, "set both clocks (NTP): ages and orders of sessions are wrong until then")
