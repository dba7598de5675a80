"""Checks of what is installed: settings, token, plugin, OpenCode, the listener."""

from __future__ import annotations

import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tray.actions.autostart import install_autostart
from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.plugin_file import install_plugin, installed_version
from tray.core.loopback import is_loopback
from tray.core.settings import HOST, PORT
from tray.core.text import clean
from tray.storage.endpoint import read_endpoint
from tray.storage.token import TokenError, read_or_create_token, read_token
from tray.system.autostart import autostart
from tray.system.paths import Paths
from tray.system.resources import plugin_source

INSTALL = "run: opencode-tray install-plugin"
PASSWORD = re.compile(r"\bpassword[\"']?\s*=")  # in the settings, also in a comment; `password_env` holds none


def settings(scene: DoctorContext) -> Iterator[Finding]:
    """The settings file."""
    if scene.settings_problem:
        yield broken("settings", scene.settings_problem, f"edit {scene.paths.settings}")
    elif scene.settings.problems:
        yield from (
            note("settings", problem, "correct it; until then something stronger counts")
            for problem in scene.settings.problems
        )
    else:
        yield fine("settings", f"settings are valid ({scene.paths.settings})")


def token(scene: DoctorContext) -> Iterator[Finding]:
    """The secret between plugins and tray, and other files that only their owner may read."""
    path = scene.paths.token
    try:
        known = read_token(path)
    except TokenError as error:
        open_to_others = "chmod" in str(error)
        fix = f"run: chmod 600 {path}, then: opencode-tray token rotate" if open_to_others else f"mend or remove {path}"
        yield broken("token", f"the token cannot be used: {error}", fix, _closer(path) if open_to_others else None)
        return
    if known is None:
        yield broken(
            "token", f"there is no token at {path}", "start opencode-tray once; it makes one", _token_maker(path)
        )
    else:
        yield fine("token", f"the token is yours alone ({path})")
    if sys.platform == "win32":
        return
    for private in _private_files(scene.paths):
        if private.exists() and private.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield broken(
                "private files", f"{private} can be read by others", f"run: chmod 600 {private}", _closer(private)
            )


def _private_files(paths: Paths) -> Iterator[Path]:
    """The files that hold, or tell of, what is the owner's alone."""
    yield from (paths.cache, paths.audit, *paths.servers.glob("*.json"))
    try:
        if PASSWORD.search(paths.settings.read_text(encoding="utf-8", errors="replace")):
            yield paths.settings
    except OSError:
        return  # there is none, or the check of the settings tells of it


def _closer(path: Path) -> Callable[[], str]:
    def close() -> str:
        path.chmod(0o600)
        return f"{path} is yours alone now"

    return close


def _token_maker(path: Path) -> Callable[[], str]:
    def make() -> str:
        read_or_create_token(path)
        return f"made {path}"

    return make


def plugin(scene: DoctorContext) -> Iterator[Finding]:
    """Our plugin: there and current."""
    path = scene.paths.plugin
    try:
        installed = installed_version(path)
        current = installed is not None and path.read_bytes() == plugin_source().read_bytes()
    except OSError as error:
        yield broken("plugin", f"{path} cannot be read: {error}", "move it away, then: opencode-tray install-plugin")
        return
    if installed is None:
        yield broken("plugin", "the plugin is not installed", INSTALL, lambda: install_plugin(path))
    elif not current:
        yield broken("plugin", "the installed plugin is another version", INSTALL, lambda: install_plugin(path))
    else:
        yield fine("plugin", f"the plugin is installed and current ({path})")


def at_login(scene: DoctorContext) -> Iterator[Finding]:  # noqa: ARG001
    """What starts the tray at login, where that was asked for."""
    entry = autostart()
    try:
        command = entry.read()
    except OSError as error:
        yield broken("autostart", f"{entry.place} cannot be read: {error}", "move it away, then: opencode-tray install")
        return
    if command is not None and (not command or shutil.which(command[0]) is None):
        told = f"{entry.place} starts a program that is gone"
        yield broken("autostart", told, "run: opencode-tray install", lambda: install_autostart(entry))
    elif command is not None:
        yield fine("autostart", f"the tray starts at login ({entry.place})")


def opencode(scene: DoctorContext) -> Iterator[Finding]:
    """OpenCode itself: the one that new terminals would start, and those that run."""
    if shutil.which(scene.program) is None:
        yield broken(
            "opencode",
            f"{scene.program} was not found",
            "see https://opencode.ai/docs, or set attach.opencode to its path",
        )
    elif scene.version.startswith("0."):
        yield note(
            "opencode", f"OpenCode {scene.version} is old: sessions can be seen, not answered", "run: opencode upgrade"
        )
    else:
        yield fine("opencode", f"OpenCode {scene.version or '?'} is {shutil.which(scene.program)}")
    for version in sorted({str(server["opencode"]) for server in scene.told if server["connected"]}):
        if version.startswith("1.14."):
            told = f"OpenCode {version} runs: its terminal UI takes no answers from here"
            yield note("opencode", told, "run: opencode upgrade, and start it again")
        elif version.startswith("1.0."):
            yield note(
                "opencode", f"OpenCode {version} runs: it takes no message with a rejection", "run: opencode upgrade"
            )


def port(scene: DoctorContext) -> Iterator[Finding]:
    """The listener: where it is, and whether it can be where it should."""
    number, host = scene.address.port, scene.settings[HOST]
    if scene.report is not None:
        yield fine("port", f"the tray listens on {scene.address}")
        yield from _port_set_otherwise(scene)
    elif (elsewhere := read_endpoint(scene.paths.endpoint)) is not None and elsewhere.port != number:
        told = f"no tray listens on port {number}, but one on port {elsewhere.port}"
        yield broken("port", told, f"ask for no other port: leave {_variable(scene)} unset")
    elif scene.holder is not None and scene.settings.source(PORT) == "default":
        yield note("port", f"{scene.holder} has port {number}: the tray will take another", "run: opencode-tray")
    elif scene.holder is not None:
        fix = "stop it, or take listener.port out of the settings: the tray finds a free port by itself"
        yield broken("port", f"{scene.holder} has port {number}, and is no tray of yours", fix)
    else:
        yield note("port", f"no tray runs (nothing listens on port {number})", "run: opencode-tray")
    if not is_loopback(host):
        yield note(
            "port", f"the listener is open to the network ({host})", "set listener.host to 127.0.0.1, and use ssh -R"
        )


def _port_set_otherwise(scene: DoctorContext) -> Iterator[Finding]:
    wanted, source = scene.settings[PORT], scene.settings.source(PORT)
    if source != "default" and wanted not in (0, scene.address.port):
        told = f"the tray listens on port {scene.address.port}, and port {wanted} is set ({clean(source)})"
        yield note("port", told, "run: opencode-tray stop, then: opencode-tray")


def _variable(scene: DoctorContext) -> str:
    source = scene.settings.source(PORT)
    return source if source in PORT.environment else "--port"
