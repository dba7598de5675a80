"""Wayland: only the compositor can focus a window, or tell which one has the keyboard; each by a command of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from tray.system.open_window import OpenWindow
from tray.system.subprocesses import run


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


async def open_windows(owners: Sequence[int]) -> list[OpenWindow] | None:
    """The windows, or of KDE's those alone of these processes; None without such a compositor, or if it does not tell.

    KWin is asked through kdotool, which loads a script for each question.
    """
    if os.environ.get("SWAYSOCK"):
        return _of_sway(await _json("swaymsg", "-r", "-t", "get_tree"))
    if os.environ.get("HYPRLAND_INSTANCE_SIGNATURE"):
        return await _of_hyprland()
    if os.environ.get("NIRI_SOCKET"):
        found = await _listed("niri", "msg", "--json", "windows")
        return [_window(one, focused=one.get("is_focused") is True) for one in found] or None
    if os.environ.get("WAYLAND_DISPLAY") and "KDE" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return await _of_kwin(owners)
    return None


def _of_sway(tree: Any) -> list[OpenWindow] | None:
    """A window is a node with a process; the workspace has the focus where no window has it."""
    found: list[OpenWindow] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if "pid" in node:
            found.append(_window(node, focused=node.get("focused") is True, title="name"))
        for branch in ("nodes", "floating_nodes"):
            waiting += node.get(branch) or []
    return found if isinstance(tree, dict) else None


async def _of_hyprland() -> list[OpenWindow] | None:
    active = await _json("hyprctl", "activewindow", "-j")  # {} where no window has the focus
    if not isinstance(active, dict):
        return None
    found = await _listed("hyprctl", "clients", "-j")
    return [_window(one, focused=one.get("address") == active.get("address", 0)) for one in found] or None


async def _of_kwin(owners: Sequence[int]) -> list[OpenWindow] | None:
    answer = (await run(["kdotool", "getactivewindow", "getwindowpid"])).out.strip()
    active = int(answer) if answer.isdigit() else 0
    if active not in owners:
        return [OpenWindow(active, focused=True)] if active else None
    nearer = owners[: owners.index(active)]
    told = [(await run(["kdotool", "search", "--pid", str(pid)])).out for pid in nearer]
    there = [OpenWindow(pid, focused=False) for pid, windows in zip(nearer, told, strict=True) if windows.split()]
    return [OpenWindow(active, focused=True), *there]


def _window(told: dict[str, Any], *, focused: bool, title: str = "title") -> OpenWindow:
    pid, name = told.get("pid"), told.get(title)
    return OpenWindow(pid if isinstance(pid, int) else 0, focused, name if isinstance(name, str) else "")


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
    told = await _json(*command)
    return [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []


async def _json(*command: str) -> Any:
    try:
        return json.loads((await run(command)).out)
    except ValueError:
        return None
