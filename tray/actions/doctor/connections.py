"""Checks of the connections from plugins: which running OpenCodes are not connected, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, fine, note
from tray.actions.install import installed_version, plugin_version
from tray.core.text import clean, counted
from tray.opencode.configuration import npm_configuration
from tray.opencode.processes import OpenCodeProcess
from tray.system.paths import opencode_config
from tray.system.resources import plugin_source

RESTART = "restart it"
# Environment variables with which the plugin connects to another tray, or uses another token.
ADDRESS_VARIABLES = ("OPENCODE_MONITOR_HOST", "OPENCODE_MONITOR_PORT")
TOKEN_VARIABLES = ("OPENCODE_MONITOR_TOKEN", "OPENCODE_TRAY_TOKEN_FILE", "XDG_DATA_HOME")


def plugins(context: DoctorContext) -> Iterator[Finding]:
    """Check that the plugins of all OpenCodes on this machine are connected, and the versions of all plugins."""
    if context.status is None:
        return
    connected = [server for server in context.tray_servers if server["source"] == "plugin" and server["connected"]]
    pids = {server["pid"] for server in connected if server["host"] == context.host}
    for process in context.processes:
        if process.pid not in pids and not process.is_server:
            reason, fix = _reason(process, context)
            name = f"OpenCode in {clean(process.directory)} (process {process.pid})"
            yield note("plugin loaded", f"{name} {reason}", f"{fix}; until then its sessions are read-only")
    version = plugin_version(plugin_source().read_bytes())
    for server in connected:
        if server["plugin"] and server["plugin"] != version:
            name = f"OpenCode in {clean(server['directory'])} on {clean(server['host'])}"
            message = f"{name} runs plugin {server['plugin']}; this tray has {version}"
            yield note("plugin loaded", message, "install this version of the plugin there, and restart that OpenCode")
    if connected:
        number = counted(len(connected), "OpenCode is", "OpenCodes are")
        yield fine("plugin loaded", f"{number} connected by plugin")


def _reason(process: OpenCodeProcess, context: DoctorContext) -> tuple[str, str]:
    """Return why a process is not connected, as far as that is known, and the fix."""
    environment = process.environment  # empty if it cannot be read; it is then taken for the same as ours
    candidates = _plugin_files(environment, context)
    files = [file for file in candidates if installed_version(file) is not None]
    files += filter(None, {npm_configuration(file.parent.parent) for file in candidates})
    if "--pure" in process.arguments or environment.get("OPENCODE_PURE"):
        return "was started without plugins (--pure)", "start it without this option"
    if not files:
        return "has not loaded the plugin, which is not installed for it", _how_to_install(environment, context)
    if process.started < min(file.stat().st_mtime for file in files):
        return "was started before the plugin was installed or updated", RESTART
    return _reason_with_plugin(environment, context)


def _reason_with_plugin(environment: Mapping[str, str], context: DoctorContext) -> tuple[str, str]:
    """Return why a process that has loaded the plugin is not connected, and the fix."""
    message = f"is not connected to the tray at {context.address}"
    for name in ADDRESS_VARIABLES:
        value = environment.get(name, "")
        if value and not _may_mean_tray(value, context):
            return f"{message}: its {name} is {clean(value)}", f"start it without {name}"
    for name in TOKEN_VARIABLES:
        if environment and environment.get(name, "") != context.environment.get(name, ""):
            return f"{message}: its {name} differs from the value here", f"start it with the same {name}"
    return message, f"wait: the plugin tries at least every 4 s; if it does not connect, {RESTART}"


def _may_mean_tray(value: str, context: DoctorContext) -> bool:
    """Return whether a port or a list of hosts may mean the address of the tray."""
    host, port = context.address.host, str(context.address.port)
    if value.isdigit():
        return value == port
    return any(item.strip() in (host, f"{host}:{port}", str(context.address), "localhost") for item in value.split(","))


def _plugin_files(environment: Mapping[str, str], context: DoctorContext) -> list[Path]:
    """Return the paths from which a process with this environment would load our plugin."""
    without_variable = {name: value for name, value in environment.items() if name != "OPENCODE_CONFIG_DIR"}
    folders = {opencode_config(environment), opencode_config(without_variable)} if environment else set()
    name = context.paths.plugin.name
    found = [folder / kind / name for folder in folders for kind in ("plugin", "plugins")]
    return found or [context.paths.plugin, context.paths.plugin.parent.with_name("plugins") / name]


def _how_to_install(environment: Mapping[str, str], context: DoctorContext) -> str:
    folder = context.paths.plugin.parent.parent
    if environment and opencode_config(environment) != folder:
        variable = f"OPENCODE_CONFIG_DIR={clean(str(opencode_config(environment)))}"
        return f"run: {variable} opencode-tray install-plugin, then {RESTART}"
    return f"run: opencode-tray install-plugin, then {RESTART}"
