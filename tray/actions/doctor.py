"""Checks of the installation: for each finding one line, and one line that mends it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tray.actions.plugin_file import installed_version
from tray.core.problem import Problem
from tray.core.settings import HOST, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import TokenError, read_token
from tray.system import notification_daemon
from tray.system.paths import Paths
from tray.system.ports import holder
from tray.system.resources import plugin_source


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what mends it; `fix` is empty where all is well."""

    check: str
    told: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.fix


def examine(paths: Paths, environment: Mapping[str, str], port: int | None = None) -> list[Finding]:
    """Look at everything once, on this port or the configured one; changes nothing. Takes up to 2 s."""
    return [
        _settings(paths, environment),
        _token(paths),
        _plugin(paths),
        _opencode(),
        _port(paths, environment, port),
        asyncio.run(_notifications()),
    ]


def summary(findings: list[Finding]) -> str:
    """What is wrong, a line each; or that nothing is."""
    wrong = [f"{finding.told} — {finding.fix}" for finding in findings if not finding.ok]
    return "\n".join(wrong) if wrong else "Everything is in order."


def _settings(paths: Paths, environment: Mapping[str, str]) -> Finding:
    try:
        load_settings(paths.settings, environment, {})
    except Problem as error:
        return Finding("settings", str(error), f"edit {paths.settings}")
    return Finding("settings", f"settings are valid ({paths.settings})")


def _token(paths: Paths) -> Finding:
    if not paths.token.exists():
        return Finding("token", f"no token at {paths.token}", "start opencode-tray once; it makes one")
    try:
        read_token(paths.token)
    except TokenError as error:
        return Finding("token", f"the token cannot be used: {error}", f"mend or remove {paths.token}")
    return Finding("token", f"the token is yours alone ({paths.token})")


def _plugin(paths: Paths) -> Finding:
    try:
        installed = installed_version(paths.plugin)
    except OSError as error:
        return Finding(
            "plugin", f"{paths.plugin} cannot be read: {error}", "move it away, then: opencode-tray install-plugin"
        )
    if installed is None:
        return Finding("plugin", "the plugin is not installed", "run: opencode-tray install-plugin")
    if paths.plugin.read_bytes() != plugin_source().read_bytes():
        return Finding("plugin", "the installed plugin is another version", "run: opencode-tray install-plugin")
    return Finding("plugin", f"the plugin is installed and current ({paths.plugin})")


def _opencode() -> Finding:
    found = shutil.which("opencode")
    if found is None:
        return Finding("opencode", "opencode is not on the PATH", "see https://opencode.ai/docs")
    return Finding("opencode", f"OpenCode is {found}")


def _port(paths: Paths, environment: Mapping[str, str], port: int | None) -> Finding:
    try:
        settings = load_settings(paths.settings, environment, {PORT.key: port})
    except Problem:
        return Finding("port", "the port is not known", "mend the settings first")
    process = holder(settings[PORT])
    if process is None:
        return Finding("port", f"nothing listens on port {settings[PORT]}", "run: opencode-tray")
    return Finding("port", f"{process} listens on {settings[HOST]}:{settings[PORT]}")


async def _notifications() -> Finding:
    daemon = await notification_daemon.find()
    if daemon is None:
        fix = "start a notification daemon (for example dunst)" if sys.platform == "linux" else "allow notifications"
        return Finding("notifications", "no notification daemon answers", fix)
    return Finding("notifications", f"notifications go to {daemon.name}")
