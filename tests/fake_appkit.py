"""A fake of the part of AppKit that pystray and we use for a menu bar icon.

The run loop is modelled by its modes: what is posted to the common modes runs at once, also while a menu is open; what
waits for the default mode runs when no menu is. PyObjCTools.AppHelper does with both what pyobjc 13.0 does.
"""

# ruff: noqa: N802  # AppKit's own names

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

OURS = "tray.surfaces.backends.pystray_darwin"
PYSTRAYS = "pystray._darwin"
AWAKE = 0xEFFFFF  # NSActivityOptions: no App Nap, while the system may sleep
TERMINATE_NOW, TERMINATE_LATER = 1, 2  # NSApplicationTerminateReply


class NSObject:
    @classmethod
    def alloc(cls) -> Any:
        return cls.__new__(cls)

    def init(self) -> Any:
        return self


class NSMenuItem(NSObject):
    title = ""
    menu: NSMenu | None = None
    enabled = True
    state = 0
    sends: str | None = None
    _represented: Any = None
    _tag = 0
    sent_to: Callable[[], Any] = staticmethod(lambda: None)

    @classmethod
    def separatorItem(cls) -> Any:
        return cls.alloc()

    def initWithTitle_action_keyEquivalent_(self, title: str, action: object, key: str) -> Any:
        self.title = title
        self.setAction_(action)
        return self

    def setAction_(self, action: Any) -> None:
        self.sends = action.decode() if isinstance(action, bytes) else action

    def setTarget_(self, target: Any) -> None:
        self.sent_to = weakref.ref(target)  # as AppKit's is

    def setRepresentedObject_(self, represented: Any) -> None:
        self._represented = represented

    def representedObject(self) -> Any:
        return self._represented

    def setTag_(self, tag: int) -> None:
        self._tag = tag

    def tag(self) -> int:
        return self._tag

    def setSubmenu_(self, menu: NSMenu) -> None:
        self.menu = menu

    def setAttributedTitle_(self, title: object) -> None:
        pass

    def setState_(self, state: int) -> None:
        self.state = state

    def setEnabled_(self, enabled: bool) -> None:
        self.enabled = enabled


class NSMenu(NSObject):
    rows: list[NSMenuItem]
    is_closed = False  # by the program, not by the user

    def initWithTitle_(self, title: str) -> Any:
        self.rows = []
        return self

    def setAutoenablesItems_(self, wanted: bool) -> None:
        pass

    def cancelTracking(self) -> None:
        self.is_closed = True

    def addItem_(self, row: NSMenuItem) -> None:
        self.rows.append(row)


class Button(NSObject):
    image: Any = None
    tooltip = ""
    hidden = False

    def setTarget_(self, target: object) -> None:
        pass

    def setAction_(self, action: object) -> None:
        pass

    def setImage_(self, image: object) -> None:
        self.image = image

    def setToolTip_(self, tooltip: str) -> None:
        self.tooltip = tooltip

    def setHidden_(self, hidden: bool) -> None:
        self.hidden = hidden


class StatusItem(NSObject):
    def __init__(self) -> None:
        self.menu: NSMenu | None = None
        self.autosave_name = ""
        self.refusals = 0  # how often the next menus are refused
        self._button = Button()

    def setMenu_(self, menu: NSMenu | None) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("refused")
        self.menu = menu

    def setAutosaveName_(self, name: str) -> None:
        self.autosave_name = name

    def button(self) -> Button:
        return self._button


class NSBitmapImageRep(NSObject):
    data: bytes
    size: tuple[int, int]

    @classmethod
    def imageRepWithData_(cls, data: bytes) -> Any:
        made = cls()
        made.data = data
        return made

    def setSize_(self, size: tuple[int, int]) -> None:
        self.size = size


class NSImage(NSObject):
    def initWithSize_(self, size: tuple[int, int]) -> Any:
        self.size = size
        self.representations: list[NSBitmapImageRep] = []
        return self

    def addRepresentation_(self, representation: NSBitmapImageRep) -> None:
        self.representations.append(representation)

    def setTemplate_(self, template: bool) -> None:
        self.template = template


class Font(NSObject):
    @classmethod
    def menuFontOfSize_(cls, size: float) -> Any:
        return cls()

    @classmethod
    def boldSystemFontOfSize_(cls, size: float) -> Any:
        return cls()

    def pointSize(self) -> float:
        return 13.0


class NSDictionary(NSObject):
    def initWithObjectsAndKeys_(self, *pairs: object) -> Any:
        return self


class NSAttributedString(NSObject):
    def initWithString_attributes_(self, text: str, attributes: object) -> Any:
        return self


