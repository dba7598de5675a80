"""The icon as D-Bus panels read it: the StatusNotifierItem protocol with its menu, without I/O.

What panels do with it: Xfce and MATE hide a `Passive` item and go blank on a tooltip that is no valid markup; MATE
shows no attention icon and none shows an overlay well, so the state is drawn into the one bitmap.
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
    """One icon and its menu. Its owner sends what `answer` and `take_signals` return."""

    def __init__(
        self,
        app_id: str,
        title: str,
        view: TrayView,
        choose: Callable[[Command], None],
        on_opened: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        self.menu = DBusMenu(view.menu, choose, on_opened)
        self._app_id = app_id
        self._title = title
        self._view = view
        self._choose = choose
        self._status = "Active"
        self._is_menu = default_command(view.menu) is None  # as panels know it
        self._news: dict[str, list[str]] = {}  # signals and what they say

    def show(self, view: TrayView) -> None:
        """Show this from now on."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self._news["NewIcon"] = []
        if view.tooltip != before.tooltip:
            self._news["NewToolTip"] = []
        if view.menu != before.menu or view.open_submenus != before.open_submenus:
            self.menu.replace(view.menu, view.open_submenus)

    def set_visible(self, *, visible: bool) -> None:
        """Be there, or keep out of sight without going away."""
        self._status = "Active" if visible else "Passive"
        self._news["NewStatus"] = [self._status]

    def activate(self) -> None:
        """A left click: what the menu says is the default, or else what there is."""
        self._choose(default_command(self._view.menu) or ShowSummary())

    def take_messages(self) -> list[Message]:
        """The signals that tell a panel all that changed since the last call, and answers that were held back."""
        is_menu = default_command(self._view.menu) is None
        if is_menu != self._is_menu and not self.menu.is_open:  # Xfce's panel closes the menu when this changes
            self._is_menu = is_menu
            self._news["NewTitle"] = []  # panels read `ItemIsMenu` again with every other property
        news, self._news = self._news, {}
        signals = [Message.new_signal(ITEM_PATH, ITEM, name, "s" * len(body), body) for name, body in news.items()]
        return signals + self.menu.take_messages()

    def is_ours(self, call: Message) -> bool:
        """Whether the call is for this icon or its menu."""
        return call.path in (ITEM_PATH, MENU_PATH)

    def answer(self, call: Message) -> Message | None:
        """Do what a panel asks; returns the reply, or None where it follows, or another one is asked."""
        if not self.is_ours(call):
            return None
        on_menu = call.path == MENU_PATH
        match call.member, call.body:
            case "Introspect", _:
                return Message.new_method_return(call, "s", [MENU_XML if on_menu else ITEM_XML])
            case "GetAll", _:
                return Message.new_method_return(call, "a{sv}", [self._properties(on_menu=on_menu)])
            case "Get", [_, str(name)] if name in self._properties(on_menu=on_menu):
                return Message.new_method_return(call, "v", [self._properties(on_menu=on_menu)[name]])
            case _ if on_menu:
                return self.menu.answer(call)
            case "Activate" | "SecondaryActivate", _:
                self.activate()
                return Message.new_method_return(call)
            case "ContextMenu" | "Scroll" | "ProvideXdgActivationToken", _:
                return Message.new_method_return(call)
        return Message.new_error(call, f"{BUS}.Error.UnknownMethod", f"{call.member}: not here")

    def _properties(self, *, on_menu: bool) -> Properties:
        if on_menu:
            return {
                "Version": Variant("u", 3),
                "TextDirection": Variant("s", "ltr"),
                "Status": Variant("s", "normal"),
                "IconThemePath": Variant("as", []),
            }
        # LXQt shows the tooltip's first line only, and MATE reads it as markup too.
        tooltip = ["", [], escape(text(self._view.tooltip), quote=False), ""]
        return {
            "Category": Variant("s", "ApplicationStatus"),
            "Id": Variant("s", self._app_id),
            "Title": Variant("s", text(self._title)),
            "Status": Variant("s", self._status),
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
            # With nothing to go to, a left click opens the menu where the panel has such a click.
            "ItemIsMenu": Variant("b", self._is_menu),
        }


@lru_cache(maxsize=64)
def _pixmaps(icon: IconView) -> list[list[Any]]:
    """The icon in every size, drawn and not scaled, as D-Bus wants it: ARGB, in network byte order."""
    return [[size, size, _argb(draw(icon, size))] for size in SIZES]


def _argb(picture: Image.Image) -> bytes:
    red, green, blue, alpha = picture.split()
    return Image.merge("RGBA", (alpha, red, green, blue)).tobytes()
