"""Checks of HTTP servers and of the clocks of other machines."""

from __future__ import annotations

from collections.abc import Iterator

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.serve.listing import FoundServer, clean_up
from tray.core.loopback import is_loopback
from tray.core.settings import SERVERS
from tray.core.text import clean, counted
from tray.opencode.processes import listening_addresses
from tray.system.paths import Paths

MAX_SKEW = 60_000  # ms; with a larger difference between clocks, displayed ages are wrong


def servers(context: DoctorContext) -> Iterator[Finding]:
    """Check that the HTTP servers answer and that none is open to the network without a password."""
    for server in context.servers:
        yield from _server(server, context.paths)
    for known in context.tray_servers:
        if known["source"] == "http" and known["problem"]:
            message = f"{clean(str(known['url']))}: {known['problem']}"
            yield broken("servers", message, "correct it under [[servers]] in the settings")
    healthy = sum(server.state == "healthy" for server in context.servers)
    if healthy:
        yield fine("servers", counted(healthy, "HTTP server answers", "HTTP servers answer"))
    for account in context.settings[SERVERS]:
        if account.password_env and not context.environment.get(account.password_env):
            message = f"{account.password_env}, the password for {account.url}, is not set"
            yield note("servers", message, "set this variable in the environment of the tray")


def _server(server: FoundServer, paths: Paths) -> Iterator[Finding]:
    name = f"server {server.name} ({clean(server.directory)})"
    if server.state == "locked":
        yield broken("servers", f"{name} needs a password", "add the password under [[servers]] in the settings")
    elif server.state == "silent" and server.is_server:
        command = "restart" if server.record else "stop"
        yield broken("servers", f"{name} does not answer", f"run: opencode-tray serve {command} {server.name}")
    elif server.state == "ended":
        yield note("servers", f"{name} has ended", "run: opencode-tray serve clean", lambda: _clean_up(paths))
    elif server.state == "healthy" and not server.password and _is_open(server.pid):
        fix = f"run: opencode-tray serve stop {server.name}, then start one with a password: opencode-tray serve start"
        yield broken("servers", f"{name} is open to the network without a password", fix)


def _clean_up(paths: Paths) -> str:
    removed = clean_up(paths)
    return f"removed {', '.join(removed)}" if removed else "the servers that had ended were removed already"


def _is_open(pid: int) -> bool:
    return any(not is_loopback(address) for address, _ in listening_addresses(pid))


def clocks(context: DoctorContext) -> Iterator[Finding]:
    """Check the clocks of other machines: the ages of their sessions depend on them."""
    for server in context.tray_servers:
        skew = int(server.get("clock_skew") or 0)
        if server["connected"] and abs(skew) > MAX_SKEW:
            direction = "ahead" if skew > 0 else "behind"
            message = f"the clock of {clean(str(server['host']))} is {abs(skew) // 1000} s {direction}"
            yield note("clocks", message, "synchronize both clocks (NTP): until then ages and their order are wrong")
