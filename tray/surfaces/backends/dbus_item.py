"""The StatusNotifierItem protocol: the icon as D-Bus panels read it, with its menu. Without I/O.

How panels use it: Xfce and MATE hide an item whose status is `Passive`, and show nothing for a tooltip that is not
valid markup. MATE shows no attention icon, and no panel shows an overlay icon well, so that the state is drawn into the
icon.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from html import escape
from typing import Any

from dbus_fast import Message, Variant
from PIL import Image

from tray.core.commands import Command, ShowSummary
from tray.surfaces.backends.dbus_introspection import BUS, ITEM, ITEM_PATH, ITEM_XML, MENU_PATH, MENU_XML, text
from tray.surfaces.backends.dbus_menu import DBusMenu
from tray.surfaces.icon import draw
from tray.surfaces.menu.items import OpenSubmenus, default_command
from tray.surfaces.menu.view import IconView, TrayView

SIZES = (16, 22, 24, 32, 48, 64)  # px: what panels ask for, up to twice a 32 px panel

Properties = dict[str, Variant]


class DBusItem:
    """One icon and its menu. Its owner sends what `answer` and `take_messages` return."""

    def __init__(
        self,
        app_id: str,
        title: str,
        view: TrayView,
        on_command: Callable[[Command], None],
        on_open_changed: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        self.menu = DBusMenu(view.menu, on_command, on_open_changed)
        self._app_id = app_id
        self._title = title
        self._view = view
        self._on_command = on_command
        self._is_menu = default_command(view.menu) is None  # as the panels have read it
        self._signals: dict[str, None] = {}  # names of the signals to send, in order

    def show(self, view: TrayView) -> None:
        """Show this view."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self._signals["NewIcon"] = None
        if view.tooltip != before.tooltip:
            self._signals["NewToolTip"] = None
        if view.menu != before.menu or view.open_submenus != before.open_submenus:
            self.menu.replace(view.menu, view.open_submenus)

    def take_messages(self) -> list[Message]:
        """Return the signals for all changes since the last call, and the menu's replies that had to wait."""
        is_menu = default_command(self._view.menu) is None
        if is_menu != self._is_menu and not self.menu.is_open:  # Xfce's panel closes the menu when this changes
            self._is_menu = is_menu
            self._signals["NewTitle"] = None  # panels then read all properties again, `ItemIsMenu` among them
        names, self._signals = list(self._signals), {}
        return [Message.new_signal(ITEM_PATH, ITEM, name) for name in names] + self.menu.take_messages()

    def handles(self, call: Message) -> bool:
        """Return whether the call is for this icon or its menu."""
        return call.path in (ITEM_PATH, MENU_PATH)

    def answer(self, call: Message) -> Message | None:
        """Carry out a panel's method call.

        Returns the reply; None if it follows later, or if the call is not for this icon.
        """
        if not self.handles(call):
            return None
        on_menu = call.path == MENU_PATH
        match call.member, call.body:
            case "Introspect", _:
                return Message.new_method_return(call, "s", [MENU_XML if on_menu else ITEM_XML])
            case "GetAll", _:
                return Message.new_method_return(call, "a{sv}", [self._properties(on_menu=on_menu)])
            case "Get", [_, str(name)] if name in self._properties(on_menu=on_menu):
                return Message.new_method_return(call, "v", [self._properties(on_menu=on_menu)[name]])
            case "Get", [_, str(name)]:
                return Message.new_error(call, f"{BUS}.Error.UnknownProperty", f"unknown property {name}")
            case _ if on_menu:
                return self.menu.answer(call)
            case "Activate" | "SecondaryActivate", _:
                self._on_command(default_command(self._view.menu) or ShowSummary())
                return Message.new_method_return(call)
            case "ContextMenu" | "Scroll" | "ProvideXdgActivationToken", _:
                return Message.new_method_return(call)
        return Message.new_error(call, f"{BUS}.Error.UnknownMethod", f"unknown method {call.member}")

    def _properties(self, *, on_menu: bool) -> Properties:
        if on_menu:
            return {
                "Version": Variant("u", 3),
                "TextDirection": Variant("s", "ltr"),
                "Status": Variant("s", "normal"),
                "IconThemePath": Variant("as", []),
            }
        # LXQt shows only the first line of the tooltip. MATE reads that, too, as markup.
        tooltip = ["", [], escape(text(self._view.tooltip), quote=False), ""]
        return {
            "Category": Variant("s", "ApplicationStatus"),
            "Id": Variant("s", self._app_id),
            "Title": Variant("s", text(self._title)),
            "Status": Variant("s", "Active"),
            "WindowId": Variant("i", 0),
            "IconName": Variant("s", ""),
            "IconThemePath": Variant("s", ""),
            "AttentionMovieName": Variant("s", ""),
            "IconPixmap": Variant("a(iiay)", _pixmaps(self._view.icon)),
            "OverlayIconName": Variant("s", ""),
            "OverlayIconPixmap": Variant("a(iiay)", []),
            "AttentionIconName": Variant("s", ""),
            "AttentionIconPixmap": Variant("a(iiay)", []),
            "ToolTip": Variant("(sa(iiay)ss)", tooltip),
            "Menu": Variant("o", MENU_PATH),
            # Without a default command, a left click opens the menu on panels that support that.
            "ItemIsMenu": Variant("b", self._is_menu),
        }


@lru_cache(maxsize=64)
def _pixmaps(icon: IconView) -> list[list[Any]]:
    """Return the icon in every size as D-Bus requires it: ARGB in network byte order. Drawn, not scaled."""
    return [[size, size, _argb(draw(icon, size))] for size in SIZES]


def _argb(image: Image.Image) -> bytes:
    red, green, blue, alpha = image.split()
    return Image.merge("RGBA", (alpha, red, green, blue)).tobytes()
