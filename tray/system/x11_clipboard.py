"""The X clipboard, kept by us: X has no place for it but the program that offers it (ICCCM, section 2)."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

LONGEST = 60_000  # bytes of a text that is handed over in one piece; ours are a line long


def offer(text: str) -> bool:
    """Offer the text as the clipboard of the X display until somebody else offers one. False without a display."""
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
    content = text.encode("utf-8", "replace")[:LONGEST]
    threading.Thread(target=_serve, args=(display, content), name="clipboard", daemon=True).start()
    return True


def _serve(display: Any, content: bytes) -> None:
    """Hand the text to whoever asks; ends when another clipboard is offered, or the display goes."""
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


def _answer(display: Any, asked: Any, content: bytes) -> None:
    x, atoms = import_module("Xlib.X"), import_module("Xlib.Xatom")
    utf8, targets = display.intern_atom("UTF8_STRING"), display.intern_atom("TARGETS")
    place = asked.property or asked.target  # an old client names no property
    if asked.target == targets:
        asked.requestor.change_property(place, atoms.ATOM, 32, [targets, utf8, atoms.STRING])
    elif asked.target in (utf8, atoms.STRING):
        asked.requestor.change_property(place, asked.target, 8, content)
    else:
        place = x.NONE
    reply = import_module("Xlib.protocol.event").SelectionNotify(
        time=asked.time, requestor=asked.requestor, selection=asked.selection, target=asked.target, property=place
    )
    asked.requestor.send_event(reply)
    display.flush()
