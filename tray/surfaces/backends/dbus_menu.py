"""The menu as D-Bus panels read it: the `com.canonical.dbusmenu` protocol, without I/O.

Rules (from the protocol, and from what Xfce, LXQt, MATE, KDE and GNOME do with it):

- A row's number stands for the row's identity, the keys from the root down to it, and is never given out again. A click
  on a row that a panel still shows from an older menu hits that row or nothing.
- Texts and check marks change while the menu is open. Rows come and go only while it is closed, so that nothing moves
  under the pointer; a panel that never says "closed" delays that by `LONGEST_OPEN` at most, or by `LONGEST_UNTOLD`
  where it tells of submenus only and none is open.
- A panel that asks `AboutToShow` for the menu itself has opened it. Where rows moved though, an answer that is clicked
  within `SETTLE` is not taken: another one may have come under the pointer.
- A submenu with a `fill` name holds one placeholder until the menu that it is in is open: panels place a submenu by the
  rows that they know, and do not wait for others. It is made anew when a panel asks `AboutToShow` for it, or says that
  it is open. The answer to `AboutToShow` waits for the rows, for `LONGEST_WAIT` at most.

What panels do, read in their sources and seen on the bus:

- libdbusmenu-gtk (Xfce, Cinnamon, waybar) asks for the menu and for each submenu, and ignores the answer: it reads the
  whole menu again at `LayoutUpdated` alone. It does not say when the menu itself is closed. Rows that come as a menu
  opens make it one that scrolls; a submenu that is clicked at once, or tapped, stays as small as its placeholder.
- Qt's panels (Plasma, LXQt) read one level at a time, and after an answer of "changed" they ignore the next
  `LayoutUpdated` of that row: so each such answer is followed by one. LXQt's of 2.0 and later reads only 2 s after a
  `LayoutUpdated`: "changed" is the answer until it has. They say "closed" before "clicked".
- Plasma says "opened" before it has the answer, and shows a submenu at once, where its old rows have room; rows that
  come later grow off the screen.
- MATE's panel and GNOME Flashback's ask for the menu only, once it is on the screen, and tell nothing of submenus: all
  of them are filled while the menu is open. Each `LayoutUpdated`, and an answer of "changed", builds their menu anew.
- GNOME's extension asks for submenus after it has opened them. Budgie's panel only says "opened", COSMIC's "clicked".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import msgspec
from dbus_fast import Message, Variant

from tray.core.click_guard import SETTLE
from tray.core.commands import ANSWERS, Command, ExplainIgnoredClick
from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH, text
from tray.surfaces.icon import png
from tray.surfaces.menu.items import ROOT_MENU, Entry, Item, OpenSubmenus, Separator, SubmenuId
from tray.surfaces.menu.view import IconView

LONGEST_OPEN = 60.0  # s that added and removed rows wait for an open menu
LONGEST_UNTOLD = 10.0  # s that they wait for a menu whose end is not told of: GTK's grows badly when it is opened next
LONGEST_WAIT = 0.15  # s that a panel waits for the rows of a submenu; Xfce opens it after 0.23 s
ROOT = 0  # the protocol's number for the menu itself
AFTERWARDS = 0.5  # s after "closed" in which a click was made while the menu was open
MARK_SIZE = 16  # px of the picture before a row: what GTK and Qt show in menus

Path = tuple[str, ...]
Properties = dict[str, Variant]
Nodes = dict[int, "Node"]


class Node(msgspec.Struct, frozen=True):
    """One row as the protocol wants it."""

    properties: Properties
    children: tuple[int, ...] = ()
    command: Command | None = None
    submenu_id: SubmenuId | None = None
    filled: bool = True  # False: its children are the placeholder


class _Asked(msgspec.Struct, frozen=True):
    """An `AboutToShow` or `AboutToShowGroup` that waits for a view made after it."""

    call: Message
    times: int
    root: bool  # it is about the menu itself
    opening: frozenset[SubmenuId]  # what nobody looked at until then


class _Left(msgspec.Struct, frozen=True):
    """The menu as it was when a panel closed it, or a submenu of it."""

    nodes: Nodes
    at: float  # s, of the clock
    moved: bool  # its rows had just moved


class DBusMenu:
    """One menu. Its owner sends what `answer` and `take_messages` return, and ends in time what is `waiting`.

    `on_opened` is told whenever a panel opens or closes a submenu. It must bring a view with the rows to `replace`.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        choose: Callable[[Command], None],
        on_opened: Callable[[OpenSubmenus], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._choose = choose
        self._on_opened = on_opened
        self._clock = clock  # in s
        self._moved_at = -SETTLE / 1000  # when rows last moved in a menu that may be open
        self._numbers: dict[Path, int] = {}  # of the rows that are there
        self._next_number = count(ROOT + 1)
        self._nodes = self._build(entries)
        self._revision = 1
        self._open = False
        self._end_is_told = False  # a panel says when the menu itself is opened and closed
        self._opened = OpenSubmenus()
        self._looked_at: frozenset[SubmenuId] = frozenset()  # what panels say is open; `_opened` may hold more
        self._unread: dict[str, set[int]] = {}  # by panel that reads one level at a time, what it has yet to read
        self._silent: set[str] = set()  # the panels that tell nothing of submenus
        self._left: _Left | None = None
        self._asked: list[_Asked] = []
        self._replies: list[Message] = []
        self._later: tuple[Entry, ...] | None = None  # the newest menu, as long as rows must not move
        self._moved: set[int] = set()  # rows below which others came or went since the last signal
        self._told: set[int] = set()  # rows of which a panel was told since then that they changed
        self._due: set[int] = set()  # rows to be announced to such a panel, as it has read what they are in
        self._reworded: dict[int, Properties] = {}  # what else changed since then

    @property
    def is_open(self) -> bool:
        """Whether the menu itself is open, as far as is known."""
        return self._open

    @property
    def waiting(self) -> bool:
        """Whether the owner has to call `closed` after `patience`: something is open, as far as is known."""
        return bool(self._opened.ids) or self._later is not None

    @property
    def patience(self) -> float:
        """For how long what is open is taken for open, in s, from the last time that something was opened."""
        told = self._end_is_told or self._looked_at - {ROOT_MENU}
        return LONGEST_OPEN if told else LONGEST_UNTOLD

    @property
    def times(self) -> int:
        """How often something was opened so far."""
        return self._opened.openings

    @property
    def asked(self) -> bool:
        """Whether a panel waits for an answer: the owner has to call `give_up` after `LONGEST_WAIT`."""
        return bool(self._asked)

    @property
    def ready(self) -> bool:
        """Whether an answer that a panel waits for can be sent now."""
        return bool(self._replies)

    def replace(self, entries: tuple[Entry, ...], opened: OpenSubmenus = OpenSubmenus()) -> None:  # noqa: B008  # a frozen value
        """Show this menu: its words at once, added and removed rows only when the menu is not open."""
        nodes = self._build(entries)
        if self._open:
            kept = self._kept(nodes)
            self._later = entries if kept != nodes else None
            nodes = kept
        else:
            self._later = None
        self._put(nodes)
        self._report(self._looked_at)  # submenus may have come that have to be filled as well
        self._answer_asked(opened.openings)

    def closed(self) -> None:
        """Take the menu for closed: rows that had to wait come and go."""
        self._open = False
        self._report(frozenset())
        self._catch_up()

    def give_up(self) -> None:
        """Answer the panels that wait with what is there."""
        self._answer_asked(self._opened.openings)

    def take_messages(self) -> list[Message]:
        """The signals that tell a panel all that changed since the last call, and the answers that were held back."""
        messages = [*self._replies]
        if self._moved and not self._open:
            self._moved_at = self._clock()
        for number in self._changed_parents():
            self._revision += 1
            messages.append(Message.new_signal(MENU_PATH, MENU, "LayoutUpdated", "ui", [self._revision, number]))
        if self._reworded:
            body = [[[number, properties] for number, properties in self._reworded.items()], []]
            messages.append(Message.new_signal(MENU_PATH, MENU, "ItemsPropertiesUpdated", "a(ia{sv})a(ias)", body))
        self._moved, self._told, self._due = set(), set(), set()
        self._reworded, self._replies = {}, []
        return messages

    def answer(self, call: Message) -> Message | None:
        """Do what a panel asks of the menu; returns the reply, or None where it follows in `take_messages`."""
        match call.member, call.body:
            case "GetLayout", [int(number), int(depth), names]:
                self._meet(call.sender or "", number, depth, names)
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
                return self._about_to_show(call, [number])
            case "AboutToShowGroup", [numbers]:
                return self._about_to_show(call, numbers)
        return Message.new_error(call, "org.freedesktop.DBus.Error.InvalidArgs", f"{call.member}: no such call or row")

    # ------------------------------------------------------------------ what panels open

    def _meet(self, panel: str, number: int, depth: int, names: list[str]) -> None:
        """Learn from how a panel reads the menu what it is going to tell, and what it has to read next."""
        if "disposition" in names:  # MATE's and GNOME Flashback's; no other panel asks for it by name
            self._silent.add(panel)
        if depth != 1:
            return
        if panel not in self._unread:
            self._unread[panel] = {number for number, node in self._nodes.items() if node.children}
        if number in self._nodes:
            self._unread[panel].discard(number)
            self._due |= self._unread[panel].intersection(self._nodes[number].children)

    def _about_to_show(self, call: Message, numbers: Iterable[int]) -> Message | None:
        fills = {self._nodes[number].submenu_id for number in numbers if number in self._nodes}
        wanted = frozenset(fill for fill in fills if fill is not None)
        if not wanted:
            return self._shown(call)
        if ROOT_MENU in wanted:  # the panel opens the menu, so it was closed
            self._open = False
            self._catch_up()
        opening = wanted - self._looked_at
        self._report(self._looked_at | wanted, again=True)
        self._asked.append(_Asked(call, self._opened.openings, ROOT_MENU in wanted, opening))
        return None

    def _answer_asked(self, times: int) -> None:
        ready = [asked for asked in self._asked if asked.times <= times]
        self._asked = [asked for asked in self._asked if asked.times > times]
        if any(asked.root for asked in ready):
            self._begin()
        self._replies += [self._shown(asked.call) for asked in ready]

    def _shown(self, call: Message) -> Message:
        """The reply to a panel that is about to show rows: whether it has to read them again."""
        numbers = [*call.body] if call.member == "AboutToShow" else call.body[0]
        unread = self._unread.get(call.sender or "", set())
        changed = [number for number in numbers if number in self._moved | unread or ROOT in self._moved]
        if call.sender in self._silent:
            changed = []  # the signal alone makes it read the menu, and once
        self._told.update(changed)
        if call.member == "AboutToShow":
            return Message.new_method_return(call, "b", [bool(changed)])
        unknown = [number for number in numbers if number not in self._nodes]
        return Message.new_method_return(call, "aiai", [changed, unknown])

    def _happened(self, number: int, kind: str) -> bool:
        node = self._nodes.get(number)
        if kind == "clicked" and (node is None or not node.children):
            return self._clicked(number)
        if node is None:
            return False
        self._end_is_told |= number == ROOT
        if kind in ("opened", "clicked"):  # COSMIC's panel clicks on a submenu to open it
            if number == ROOT and not any(asked.root for asked in self._asked):
                self._begin()
            if node.submenu_id is not None:
                self._report(self._looked_at | {node.submenu_id}, again=not node.filled and not self._asked)
        elif kind == "closed":
            if not self._just_left():
                self._left = _Left(self._nodes, self._clock(), self._just_moved())
            if number == ROOT:
                self.closed()
            elif node.submenu_id is not None:
                self._report(self._looked_at - {node.submenu_id})
        return True

    def _clicked(self, number: int) -> bool:
        left = self._just_left()
        node = self._nodes.get(number) or (left.nodes.get(number) if left else None)
        if node is None:
            return False
        if node.command is not None:
            moved = left.moved if left else self._just_moved()
            self._choose(ExplainIgnoredClick() if moved and isinstance(node.command, ANSWERS) else node.command)
        self.closed()  # every panel closes its menu at a click, and Xfce's does not say so
        return True

    def _just_left(self) -> _Left | None:
        """The menu as it was, if it was closed just now."""
        return self._left if self._left and self._clock() - self._left.at < AFTERWARDS else None

    def _just_moved(self) -> bool:
        """Whether a panel that shows the menu unasked may have put another row under the pointer."""
        return self._clock() - self._moved_at < SETTLE / 1000

    def _begin(self) -> None:
        """The menu is open from now on: its rows stay where they are."""
        self._open = True
        self._moved_at = -SETTLE / 1000

    def _report(self, fills: frozenset[SubmenuId], *, again: bool = False) -> None:
        """Tell what has to be filled; `again`: even if it is known, since a panel wants the newest rows."""
        self._looked_at = fills
        everything = bool(self._silent) and ROOT_MENU in fills
        opened = OpenSubmenus(self._opened.openings + again, fills | self._ahead(fills), everything)
        if opened != self._opened:
            self._opened = opened
            self._on_opened(opened)

    def _ahead(self, fills: frozenset[SubmenuId]) -> frozenset[SubmenuId]:
        """The submenus of what is open: they have to have their rows before they are opened."""
        below = [number for node in self._nodes.values() if node.submenu_id in fills for number in node.children]
        return frozenset(fill for number in below if (fill := self._nodes[number].submenu_id) is not None)

    # ------------------------------------------------------------------ rows

    def _catch_up(self) -> None:
        """Let waiting rows come and go."""
        if self._later is not None:
            nodes = self._build(self._later)
            self._later = None
            self._put(nodes)

    def _build(self, entries: tuple[Entry, ...]) -> Nodes:
        """All rows by number. Rows that are there already keep theirs."""
        nodes: Nodes = {}

        def add(entry: Entry, above: Path) -> int:
            path = (*above, _kind(entry), entry.key)
            number = self._numbers.get(path) or self._numbers.setdefault(path, next(self._next_number))
            if isinstance(entry, Separator):
                nodes[number] = Node({"type": Variant("s", "separator")})
            else:
                filled = bool(entry.children) or not entry.has_submenu
                children = tuple(add(child, path) for child in (entry.children if filled else PLACEHOLDER))
                choice = None if children else entry.command
                nodes[number] = Node(_properties(entry), children, choice, entry.submenu_id, filled)
            return number

        rows = tuple(add(entry, ()) for entry in entries)
        nodes[ROOT] = Node({"children-display": Variant("s", "submenu")}, rows, submenu_id=ROOT_MENU)
        return nodes

    def _kept(self, nodes: Nodes) -> Nodes:
        """The old rows in their new words; only submenus that were opened or closed get other rows."""
        kept: Nodes = {}

        def take(number: int, of: Nodes) -> None:
            node = of[number]
            kept[number] = node
            for child in node.children:
                take(child, of)

        def keep(number: int) -> None:
            old, new = self._nodes[number], nodes.get(number)
            if new is None:
                take(number, self._nodes)
            elif new.filled != old.filled or old.submenu_id in opening:
                take(number, nodes)
            else:
                kept[number] = Node(new.properties, old.children, new.command, new.submenu_id, new.filled)
                for child in old.children:
                    keep(child)

        opening: frozenset[SubmenuId | None] = frozenset().union(*(asked.opening for asked in self._asked))
        keep(ROOT)
        return kept

    def _put(self, nodes: Nodes) -> None:
        common = nodes.keys() & self._nodes.keys()
        moved = {number for number in common if nodes[number].children != self._nodes[number].children}
        self._moved |= moved
        new = {number for number in nodes.keys() - common if nodes[number].children} if self._unread else set()
        for unread in self._unread.values():
            unread.update(moved, new)
            unread.intersection_update(nodes)
        for number in common:
            before = self._nodes[number].properties
            if before is not nodes[number].properties:
                changed = {name: value for name, value in nodes[number].properties.items() if before.get(name) != value}
                if changed:
                    self._reworded.setdefault(number, {}).update(changed)
        self._moved &= nodes.keys()
        self._reworded = {number: changed for number, changed in self._reworded.items() if number in nodes}
        self._numbers = {path: number for path, number in self._numbers.items() if number in nodes}
        self._nodes = nodes

    def _changed_parents(self) -> list[int]:
        """The rows below which others came or went; of two below each other the upper one, and later the other."""
        found: list[int] = []
        left = [ROOT] if self._moved else []
        while left:
            number = left.pop()
            if number in self._moved:
                found.append(number)
            else:
                left += self._nodes[number].children
        if not self._unread:
            return [ROOT] if found and self._silent else found
        due = self._due.intersection(set().union(*self._unread.values()))
        return found + sorted(((due | self._told) & self._nodes.keys()).difference(found))

    def _layout(self, number: int, depth: int, names: list[str]) -> list[Any]:
        """The protocol's nested form; a depth of -1 means all the way down. A row that is gone is an empty one."""
        node = self._nodes.get(number)
        if node is None:
            return [number, {}, []]
        below = node.children if depth else ()
        children = [Variant("(ia{sv}av)", self._layout(child, depth - 1, names)) for child in below]
        return [number, _only(node.properties, names), children]

    def _properties(self, number: int) -> Properties:
        node = self._nodes.get(number)
        return {} if node is None else node.properties


PLACEHOLDER = (Item("placeholder", "…"),)


def _kind(entry: Entry) -> str:
    """Part of a row's identity: panels can't turn one kind of row into another."""
    if isinstance(entry, Separator):
        return "line"
    if entry.has_submenu:
        return "submenu"
    return "row" if entry.checked is None else "check"


def _properties(item: Item) -> Properties:
    # An underscore would underline the next letter and make it a shortcut; doubled, it is an underscore.
    properties = {"label": Variant("s", text(item.label).replace("_", "__")), "enabled": Variant("b", item.enabled)}
    if item.mark is not None:
        properties["icon-data"] = Variant("ay", png(IconView(item.mark), MARK_SIZE))
    if item.has_submenu:
        properties["children-display"] = Variant("s", "submenu")
    elif item.checked is not None:
        properties["toggle-type"] = Variant("s", "checkmark")
        properties["toggle-state"] = Variant("i", int(item.checked))
    return properties


def _only(properties: Properties, names: list[str]) -> Properties:
    return {name: value for name, value in properties.items() if name in names} if names else properties
