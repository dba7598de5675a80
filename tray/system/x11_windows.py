"""X11: list windows with their processes, and raise one (EWMH)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tray.system.open_window import OpenWindow

SOURCE_USER = 2  # EWMH source indication "direct user action", which passes focus stealing prevention
RAISE_TIMEOUT = 0.5  # s; a window manager that refuses does not reply


def raise_window(owners: Sequence[int], window_id: int = 0, title: str = "") -> tuple[int, bool]:
    """Raise a window of the first of the processes `owners` that has one.

    Of several windows, `window_id` is raised, else the one with `title` in its name, else the topmost. Programs inherit
    the WINDOWID of the terminal that they were started from, so `window_id` counts only among those windows.

    Returns the number of candidates, and whether the window is active now. Blocks for up to RAISE_TIMEOUT.
    """
    with _display() as display:
        if display is None:
            return 0, False
        owned = [(_integer_property(display, window, "_NET_WM_PID"), window) for window in _windows(display)]
        by_owner = [[window for pid, window in owned if pid == owner] for owner in owners]
        nearest = next(filter(None, by_owner), [])
        candidates = (
            [window for window in nearest if window.id == window_id]
            or [window for window in nearest if title and title in _window_name(display, window)]
            or nearest
        )
        return len(candidates), bool(candidates) and _raise(display, candidates[-1])


def list_windows() -> list[OpenWindow] | None:
    """Return the windows of the display; None without a display or a window manager that names the active window."""
    with _display() as display:
        if display is None:
            return None
        active = _integer_property(display, display.screen().root, "_NET_ACTIVE_WINDOW")
        if active is None:
            return None
        return [
            OpenWindow(pid, focused=window.id == active, title=_window_name(display, window), number=window.id)
            for window in _windows(display)
            if (pid := _integer_property(display, window, "_NET_WM_PID")) is not None
        ]


@contextmanager
def _display() -> Iterator[Any]:
    errors = import_module("Xlib.error")
    try:
        display = import_module("Xlib.display").Display()
    except (errors.DisplayError, OSError):
        yield None
        return
    display.set_error_handler(lambda *_: None)  # a window may close meanwhile
    try:
        yield display
    finally:
        display.close()


def _windows(display: Any) -> list[Any]:
    """Return the windows that programs opened, the topmost last; without a window manager, all windows."""
    root = display.screen().root
    for name in ("_NET_CLIENT_LIST_STACKING", "_NET_CLIENT_LIST"):
        listed = root.get_full_property(display.intern_atom(name), 0)
        if listed is not None and len(listed.value):
            return [display.create_resource_object("window", number) for number in listed.value]
    return list(root.query_tree().children)


def _property(display: Any, window: Any, name: str) -> Any:
    try:
        found = window.get_full_property(display.intern_atom(name), 0)
    except import_module("Xlib.error").BadWindow:
        return None
    return found.value if found is not None and len(found.value) else None


def _integer_property(display: Any, window: Any, name: str) -> int | None:
    value = _property(display, window, name)
    return None if value is None else int(value[0])


def _window_name(display: Any, window: Any) -> str:
    value = _property(display, window, "_NET_WM_NAME")
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _raise(display: Any, window: Any) -> bool:
    x, root = import_module("Xlib.X"), display.screen().root
    if _property(display, root, "_NET_SUPPORTING_WM_CHECK") is None:  # no window manager
        window.map()
        window.configure(stack_mode=x.Above)
        display.sync()
        window.set_input_focus(x.RevertToParent, x.CurrentTime)
        display.sync()
        return True
    desktop = _integer_property(display, window, "_NET_WM_DESKTOP")
    all_desktops = 0xFFFFFFFF
    if desktop not in (None, all_desktops, _integer_property(display, root, "_NET_CURRENT_DESKTOP")):
        _send(display, root, "_NET_CURRENT_DESKTOP", desktop)  # Openbox raises no windows of other desktops
    _send(display, window, "_NET_ACTIVE_WINDOW", SOURCE_USER)
    deadline = time.monotonic() + RAISE_TIMEOUT
    while _integer_property(display, root, "_NET_ACTIVE_WINDOW") != window.id:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _send(display: Any, window: Any, name: str, value: int) -> None:
    """Send an EWMH client message to the window manager."""
    x, event = import_module("Xlib.X"), import_module("Xlib.protocol.event")
    message = event.ClientMessage(window=window, client_type=display.intern_atom(name), data=(32, [value, 0, 0, 0, 0]))
    mask = x.SubstructureRedirectMask | x.SubstructureNotifyMask
    display.screen().root.send_event(message, event_mask=mask)
    display.flush()
