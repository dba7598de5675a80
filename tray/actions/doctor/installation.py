"""Checks of the installation: settings, token, plugin, autostart entry, OpenCode, and the tray's port."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, Level, broken, fine, note
from tray.actions.install import install_autostart, install_plugin, read_plugin
from tray.core.loopback import is_loopback
from tray.core.settings import HOST, PORT
from tray.core.text import clean
from tray.files.reading import read_regular
from tray.opencode.configuration import npm_configuration
from tray.storage.endpoint import read_endpoint
from tray.storage.token import TokenError, read_or_create_token, read_token
from tray.system.autostart import autostart as autostart_entry
from tray.system.autostart import startup_line
from tray.system.paths import Paths
from tray.system.resources import plugin_source
from tray.system.sandbox import find_sandbox

INSTALL_PLUGIN = "run: opencode-tray install-plugin"
# In the settings, also in a comment. `password_env` and its like hold no secret.
SECRET = re.compile(r"\b(?:password|(?:\w+_)?token|secret|topic)[\"']?\s*=|/webhooks/|\bkey[\"']?\s*=\s*[\"'][^\"']")


def sandbox(context: DoctorContext) -> Iterator[Finding]:  # noqa: ARG001
    """Check that the tray is not in a sandbox that hides the agents from it."""
    if (found := find_sandbox()) is not None:
        yield broken("sandbox", found.problem, found.advice)


def settings(context: DoctorContext) -> Iterator[Finding]:
    """Check the settings file and the variables that override it."""
    if context.settings_problem:
        yield broken("settings", context.settings_problem, f"edit {context.paths.settings}")
    elif context.settings.problems:
        for problem in context.settings.problems:
            yield note("settings", problem, "correct it; currently it has no effect, because it is overridden")
    else:
        yield fine("settings", f"the settings are valid ({context.paths.settings})")


def token(context: DoctorContext) -> Iterator[Finding]:
    """Check the token that plugins and tray share, and that no other user can read private files."""
    path = context.paths.token
    try:
        value = read_token(path)
    except TokenError as error:
        is_readable = "chmod" in str(error)
        fix = f"run: chmod 600 {path}, then: opencode-tray token rotate" if is_readable else f"correct or remove {path}"
        yield broken("token", f"the token cannot be used: {error}", fix, _make_private(path) if is_readable else None)
        return
    if value is None:
        fix = "start opencode-tray once; it creates the token"
        yield broken("token", f"{path} does not exist", fix, _create_token(path))
    else:
        yield fine("token", f"only you can read the token ({path})")
    if sys.platform == "win32":
        return
    for private in _private_files(context.paths):
        if private.exists() and private.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            fix = f"run: chmod 600 {private}"
            yield broken("private files", f"other users can read {private}", fix, _make_private(private))


def _private_files(paths: Paths) -> Iterator[Path]:
    """Yield the files that contain secrets or texts of sessions."""
    yield from (paths.cache, paths.audit, paths.history, paths.devices, paths.channels, paths.team)
    yield from (*paths.servers.glob("*.json"), *paths.certificates.glob("*.key"))
    try:
        if SECRET.search(read_regular(paths.settings).decode("utf-8", "replace")):
            yield paths.settings
    except OSError:
        return  # there is no settings file, or `settings` reports the error


def _make_private(path: Path) -> Callable[[], str]:
    def make_private() -> str:
        path.chmod(0o600)
        return f"only you can read {path} now"

    return make_private


def _create_token(path: Path) -> Callable[[], str]:
    def create() -> str:
        read_or_create_token(path)
        return f"created {path}"

    return create


def plugin(context: DoctorContext) -> Iterator[Finding]:
    """Check that this version's plugin is installed."""
    path = context.paths.plugin
    try:
        installed = read_plugin(path)
    except OSError as error:
        yield broken("plugin", f"cannot read {path}: {error}", f"move it away, then {INSTALL_PLUGIN}")
        return
    npm = npm_configuration(path.parent.parent)
    if installed is None and npm is not None:
        yield fine("plugin", f"OpenCode loads the plugin from npm ({npm})")
    elif installed is None:
        finding = broken("plugin", "the plugin is not installed", INSTALL_PLUGIN, lambda: install_plugin(path))
        yield replace(finding, level=_level_without_opencode(context))
    elif installed != plugin_source().read_bytes():
        yield broken(
            "plugin", "another version of the plugin is installed", INSTALL_PLUGIN, lambda: install_plugin(path)
        )
    else:
        yield fine("plugin", f"the plugin is installed and current ({path})")


