"""A fake XEmbed tray: it receives dock requests, and does not show the icon."""

from __future__ import annotations

from Xlib import X
from Xlib.display import Display
from Xlib.protocol import event, rq
from Xlib.xobject.drawable import Window

from waiting import until


class FakeXembedTray:
    """Owns the selection of the tray from the start."""

    def __init__(self, display: str) -> None:
        self._docked: list[int] = []
        self._display = Display(display)
        self._root = self._display.screen().root
        self._selection = self._display.intern_atom("_NET_SYSTEM_TRAY_S0")
        self.window = self._root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        self.window.set_selection_owner(self._selection, X.CurrentTime)
        self._display.sync()

    def close(self) -> None:
        """Disconnect, which also closes the window."""
        self._display.close()

    def announce(self) -> None:
        """Announce itself, as a tray does when it starts."""
        data = (32, (X.CurrentTime, self._selection, self.window.id, 0, 0))
        manager = self._display.intern_atom("MANAGER")
        self._send(self._root, event.ClientMessage(window=self._root, client_type=manager, data=data))

    def click(self, icon: int) -> None:
        """Send a left click to the window of an icon."""
        window = self._display.create_resource_object("window", icon)
        place = {"root_x": 0, "root_y": 0, "event_x": 0, "event_y": 0, "same_screen": 1, "child": X.NONE}
        button = event.ButtonPress(time=X.CurrentTime, root=self._root, window=window, state=0, detail=1, **place)
        self._send(window, button)

    def wait_for_icon(self) -> int:
        """Wait for a dock request and return the window of the icon that sent it last."""
        until(self.dock_requests, "a dock request")
        return self._docked[-1]

    def dock_requests(self) -> list[int]:
        """Return the windows of the icons that have sent a dock request, in order."""
        self._display.sync()
        opcode = self._display.intern_atom("_NET_SYSTEM_TRAY_OPCODE")
        while self._display.pending_events():
            received = self._display.next_event()
            if received.type == X.ClientMessage and received.client_type == opcode:
                self._docked.append(received.data[1][2])
        return self._docked

    def _send(self, window: Window, sent: rq.Event) -> None:
        window.send_event(sent, event_mask=X.StructureNotifyMask if window == self._root else X.NoEventMask)
        self._display.sync()
