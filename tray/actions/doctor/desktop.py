"""Checks of the desktop: who shows the icon and the notifications, who else notifies, and what opens sessions."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, broken, fine, note
from tray.actions.plugin_file import SIGNATURE
from tray.core.settings import NOTIFY, TERMINAL
from tray.core.text import clean
from tray.system.paths import opencode_config
from tray.system.terminals import known_terminal

LOOK = "look with: opencode-tray watch"
# What a plugin that notifies by itself calls, or is called.
NOTIFIERS = re.compile(r"notify-send|terminal-notifier|display notification|node-notifier|\bosascript\b")
NAMED_NOTIFIER = re.compile(r'"([^"\s]*notif[^"\s]*)"', re.IGNORECASE)
ATTENTION = re.compile(r'"attention"\s*:\s*\{[^{}]*"enabled"\s*:\s*true')  # of OpenCode's terminal UI (1.18)


def _has_screen() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def tray_host(scene: DoctorContext) -> Iterator[Finding]:
    """What shows the icon."""
    host = scene.tray_host
    if host.shows:
        what = "the platform's own tray" if host.platform else "a panel" if host.panel else "a tray of X windows"
        yield fine("tray host", f"{what} shows the icon")
    elif not _has_screen():
        yield note("tray host", "there is no screen here", LOOK)
    else:
        fix = (
            "on GNOME install the AppIndicator extension; else add a status tray to the panel; or: opencode-tray watch"
        )
        yield note("tray host", "nothing shows tray icons", fix)


def notifications(scene: DoctorContext) -> Iterator[Finding]:
    """The notification service, and what it can do."""
    if scene.daemon is None and not _has_screen():
        yield note("notifications", "there is no screen here, and nobody to show notifications", LOOK)
    elif scene.daemon is None:
        fix = "start a notification daemon (for example dunst)" if sys.platform == "linux" else "allow notifications"
        yield broken("notifications", "no notification daemon answers", fix)
    elif sys.platform == "linux" and "actions" not in scene.daemon.capabilities:
        told = f"notifications go to {scene.daemon.name}, which shows no buttons"
        yield note("notifications", told, "answer in the menu, or use another daemon (dunst, xfce4-notifyd …)")
    else:
        yield fine("notifications", f"notifications go to {scene.daemon.name}")
    if not scene.settings[NOTIFY]:
        yield note("notifications", "notifications are switched off", "set notifications.enabled = true")


def duplicates(scene: DoctorContext) -> Iterator[Finding]:
    """Who else notifies of the same."""
    folder = opencode_config(scene.environment)
    for name in ("tui.json", "tui.jsonc", "opencode.json", "opencode.jsonc"):
        text = _text(folder / name)
        if ATTENTION.search(text):
            yield note(
                "duplicates", "OpenCode notifies as well", f'set "attention.enabled" to false in {folder / name}'
            )
        for found in NAMED_NOTIFIER.findall(text.partition('"plugin"')[2].partition("]")[0]):
            yield note("duplicates", f"the plugin {clean(found)} notifies as well", f"take it out of {folder / name}")
    for file in (*folder.glob("plugin/*.[jt]s"), *folder.glob("plugins/*.[jt]s")):
        text = _text(file)
        if SIGNATURE not in text[:500] and NOTIFIERS.search(text):
            yield note(
                "duplicates", f"the plugin {file.name} notifies as well", f"remove {file}, or silence one of both"
            )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:1_000_000]
    except OSError:
        return ""


def terminal(scene: DoctorContext) -> Iterator[Finding]:
    """What sessions are opened in, and whether it can be brought to the front."""
    name = known_terminal(shlex.split(scene.settings[TERMINAL], posix=sys.platform != "win32"))
    if name is None:
        yield note("terminal", "no terminal was found to open sessions in", "set attach.terminal, or $TERMINAL")
    else:
        yield fine("terminal", f"sessions are opened in {name}")
    if sys.platform != "linux" or not os.environ.get("WAYLAND_DISPLAY"):
        return
    desktop = os.environ.get("XDG_CURRENT_DESKTOP", "")
    if "GNOME" in desktop:
        yield note(
            "focus", "GNOME on Wayland lets nobody raise a window", "use tmux in one terminal, or a session on X11"
        )
    elif "KDE" in desktop and shutil.which("kdotool") is None:
        yield note("focus", "windows of Plasma on Wayland are raised with kdotool", "install kdotool")
