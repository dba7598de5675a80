"""Wayland: list and focus windows with the command-line tool of the running compositor.

Wayland itself lets no client see or focus the windows of others. Supported: Sway, Hyprland, niri and KWin.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from tray.system.open_window import OpenWindow
from tray.system.subprocesses import run


async def focus(pids: Sequence[int]) -> bool:
    """Focus a window of the first of these processes that has one. Returns whether that succeeded."""
    if os.environ.get("SWAYSOCK"):
        return await _focus_sway(pids)
    if os.environ.get("HYPRLAND_INSTANCE_SIGNATURE"):
        return await _focus_hyprland(pids)
    if os.environ.get("NIRI_SOCKET"):
        return await _focus_niri(pids)
    if os.environ.get("WAYLAND_DISPLAY") and "KDE" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return await _focus_kwin(pids)
    return False


async def list_windows(owners: Sequence[int]) -> list[OpenWindow] | None:
    """Return all windows, or on KDE those of `owners`; None without a supported compositor or if it reports none.

    KWin is queried with kdotool, which loads a script for each query.
    """
    if os.environ.get("SWAYSOCK"):
        return _sway_windows(await _run_json("swaymsg", "-r", "-t", "get_tree"))
    if os.environ.get("HYPRLAND_INSTANCE_SIGNATURE"):
        return await _hyprland_windows()
    if os.environ.get("NIRI_SOCKET"):
        windows = await _run_list("niri", "msg", "--json", "windows")
        return [_window(window, focused=window.get("is_focused") is True) for window in windows] or None
    if os.environ.get("WAYLAND_DISPLAY") and "KDE" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return await _kwin_windows(owners)
    return None


def _sway_windows(tree: Any) -> list[OpenWindow] | None:
    """Windows are the nodes with a pid. If no window has focus, a workspace has it."""
    found: list[OpenWindow] = []
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if not isinstance(node, dict):
            continue
        if "pid" in node:
            found.append(_window(node, focused=node.get("focused") is True, title="name"))
        for branch in ("nodes", "floating_nodes"):
            nodes += node.get(branch) or []
    return found if isinstance(tree, dict) else None


async def _hyprland_windows() -> list[OpenWindow] | None:
    active = await _run_json("hyprctl", "activewindow", "-j")  # {} if no window has focus
    if not isinstance(active, dict):
        return None
    clients = await _run_list("hyprctl", "clients", "-j")
    return [_window(client, focused=client.get("address") == active.get("address", 0)) for client in clients] or None


async def _kwin_windows(owners: Sequence[int]) -> list[OpenWindow] | None:
    output = (await run(["kdotool", "getactivewindow", "getwindowpid"])).out.strip()
    active = int(output) if output.isdigit() else 0
    if active not in owners:
        return [OpenWindow(active, focused=True)] if active else None
    nearer = owners[: owners.index(active)]
    found = [(await run(["kdotool", "search", "--pid", str(pid)])).out for pid in nearer]
    others = [OpenWindow(pid, focused=False) for pid, windows in zip(nearer, found, strict=True) if windows.split()]
    return [OpenWindow(active, focused=True), *others]


def _window(info: dict[str, Any], *, focused: bool, title: str = "title") -> OpenWindow:
    """Return the window that the compositor describes; `title` is the key of its title."""
    pid, name = info.get("pid"), info.get(title)
    return OpenWindow(pid if isinstance(pid, int) else 0, focused, name if isinstance(name, str) else "")


async def _focus_sway(pids: Sequence[int]) -> bool:
    for pid in pids:
        if (await run(["swaymsg", "-q", f"[pid={pid}] focus"])).ok:
            return True
    return False


async def _focus_hyprland(pids: Sequence[int]) -> bool:
    """List the windows first: the exit code of hyprctl says nothing (hyprwm/Hyprland issue 2695)."""
    existing = {client.get("pid") for client in await _run_list("hyprctl", "clients", "-j")}
    pid = next((pid for pid in pids if pid in existing), None)
    if pid is None:
        return False
    return (await run(["hyprctl", "dispatch", "focuswindow", f"pid:{pid}"])).out.strip() == "ok"


async def _focus_niri(pids: Sequence[int]) -> bool:
    windows = {window.get("pid"): window.get("id") for window in await _run_list("niri", "msg", "--json", "windows")}
    number = next((windows[pid] for pid in pids if pid in windows), None)
    return number is not None and (await run(["niri", "msg", "action", "focus-window", "--id", str(number)])).ok


async def _focus_kwin(pids: Sequence[int]) -> bool:
    """KWin has no command-line tool of its own; kdotool uses its scripting API."""
    for pid in pids:
        found = await run(["kdotool", "search", "--pid", str(pid)])
        if found.ok and (window := found.out.split()):
            return (await run(["kdotool", "windowactivate", window[-1]])).ok
    return False


async def _run_list(*command: str) -> list[dict[str, Any]]:
    output = await _run_json(*command)
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


async def _run_json(*command: str) -> Any:
    """Run a command and decode its JSON output; None if it is not JSON."""
    try:
        return json.loads((await run(command)).out)
    except ValueError:
        return None
