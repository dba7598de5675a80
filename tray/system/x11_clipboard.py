"""Own the X11 clipboard: X itself stores no content, the owning program serves it (ICCCM, section 2)."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

MAX_SIZE = 60_000  # bytes; longer content needs the incremental protocol (INCR), and ours is a line long


def offer(text: str) -> bool:
    """Own the clipboard with this text until another program owns it. False without a display or if that fails."""
    errors = import_module("Xlib.error")
    try:
        display = import_module("Xlib.display").Display()
    except (errors.DisplayError, OSError):
        return False
    x = import_module("Xlib.X")
    window = display.screen().root.create_window(0, 0, 1, 1, 0, x.CopyFromParent)
    clipboard = display.intern_atom("CLIPBOARD")
    window.set_selection_owner(clipboard, x.CurrentTime)
    owned = display.get_selection_owner(clipboard) == window
    if not owned:
        display.close()
        return False
    content = text.encode("utf-8", "replace")[:MAX_SIZE]
    threading.Thread(target=_serve, args=(display, content), name="clipboard", daemon=True).start()
    return True


def _serve(display: Any, content: bytes) -> None:
    """Answer requests for the text until another program owns the clipboard or the display is closed."""
    x, errors = import_module("Xlib.X"), import_module("Xlib.error")
    try:
        while True:
            event = display.next_event()
            if event.type == x.SelectionClear:
                break
            if event.type == x.SelectionRequest:
                _answer(display, event, content)
    except (errors.ConnectionClosedError, OSError):
        return
    display.close()


def _answer(display: Any, request: Any, content: bytes) -> None:
    x, atoms = import_module("Xlib.X"), import_module("Xlib.Xatom")
    utf8, targets = display.intern_atom("UTF8_STRING"), display.intern_atom("TARGETS")
    property_ = request.property or request.target  # an old client names no property
    if request.target == targets:
        request.requestor.change_property(property_, atoms.ATOM, 32, [targets, utf8, atoms.STRING])
    elif request.target in (utf8, atoms.STRING):
        request.requestor.change_property(property_, request.target, 8, content)
    else:
        property_ = x.NONE
    reply = import_module("Xlib.protocol.event").SelectionNotify(
        time=request.time,
        requestor=request.requestor,
        selection=request.selection,
        target=request.target,
        property=property_,
    )
    request.requestor.send_event(reply)
    display.flush()
