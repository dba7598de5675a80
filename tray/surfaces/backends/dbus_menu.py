"""The menu as D-Bus panels read it: the `com.canonical.dbusmenu` protocol, without I/O.

Rules (from the protocol, and from what Xfce, LXQt, MATE, KDE and GNOME do with it):

- A row's number stands for the row's identity, the keys from the root down to it, and is never given out again. A click
  on a row that a panel still shows from an older menu hits that row or nothing.
- Texts and check marks change while the menu is open. Rows come and go only while it is closed, so that nothing moves
  under the pointer; a panel that never says "closed" delays that by `LONGEST_OPEN` at most.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from dbus_fast import Message, Variant

from tray.core.choices import Choice
from tray.surfaces.backends.dbus_names import MENU, MENU_PATH, text
from tray.surfaces.menu import Entry, Item, Separator

LONGEST_OPEN = 60.0  # s that added and removed rows wait for an open menu
ROOT = 0  # the protocol's number for the menu itself

Path = tuple[str, ...]
Properties = dict[str, Variant]
Nodes = dict[int, "Node"]


class Node(msgspec.Struct, frozen=True):
    """One row as the protocol wants it."""

    properties: Properties
    children: tuple[int, ...] = ()
    choice: Choice | None = None


class DBusMenu:
    """One menu. Its owner sends what `answer` and `take_signals` return, and ends in time what is `waiting`."""

    def __init__(self, entries: tuple[Entry, ...], choose: Callable[[Choice], None]) -> None:
        self._choose = choose
        self._numbers: dict[Path, int] = {}  # of the rows that are there
        self._next_number = count(ROOT + 1)
        self._nodes = self._build(entries)
        self._revision = 1
        self._open = False
        self._later: tuple[Entry, ...] | None = None  # the newest menu, as long as rows must not move
        self._moved = False  # rows came or went since the last signal
        self._reworded: dict[int, Properties] = {}  # what else changed since then

    @property
    def waiting(self) -> bool:
        """Whether added or removed rows wait until the menu is closed."""
        return self._later is not None

    def replace(self, entries: tuple[Entry, ...]) -> None:
        """Show this menu: its words at once, added and removed rows only when the menu is not open."""
        nodes = self._build(entries)
        if self._open and _order(nodes) != _order(self._nodes):
            self._later = entries
            nodes = {number: _reworded(old, nodes.get(number)) for number, old in self._nodes.items()}
        else:
            self._later = None
        self._put(nodes)

    def closed(self) -> None:
        """Take the menu for closed: rows that had to wait come and go."""
        self._open = False
        self._catch_up()

    def take_signals(self) -> list[Message]:
        """The signals that tell a panel all that changed since the last call."""
        signals = []
        if self._moved:
            self._revision += 1
            signals.append(Message.new_signal(MENU_PATH, MENU, "LayoutUpdated", "ui", [self._revision, ROOT]))
        if self._reworded:
            body = [[[number, properties] for number, properties in self._reworded.items()], []]
            signals.append(Message.new_signal(MENU_PATH, MENU, "ItemsPropertiesUpdated", "a(ia{sv})a(ias)", body))
        self._moved = False
        self._reworded = {}
        return signals

    def answer(self, call: Message) -> Message:
        """Do what a panel asks of the menu; returns the reply."""
        match call.member, call.body:
            case "GetLayout", [int(number), int(depth), names] if number in self._nodes:
                return Message.new_method_return(
                    call, "u(ia{sv}av)", [self._revision, self._layout(number, depth, names)]
                )
            case "GetGroupProperties", [numbers, names]:
                known = [number for number in numbers or self._nodes if number in self._nodes]
                rows = [[number, _only(self._nodes[number].properties, names)] for number in known]
                return Message.new_method_return(call, "a(ia{sv})", [rows])
            case "GetProperty", [int(number), str(name)] if name in self._properties(number):
                return Message.new_method_return(call, "v", [self._properties(number)[name]])
            case "Event", [int(number), str(kind), _, _]:
                self._happened(number, kind)
                return Message.new_method_return(call)
            case "EventGroup", [events]:
                unknown = [number for number, kind, _, _ in events if not self._happened(number, kind)]
                return Message.new_method_return(call, "ai", [unknown])
            case "AboutToShow", [int(number)]:
                return Message.new_method_return(call, "b", [number == ROOT and self._catch_up()])
            case "AboutToShowGroup", [numbers]:
                changed = [ROOT] if ROOT in numbers and self._catch_up() else []
                unknown = [number for number in numbers if number not in self._nodes]
                return Message.new_method_return(call, "aiai", [changed, unknown])
        return Message.new_error(call, "org.freedesktop.DBus.Error.InvalidArgs", f"{call.member}: no such call or row")

    def _happened(self, number: int, kind: str) -> bool:
        node = self._nodes.get(number)
        if node is None:
            return False
        if kind == "clicked" and node.choice is not None:
            self._choose(node.choice)
        elif number == ROOT and kind == "opened":
            self._open = True
        elif number == ROOT and kind == "closed":
            self.closed()
        return True

    def _catch_up(self) -> bool:
        """Let waiting rows come and go. Returns whether the panel must read the menu again."""
        if self._later is not None:
            nodes = self._build(self._later)
            self._later = None
            self._put(nodes)
        return self._moved

    def _build(self, entries: tuple[Entry, ...]) -> Nodes:
        """All rows by number. Rows that are there already keep theirs."""
        nodes: Nodes = {}

        def add(entry: Entry, above: Path) -> int:
            path = (*above, _kind(entry), entry.key)
            number = self._numbers.get(path) or self._numbers.setdefault(path, next(self._next_number))
            if isinstance(entry, Separator):
                nodes[number] = Node({"type": Variant("s", "separator")})
            else:
                children = tuple(add(child, path) for child in entry.children)
                nodes[number] = Node(_properties(entry), children, None if children else entry.choice)
            return number

        nodes[ROOT] = _root(tuple(add(entry, ()) for entry in entries))
        return nodes

    def _put(self, nodes: Nodes) -> None:
        self._moved |= _order(nodes) != _order(self._nodes)
        for number in nodes.keys() & self._nodes.keys():
            before = self._nodes[number].properties
            changed = {name: value for name, value in nodes[number].properties.items() if before.get(name) != value}
            if changed:
                self._reworded.setdefault(number, {}).update(changed)
        self._reworded = {number: changed for number, changed in self._reworded.items() if number in nodes}
        self._numbers = {path: number for path, number in self._numbers.items() if number in nodes}
        self._nodes = nodes

    def _layout(self, number: int, depth: int, names: list[str]) -> list[Any]:
        """The protocol's nested form; a depth of -1 means all the way down."""
        node = self._nodes[number]
        below = node.children if depth else ()
        children = [Variant("(ia{sv}av)", self._layout(child, depth - 1, names)) for child in below]
        return [number, _only(node.properties, names), children]

    def _properties(self, number: int) -> Properties:
        node = self._nodes.get(number)
        return {} if node is None else node.properties


def _root(rows: tuple[int, ...]) -> Node:
    return Node({"children-display": Variant("s", "submenu")}, rows)


def _kind(entry: Entry) -> str:
    """Part of a row's identity: panels can't turn one kind of row into another."""
    if isinstance(entry, Separator):
        return "line"
    if entry.children:
        return "submenu"
    return "row" if entry.checked is None else "check"


def _properties(item: Item) -> Properties:
    # An underscore would underline the next letter and make it a shortcut; doubled, it is an underscore.
    properties = {"label": Variant("s", text(item.label).replace("_", "__")), "enabled": Variant("b", item.enabled)}
    if item.children:
        properties["children-display"] = Variant("s", "submenu")
    elif item.checked is not None:
        properties["toggle-type"] = Variant("s", "checkmark")
        properties["toggle-state"] = Variant("i", int(item.checked))
    return properties


def _order(nodes: Nodes) -> dict[int, tuple[int, ...]]:
    """Which rows stand under which, in their order."""
    return {number: node.children for number, node in nodes.items()}


def _reworded(old: Node, new: Node | None) -> Node:
    """The old row with the old rows below it, in the new words; a row that is gone stays as it was."""
    return old if new is None else Node(new.properties, old.children, new.choice)


def _only(properties: Properties, names: list[str]) -> Properties:
    return {name: value for name, value in properties.items() if name in names} if names else properties
