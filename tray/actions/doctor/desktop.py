"""Checks of the desktop: the icon, the notifications, other programs that notify, and the terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.install import PLUGIN_SIGNATURE
from tray.core.settings import NOTIFY, TERMINAL
from tray.core.text import clean
from tray.files.reading import find_files, read_regular
from tray.opencode.configuration import plugin_section
from tray.system.display import has_display
from tray.system.notification_daemon import BALLOON
from tray.system.paths import opencode_config
from tray.system.programs import command_words
from tray.system.terminals import known_terminal
from tray.system.tray_host import NO_TRAY_ADVICE

USE_WATCH = "use: opencode-tray watch"
PLATFORM_NAMES = {"darwin": "macOS", "win32": "Windows"}
# The programs that notifying plugins call, and the names of such plugins.
NOTIFIERS = re.compile(r"notify-send|terminal-notifier|display notification|node-notifier|\bosascript\b")
NAMED_NOTIFIER = re.compile(r'"([^"\s]*notif[^"\s]*)"', re.IGNORECASE)
ATTENTION = re.compile(r'"attention"\s*:\s*\{[^{}]*"enabled"\s*:\s*true')  # of OpenCode's terminal UI (1.18)


def tray_host(context: DoctorContext) -> Iterator[Finding]:
    """Check that the desktop shows tray icons."""
    host = context.tray_host
    if host.shows:
        name = "the platform's own tray" if host.platform else "a panel" if host.panel else "an XEmbed tray"
        yield fine("tray host", f"{name} shows the icon")
    elif sys.platform == "darwin" or not has_display():
        yield note("tray host", "this machine has no display", USE_WATCH)
    else:
        yield note("tray host", "the desktop shows no tray icons", NO_TRAY_ADVICE)


def notifications(context: DoctorContext) -> Iterator[Finding]:
    """Check that a notification daemon is running, and its capabilities."""
    daemon = context.daemon
    if daemon is None and not has_display():
        yield note("notifications", "no display and no notification daemon found", USE_WATCH)
    elif daemon is None:
        fix = "start a notification daemon (for example dunst)" if sys.platform == "linux" else "allow notifications"
        yield broken("notifications", "no notification daemon answers", fix)
    elif sys.platform == "linux" and "actions" not in daemon.capabilities:
        message = f"{daemon.name} shows notifications, but without buttons"
        yield note("notifications", message, "answer in the menu, or use another daemon (dunst, xfce4-notifyd …)")
    elif daemon.name == BALLOON:
        yield note(
            "notifications", "Windows shows notifications beside the icon, without buttons", "answer in the menu"
        )
    else:
        yield fine("notifications", f"{PLATFORM_NAMES.get(daemon.name, daemon.name)} shows notifications")
    if not context.settings[NOTIFY]:
        yield note("notifications", "notifications are switched off", "set notifications.enabled = true")


def duplicates(context: DoctorContext) -> Iterator[Finding]:
    """Find other programs that notify about OpenCode's sessions."""
    folder = opencode_config(context.environment)
    for name in ("tui.json", "tui.jsonc", "opencode.json", "opencode.jsonc"):
        text = _text(folder / name)
        if ATTENTION.search(text):
            fix = f'set "attention.enabled" to false in {folder / name}'
            yield note("duplicates", "OpenCode itself notifies as well", fix)
        for found in NAMED_NOTIFIER.findall(plugin_section(text)):
            yield note("duplicates", f"the plugin {clean(found)} notifies as well", f"remove it from {folder / name}")
    for file in (*find_files(folder, "plugin/*.[jt]s"), *find_files(folder, "plugins/*.[jt]s")):
        text = _text(file)
        if PLUGIN_SIGNATURE not in text[:500] and NOTIFIERS.search(text):
            fix = f"remove {file}, or switch off its notifications or the tray's"
            yield note("duplicates", f"the plugin {file.name} notifies as well", fix)


def _text(path: Path) -> str:
    try:
        return read_regular(path, 1_000_000).decode("utf-8", "replace")
    except OSError:
        return ""


def terminal(context: DoctorContext) -> Iterator[Finding]:
    """Check which terminal opens sessions, and whether its window can be brought to the front."""
    preferred = command_words(context.settings[TERMINAL])
    name = known_terminal(preferred)
    if preferred and sys.platform != "darwin" and shutil.which(preferred[0]) is None:
        fix = "set attach.terminal to an installed one; put a path with spaces in double quotes"
        yield note("terminal", f"attach.terminal names {preferred[0]}, which is not installed", fix)
    if name is None:
        yield note("terminal", "no terminal was found to open sessions in", "set attach.terminal, or $TERMINAL")
    else:
        yield fine("terminal", f"sessions are opened in {name}")
    if sys.platform != "linux" or not os.environ.get("WAYLAND_DISPLAY"):
        return
    desktop = os.environ.get("XDG_CURRENT_DESKTOP", "")
    if "GNOME" in desktop:
        fix = "run your sessions in tmux in a single terminal, or use GNOME on X11"
        yield note("focus", "GNOME on Wayland does not let programs raise windows", fix)
    elif "KDE" in desktop and shutil.which("kdotool") is None:
        yield note("focus", "raising windows of Plasma on Wayland needs kdotool", "install kdotool")
