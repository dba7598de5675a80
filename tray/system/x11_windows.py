"""Windows of an X display: whose they are, and bringing one to the front (EWMH)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tray.system.open_window import OpenWindow

FROM_A_PERSON = 2  # EWMH's source indication that focus stealing prevention lets through
RAISED_WITHIN = 0.5  # s; a window manager that refuses says nothing


def raise_window(owners: Sequence[int], window_id: int = 0, title: str = "") -> tuple[int, bool]:
    """Bring a window of the first of the processes `owners` that has any to the front.

    Of several it is `window_id`, else the one with `title` in its name, else the uppermost. A program inherits the
    WINDOWID of the terminal that it was started from, so one of a process further up does not count. Returns how many
    it could have been, and whether it is in front now. Blocks for up to RAISED_WITHIN.
    """
    with _display() as display:
        if display is None:
            return 0, False
        owned = [(_number(display, window, "_NET_WM_PID"), window) for window in _windows(display)]
        theirs = [[window for pid, window in owned if pid == owner] for owner in owners]
        nearest = next(filter(None, theirs), [])
        found = (
            [window for window in nearest if window.id == window_id]
            or [window for window in nearest if title and title in _name(display, window)]
            or nearest
        )
        return len(found), bool(found) and _raise(display, found[-1])


def open_windows() -> list[OpenWindow] | None:
    """The windows of this display; None without one, or where no window manager tells which has the keyboard."""
    with _display() as display:
        if display is None:
            return None
        active = _number(display, display.screen().root, "_NET_ACTIVE_WINDOW")
        if active is None:
            return None
        return [
            OpenWindow(pid, focused=window.id == active, title=_name(display, window), number=window.id)
            for window in _windows(display)
            if (pid := _number(display, window, "_NET_WM_PID")) is not None
        ]


@contextmanager
def _display() -> Iterator[Any]:
    errors = import_module("Xlib.error")
    try:
        display = import_module("Xlib.display").Display()
    except (errors.DisplayError, OSError):
        yield None
        return
    display.set_error_handler(lambda *_: None)  # a window that closes meanwhile is no news
    try:
        yield display
    finally:
        display.close()


def _windows(display: Any) -> list[Any]:
    """The windows that programs opened, the uppermost last: as the window manager lists them, or all there are."""
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


def _number(display: Any, window: Any, name: str) -> int | None:
    value = _property(display, window, name)
    return None if value is None else int(value[0])


def _name(display: Any, window: Any) -> str:
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
    desktop = _number(display, window, "_NET_WM_DESKTOP")
    everywhere = 0xFFFFFFFF
    if desktop not in (None, everywhere, _number(display, root, "_NET_CURRENT_DESKTOP")):
        _ask(display, root, "_NET_CURRENT_DESKTOP", desktop)  # Openbox raises nothing on another desktop
    _ask(display, window, "_NET_ACTIVE_WINDOW", FROM_A_PERSON)
    deadline = time.monotonic() + RAISED_WITHIN
    while _number(display, root, "_NET_ACTIVE_WINDOW") != window.id:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _ask(display: Any, window: Any, name: str, value: int) -> None:
    x, event = import_module("Xlib.X"), import_module("Xlib.protocol.event")
    message = event.ClientMessage(window=window, client_type=display.intern_atom(name), data=(32, [value, 0, 0, 0, 0]))
    mask = x.SubstructureRedirectMask | x.SubstructureNotifyMask
    display.screen().root.send_event(message, event_mask=mask)
    display.flush()