class Application(NSObject):
    """The application, which AppKit ends at logout if its delegate allows it."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._delegate: Callable[[], Any] = lambda: None
        self.has_stopped = False  # its main loop
        self.is_asking = False  # it waits for the delegate's reply
        self.has_exited = False

    def setActivationPolicy_(self, policy: int) -> None:
        pass

    def setDelegate_(self, delegate: object) -> None:
        self._delegate = weakref.ref(delegate)

    def run(self) -> None:
        self._mac.held_while_running = self._mac.activities.copy()
        self._mac.turn()

    def terminate_(self, sender: object) -> None:
        answer = self._delegate().applicationShouldTerminate_(self)
        self.is_asking = answer == TERMINATE_LATER
        self.has_exited = answer == TERMINATE_NOW

    def replyToApplicationShouldTerminate_(self, allowed: bool) -> None:
        assert self.is_asking
        self.is_asking, self.has_exited = False, allowed

    def stop_(self, sender: object) -> None:
        self.has_stopped = True

    def postEvent_atStart_(self, event: object, at_start: bool) -> None:
        pass


class Event(NSObject):
    @classmethod
    def otherEventWithType_location_modifierFlags_timestamp_windowNumber_context_subtype_data1_data2_(
        cls, *values: object
    ) -> Any:
        return cls()


class Mac:
    """A menu bar with one icon, and the actions of a user."""

    def __init__(self) -> None:
        self.item = StatusItem()
        self.app = Application(self)
        self.removed = False
        self.common: deque[Callable[[], object]] = deque()
        self.default: deque[Callable[[], object]] = deque()
        self.opened: NSMenu | None = None
        self.activities: list[int] = []  # the options of those that are held
        self.held_while_running: list[int] = []
        self.delays: list[float] = []  # s, of the calls for later

    @property
    def titles(self) -> list[str]:
        """Return the rows of the menu that the next click on the icon opens."""
        return [row.title for row in self.item.menu.rows] if self.item.menu else []

    def turn(self) -> None:
        """Run everything that the run loop may run now."""
        while self.common or (self.default and not self.opened):
            (self.common or self.default).popleft()()

    def open_menu(self) -> list[NSMenuItem]:
        """Click the icon; return the visible rows."""
        self.opened = self.item.menu
        assert self.opened is not None
        return self.opened.rows

    def close_menu(self) -> None:
        self.opened = None

    def choose(self, row: NSMenuItem) -> None:
        """Send the action of a row, as AppKit does after the menu has closed."""
        target = row.sent_to()
        for name in dir(type(target)):
            method = getattr(target, name)
            if callable(method) and getattr(method, "selector", name.replace("_", ":")) == row.sends:
                method(row)
                return
        raise AssertionError(f"no target handles {row.sends}")

    def modules(self) -> dict[str, ModuleType]:
        """Return the modules of pyobjc that provide the menu bar."""
        mac = self

        class SharedApplication(NSObject):
            @classmethod
            def sharedApplication(cls) -> Application:
                return mac.app

        class StatusBar(NSObject):
            @classmethod
            def systemStatusBar(cls) -> Any:
                return cls()

            def statusItemWithLength_(self, length: float) -> StatusItem:
                return mac.item

            def removeStatusItem_(self, item: StatusItem) -> None:
                mac.removed = True

        class ProcessInfo(NSObject):
            @classmethod
            def processInfo(cls) -> Any:
                return cls()

            def beginActivityWithOptions_reason_(self, options: int, reason: str) -> int:
                mac.activities.append(options)
                return options

            def endActivity_(self, activity: int) -> None:
                mac.activities.remove(activity)

        def call_after(function: Callable[..., object], *args: object) -> None:
            mac.common.append(lambda: function(*args))

        def call_later(delay: float, function: Callable[..., object], *args: object) -> None:
            mac.delays.append(delay)
            # AppHelper goes to the main thread first; there it waits, in the default mode, only if there is a delay.
            mac.common.append(lambda: mac.default.append(lambda: function(*args)) if delay else function(*args))

        def named_selector(name: bytes, signature: object = None) -> Callable[[Any], Any]:
            def named(method: Any) -> Any:
                method.selector = name.decode()
                return method

            return named

        return {
            "AppKit": _module(
                "AppKit",
                NSApplication=SharedApplication, NSApplicationActivationPolicyAccessory=1, NSApplicationDefined=15,
                NSBitmapImageRep=NSBitmapImageRep, NSEvent=Event, NSFont=Font,
                NSFontAttributeName="NSFont", NSImage=NSImage, NSMenu=NSMenu, NSMenuItem=NSMenuItem, NSOffState=0,
                NSOnState=1, NSPoint=lambda x, y: (x, y), NSStatusBar=StatusBar, NSTerminateLater=TERMINATE_LATER,
                NSTerminateNow=TERMINATE_NOW, NSVariableStatusItemLength=-1.0,
            ),
            "Foundation": _module(
                "Foundation",
                NSAttributedString=NSAttributedString, NSData=bytes, NSDictionary=NSDictionary, NSObject=NSObject,
                NSActivityUserInitiatedAllowingIdleSystemSleep=AWAKE, NSProcessInfo=ProcessInfo,
            ),
            "PyObjCTools": _module("PyObjCTools", __path__=[]),
            "PyObjCTools.AppHelper": _module("PyObjCTools.AppHelper", callAfter=call_after, callLater=call_later),
            "PyObjCTools.MachSignals": _module("PyObjCTools.MachSignals", signal=lambda number, handler: None),
            "objc": _module("objc", namedSelector=named_selector),
        }  # fmt: skip


@contextmanager
def menu_bar() -> Iterator[tuple[Mac, Any]]:
    """Provide a fake menu bar and our backend loaded with it; remove both afterwards."""
    mac = Mac()
    fakes = mac.modules()
    names = (*fakes, OURS, PYSTRAYS)
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.modules.update(fakes)
    try:
        yield mac, import_module(OURS)
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(content)
    return module