def autostart(context: DoctorContext) -> Iterator[Finding]:  # noqa: ARG001
    """Check the program that the autostart entry starts, if there is an entry."""
    entry = autostart_entry()
    try:
        command = entry.read()
    except OSError as error:
        yield broken(
            "autostart", f"cannot read {entry.place}: {error}", "move it away, then run: opencode-tray install"
        )
        return
    if command is not None and (not command or shutil.which(command[0]) is None):
        message = f"the program that {entry.place} starts does not exist"
        yield broken("autostart", message, "run: opencode-tray install", lambda: install_autostart(entry))
    elif command is not None and (line := startup_line(os.environ)) and entry.place.endswith(".desktop"):
        fix = f"run opencode-tray install, or add this line to its configuration: {line}"
        yield note("autostart", f"this desktop does not read {entry.place}", fix)
    elif command is not None:
        yield fine("autostart", f"the tray starts at login ({entry.place})")


def opencode(context: DoctorContext) -> Iterator[Finding]:
    """Check the OpenCode that new terminals would start, and the versions of those that run."""
    if shutil.which(context.program) is None:
        fix = "see https://opencode.ai/docs, or set attach.opencode to its path"
        finding = broken("opencode", f"{context.program} was not found", fix)
        yield replace(finding, level=_level_without_opencode(context))
    elif context.version.startswith("0."):
        message = f"OpenCode {context.version} is too old: its sessions can be seen, but not answered"
        yield note("opencode", message, "run: opencode upgrade")
    else:
        yield fine("opencode", f"OpenCode {context.version or '?'} is {shutil.which(context.program)}")
    running = [server for server in context.tray_servers if server["connected"] and server["agent_kind"] == "opencode"]
    for version in sorted({str(server["version"]) for server in running}):
        if version.startswith("1.14."):
            message = f"OpenCode {version} is running: its terminal UI does not receive answers from the tray"
            yield note("opencode", message, "run: opencode upgrade, and restart it")
        elif version.startswith("1.0."):
            message = f"OpenCode {version} is running: it does not accept a message with a rejection"
            yield note("opencode", message, "run: opencode upgrade, and restart it")


def _level_without_opencode(context: DoctorContext) -> Level:
    """Return how serious it is that OpenCode is not set up: it is not, for a user of other agents only."""
    if shutil.which(context.program) is None and context.agent_hooks.found():
        return Level.NOTE
    return Level.BROKEN


def port(context: DoctorContext) -> Iterator[Finding]:
    """Check the port on which the tray listens for plugins, or would listen."""
    number, host, owner = context.address.port, context.settings[HOST], context.port_owner
    if context.status is not None:
        yield fine("port", f"the tray listens on {context.address}")
        yield from _changed_port(context)
    elif (endpoint := read_endpoint(context.paths.endpoint)) is not None and endpoint.port != number:
        message = f"the tray listens on port {endpoint.port}, but the configured port is {number}"
        yield broken("port", message, f"unset {_port_source(context)} to use the running tray")
    elif owner is not None and context.settings.source(PORT) == "default":
        message = f"port {number} is in use by {owner}: the tray will use another port"
        yield note("port", message, "run: opencode-tray")
    elif owner is not None:
        fix = f"stop {owner}, or remove listener.port from the settings: the tray then finds a free port"
        yield broken("port", f"port {number} is in use by {owner}, not by OpenCode Tray", fix)
    else:
        yield note("port", f"no tray is running (no program listens on port {number})", "run: opencode-tray")
    if not is_loopback(host):
        fix = "set listener.host to 127.0.0.1, and connect other machines with ssh -R"
        yield note("port", f"the listener is open to the network ({host})", fix)


def _changed_port(context: DoctorContext) -> Iterator[Finding]:
    wanted, source = context.settings[PORT], context.settings.source(PORT)
    if source != "default" and wanted not in (0, context.address.port):
        message = (
            f"the tray listens on port {context.address.port}, but the configured port is {wanted} ({clean(source)})"
        )
        yield note("port", message, "run: opencode-tray stop, then: opencode-tray")


def _port_source(context: DoctorContext) -> str:
    """Return the name of the environment variable or option that sets the port."""
    source = context.settings.source(PORT)
    return source if source in PORT.environment else "--port"
