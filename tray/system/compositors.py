"""Wayland: only the compositor can focus a window, each by a command of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from tray.system.run import run


async def focus(pids: Sequence[int]) -> bool:
    """Focus the window of the first of these processes that has one. False without such a compositor or window."""
    if os.environ.get("SWAYSOCK"):
        return await _sway(pids)
    if os.environ.get("HYPRLAND_INSTANCE_SIGNATURE"):
        return await _hyprland(pids)
    if os.environ.get("NIRI_SOCKET"):
        return await _niri(pids)
    if os.environ.get("WAYLAND_DISPLAY") and "KDE" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return await _kwin(pids)
    return False


async def _sway(pids: Sequence[int]) -> bool:
    for pid in pids:
        if (await run(["swaymsg", "-q", f"[pid={pid}] focus"])).ok:
            return True
    return False


async def _hyprland(pids: Sequence[int]) -> bool:
    """Its exit code tells nothing (hyprwm/Hyprland issue 2695), so it is asked which windows there are."""
    there = {client.get("pid") for client in await _listed("hyprctl", "clients", "-j")}
    pid = next((pid for pid in pids if pid in there), None)
    if pid is None:
        return False
    return (await run(["hyprctl", "dispatch", "focuswindow", f"pid:{pid}"])).out.strip() == "ok"


async def _niri(pids: Sequence[int]) -> bool:
    windows = {window.get("pid"): window.get("id") for window in await _listed("niri", "msg", "--json", "windows")}
    number = next((windows[pid] for pid in pids if pid in windows), None)
    return number is not None and (await run(["niri", "msg", "action", "focus-window", "--id", str(number)])).ok


async def _kwin(pids: Sequence[int]) -> bool:
    """KWin has no command of its own; kdotool speaks to its scripting."""
    for pid in pids:
        found = await run(["kdotool", "search", "--pid", str(pid)])
        if found.ok and (window := found.out.split()):
            return (await run(["kdotool", "windowactivate", window[-1]])).ok
    return False


async def _listed(*command: str) -> list[dict[str, Any]]:
    try:
        told = json.loads((await run(command)).out)
    except ValueError:
        return []
    return [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []
