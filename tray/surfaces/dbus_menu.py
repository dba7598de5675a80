"""The menu as D-Bus panels read it: the `com.canonical.dbusmenu` protocol, without I/O.

Rules (from the protocol, and from what Xfce, LXQt, MATE, KDE and GNOME do with it):

- A row's number stands for the row's identity, the keys from the root down to it, and is never given out again. A click on
  a row that a panel still shows from an older menu hits that row or nothing.
- Texts and check marks change while the menu is open. Rows come and go only while it is closed, so that nothing moves under
  the pointer; a panel that never says "closed" delays that by `LONGEST_OPEN` at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from dbus_fast import Message, Variant

from tray.core.choices import Choice
from tray.surfaces.dbus_names import MENU, MENU_PATH, text
from tray.surfaces.menu import Entry, Item, Separator

LONGEST_OPEN = 60.0  # s that added and removed rows wait for an open menu
ROOT = 0  # the protocol's number for the menu itself

Path = tuple[str, ...]
Properties = dict[str, Variant]


@dataclass(frozen=True, slots=True)
class Node:
    """One row as the protocol wants it."""

    number: int
    properties: Properties
    children: tuple[Node, ...] = ()
    choice: Choice | None = None

    @property
    def shape(self) -> tuple[object, ...]:
        """What can only change together with the menu's structure."""
        kind = tuple(name in self.properties for name in ("type", "toggle-type", "children-display"))
        return kind, tuple(child.number for child in self.children)

    def walk(self) -> Iterator[Node]:
        """This row and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class DBusMenu:
    """One menu. Whoever owns it sends what `answer` and `take_signals` return and, while `waiting`, ends the wait in time."""

    def __init__(self, choose: Callable[[Choice], None]) -> None:
        self._choose = choose
        self._numbers: dict[Path, int] = {}
        self._next_number = count(ROOT + 1)
        self._nodes = {ROOT: Node(ROOT, {"children-display": Variant("s", "submenu")})}
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
        """Show this menu: at once, or with its new rows only after an open one has been closed."""
        nodes = self._build(entries)
        same = nodes.keys() == self._nodes.keys() and all(nodes[n].shape == self._nodes[n].shape for n in nodes)
        if same or not self._open:
            self._later = None
            self._moved |= not same
        else:
            self._later = entries
            nodes = {number: _reworded(old, nodes.get(number)) for number, old in self._nodes.items()}
        self._note_changes(nodes)
        self._nodes = nodes

    def closed(self) -> bool:
        """Take the menu for closed. Returns whether rows that had to wait have now come or gone."""
        self._open = False
        if self._later is None:
            return False
        self.replace(self._later)
        return True

    def take_signals(self) -> list[Message]:
        """The signals that tell a panel all that changed since the last call."""
        signals = []
        if self._moved:
            self._revision += 1
            signals.append(Message.new_signal(MENU_PATH, MENU, "LayoutUpdated", "ui", [self._revision, ROOT]))
        if self._reworded:
            changed = [[number, properties] for number, properties in self._reworded.items()]
            body = [changed, []]
            signals.append(Message.new_signal(MENU_PATH, MENU, "ItemsPropertiesUpdated", "a(ia{sv})a(ias)", body))
        self._moved = False
        self._reworded = {}
        return signals

    def answer(self, call: Message) -> Message:
        """Do what a panel asks of the menu; returns the reply."""
        match call.member, call.body:
            case "GetLayout", [int(number), int(depth), names] if number in self._nodes:
                layout = _layout(self._nodes[number], depth, names)
                return Message.new_method_return(call, "u(ia{sv}av)", [self._revision, layout])
            case "GetGroupProperties", [numbers, names]:
                known = [n for n in numbers or self._nodes if n in self._nodes]
                return Message.new_method_return(
                    call, "a(ia{sv})", [[[n, _only(self._nodes[n].properties, names)] for n in known]]
                )
            case "GetProperty", [int(number), str(name)] if name in self._properties(number):
                return Message.new_method_return(call, "v", [self._properties(number)[name]])
            case "Event", [int(number), str(kind), _, _]:
                self._happened(number, kind)
                return Message.new_method_return(call)
            case "EventGroup", [events]:
                unknown = [number for number, kind, _, _ in events if not self._happened(number, kind)]
                return Message.new_method_return(call, "ai", [unknown])
            case "AboutToShow", [int(number)]:
                return Message.new_method_return(call, "b", [number == ROOT and self.closed()])
            case "AboutToShowGroup", [numbers]:
                changed = [ROOT] if ROOT in numbers and self.closed() else []
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

    def _build(self, entries: tuple[Entry, ...]) -> dict[int, Node]:
        """All rows by number. Rows that were there keep theirs; numbers of rows that are gone are forgotten."""
        numbers: dict[Path, int] = {}

        def node(entry: Entry, above: Path) -> Node:
            path = (*above, entry.key)
            numbers[path] = number = self._numbers.get(path) or next(self._next_number)
            if isinstance(entry, Separator):
                return Node(number, {"type": Variant("s", "separator")})
            children = tuple(node(child, path) for child in entry.children)
            return Node(number, _properties(entry), children, None if children else entry.choice)

        rows = tuple(node(entry, ()) for entry in entries)
        self._numbers = {**self._numbers, **numbers} if self._open else numbers
        root = Node(ROOT, {"children-display": Variant("s", "submenu")}, rows)
        return {each.number: each for each in root.walk()}

    def _note_changes(self, nodes: dict[int, Node]) -> None:
        for number, node in nodes.items():
            before = self._properties(number)
            changed = {name: value for name, value in node.properties.items() if before.get(name) != value}
            if number in self._nodes and changed:
                self._reworded.setdefault(number, {}).update(changed)
        self._reworded = {number: changed for number, changed in self._reworded.items() if number in nodes}

    def _properties(self, number: int) -> Properties:
        node = self._nodes.get(number)
        return {} if node is None else node.properties


def _properties(item: Item) -> Properties:
    # An underscore would underline the next letter and make it a shortcut; doubled, it is an underscore.
    properties = {"label": Variant("s", text(item.label).replace("_", "__")), "enabled": Variant("b", item.enabled)}
    if item.checked is not None:
        properties["toggle-type"] = Variant("s", "checkmark")
        properties["toggle-state"] = Variant("i", int(item.checked))
    if item.children:
        properties["children-display"] = Variant("s", "submenu")
    return properties


def _reworded(old: Node, new: Node | None) -> Node:
    """The old row in the old place, in the new words. A row that changed its kind or is gone stays as it was."""
    if new is None or new.properties.keys() != old.properties.keys():
        return old
    return Node(old.number, new.properties, old.children, new.choice)


def _only(properties: Properties, names: list[str]) -> Properties:
    return {name: value for name, value in properties.items() if name in names} if names else properties


def _layout(node: Node, depth: int, names: list[str]) -> list[Any]:
    """The protocol's nested form; `depth` -1 means all the way down."""
    below = node.children if depth else ()
    children = [Variant("(ia{sv}av)", _layout(child, depth - 1, names)) for child in below]
    return [node.number, _only(node.properties, names), children]
