"""Checks of the connections: which OpenCodes report by plugin, and why another one does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, fine, note
from tray.actions.plugin_file import installed_version
from tray.core.text import clean, counted
from tray.opencode.processes import OpenCodeProcess
from tray.system.paths import opencode_config
from tray.system.resources import plugin_source

AGAIN = "end it and start it again"
# What leads the plugin to another tray, or to another token, than those of this person.
ADDRESS = ("OPENCODE_MONITOR_HOST", "OPENCODE_MONITOR_PORT")
TOKEN = ("OPENCODE_MONITOR_TOKEN", "OPENCODE_TRAY_TOKEN_FILE", "XDG_DATA_HOME")


def connections(scene: DoctorContext) -> Iterator[Finding]:
    """Who is connected by plugin, and who of this machine is not."""
    if scene.report is None:
        return
    plugins = [server for server in scene.told if server["source"] == "plugin" and server["connected"]]
    here = {server["pid"] for server in plugins if server["host"] == scene.host}
    for process in scene.processes:
        if process.pid not in here and not process.is_server:
            told, fix = _why_not(process, scene)
            name = f"OpenCode in {clean(process.directory)} (process {process.pid})"
            yield note("plugin loaded", f"{name} {told}", f"{fix}; until then it is only seen from outside")
    version = _version_of(plugin_source().read_text(encoding="utf-8"))
    for server in plugins:
        if server["plugin"] and server["plugin"] != version:
            told = f"OpenCode in {clean(server['directory'])} on {clean(server['host'])} runs plugin {server['plugin']}"
            yield note("plugin loaded", f"{told}; this is {version}", "install the plugin there, and start it again")
    if plugins:
        yield fine("plugin loaded", f"{counted(len(plugins), 'OpenCode reports', 'OpenCodes report')} by plugin")


def _why_not(process: OpenCodeProcess, scene: DoctorContext) -> tuple[str, str]:
    """What is known of why it is not connected, and what to do.

    That it has not loaded the plugin is said only where it is known.
    """
    environment = process.environment  # empty where it cannot be read: then it is taken for ours
    files = [file for file in _plugin_files(environment, scene) if installed_version(file) is not None]
    if "--pure" in process.arguments or environment.get("OPENCODE_PURE"):
        return "was started without plugins (--pure)", "start it without that"
    if not files:
        return "has not loaded the plugin, which is not installed for it", _how_to_install(environment, scene)
    if process.started < min(file.stat().st_mtime for file in files):
        return "was started before the plugin was installed or updated", AGAIN
    return _why_not_connected(environment, scene)


def _why_not_connected(environment: Mapping[str, str], scene: DoctorContext) -> tuple[str, str]:
    """The same of one that has the plugin."""
    told = f"is not connected to the tray at {scene.address}"
    for name in ADDRESS:
        given = environment.get(name, "")
        if given and not _leads_to(given, scene):
            return f"{told}: its {name} is {clean(given)}", f"start it without {name}"
    for name in TOKEN:
        if environment and environment.get(name, "") != scene.environment.get(name, ""):
            return f"{told}: its {name} is not the one that is set here", f"start it with the same {name}"
    return told, f"it tries at least every 30 s; if it stays away, {AGAIN}"


def _leads_to(given: str, scene: DoctorContext) -> bool:
    """Whether this value, a port or a list of hosts, may mean the tray's address."""
    host, port = scene.address.host, str(scene.address.port)
    if given.isdigit():
        return given == port
    return any(item.strip() in (host, f"{host}:{port}", str(scene.address), "localhost") for item in given.split(","))


def _plugin_files(environment: Mapping[str, str], scene: DoctorContext) -> list[Path]:
    """Where a process with this environment reads our plugin from, if it is there."""
    usual = {name: value for name, value in environment.items() if name != "OPENCODE_CONFIG_DIR"}
    folders = {opencode_config(environment), opencode_config(usual)} if environment else set()
    name = scene.paths.plugin.name
    found = [folder / kind / name for folder in folders for kind in ("plugin", "plugins")]
    return found or [scene.paths.plugin, scene.paths.plugin.parent.with_name("plugins") / name]


def _how_to_install(environment: Mapping[str, str], scene: DoctorContext) -> str:
    folder = scene.paths.plugin.parent.parent
    if environment and opencode_config(environment) != folder:
        set_there = f"OPENCODE_CONFIG_DIR={clean(str(opencode_config(environment)))}"
        return f"run: {set_there} opencode-tray install-plugin, then {AGAIN}"
    return f"run: opencode-tray install-plugin, then {AGAIN}"


def _version_of(source: str) -> str:
    found = re.search(r'VERSION = "([^"]+)"', source)
    return found[1] if found else ""
