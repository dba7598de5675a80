"""The rows of a D-Bus menu: each with an id, its properties and its children.

A row's id stands for the row's identity (the keys from the root down to it) and is never reused. A click on a row that
a panel still shows from an older menu therefore hits that row or none.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
from dbus_fast import Variant

from tray.core.commands import Command
from tray.surfaces.backends.dbus_introspection import text
from tray.surfaces.icon import png
from tray.surfaces.menu.items import ROOT_MENU, Entry, Item, Separator, SubmenuId
from tray.surfaces.menu.view import IconView

ROOT_ID = 0  # the protocol's id of the menu itself
MARK_SIZE = 16  # px of the icon before a row, as GTK and Qt show them in menus
PLACEHOLDER = (Item("placeholder", "…"),)

Path = tuple[str, ...]
Properties = dict[str, Variant]
Nodes = dict[int, "Node"]


class Node(msgspec.Struct, frozen=True):
    """One row."""

    properties: Properties
    children: tuple[int, ...] = ()
    command: Command | None = None
    submenu_id: SubmenuId | None = None
    is_built: bool = True  # False: its only child is the placeholder


class TreeChanges(msgspec.Struct, frozen=True):
    """The difference between two menus."""

    moved: set[int]  # rows whose children were added, removed or reordered
    added: set[int]  # new rows with children
    properties: dict[int, Properties]  # changed properties, by row


class MenuTree:
    """The rows of one menu, by id."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._ids: dict[Path, int] = {}
        self._next_id = count(ROOT_ID + 1)
        self.nodes = self.build(entries)

    def build(self, entries: tuple[Entry, ...]) -> Nodes:
        """Return the rows for these entries. Rows that exist already keep their ids."""
        nodes: Nodes = {}

        def add(entry: Entry, parent: Path) -> int:
            path = (*parent, _kind(entry), entry.key)
            row_id = self._ids.get(path) or self._ids.setdefault(path, next(self._next_id))
            if isinstance(entry, Separator):
                nodes[row_id] = Node({"type": Variant("s", "separator")})
            else:
                is_built = bool(entry.children) or not entry.has_submenu
                children = tuple(add(child, path) for child in (entry.children if is_built else PLACEHOLDER))
                command = None if children else entry.command
                nodes[row_id] = Node(_properties(entry), children, command, entry.submenu_id, is_built)
            return row_id

        rows = tuple(add(entry, ()) for entry in entries)
        nodes[ROOT_ID] = Node({"children-display": Variant("s", "submenu")}, rows, submenu_id=ROOT_MENU)
        return nodes

    def with_rows_kept(self, nodes: Nodes, opening: frozenset[SubmenuId]) -> Nodes:
        """Return the current rows with the properties of the new ones.

        Only submenus that became open or closed, and those in `opening`, get new rows.
        """
        kept: Nodes = {}

        def copy(row_id: int, source: Nodes) -> None:
            node = source[row_id]
            kept[row_id] = node
            for child in node.children:
                copy(child, source)

        def keep(row_id: int) -> None:
            old, new = self.nodes[row_id], nodes.get(row_id)
            if new is None:
                copy(row_id, self.nodes)
            elif new.is_built != old.is_built or old.submenu_id in opening:
                copy(row_id, nodes)
            else:
                kept[row_id] = Node(new.properties, old.children, new.command, new.submenu_id, new.is_built)
                for child in old.children:
                    keep(child)

        keep(ROOT_ID)
        return kept

    def replace(self, nodes: Nodes) -> TreeChanges:
        """Make these the current rows, and return what has changed."""
        old = self.nodes
        common = nodes.keys() & old.keys()
        properties: dict[int, Properties] = {}
        for row_id in common:
            before, after = old[row_id].properties, nodes[row_id].properties
            if before is not after:
                changed = {name: value for name, value in after.items() if before.get(name) != value}
                if changed:
                    properties[row_id] = changed
        moved = {row_id for row_id in common if nodes[row_id].children != old[row_id].children}
        added = {row_id for row_id in nodes.keys() - common if nodes[row_id].children}
        self._ids = {path: row_id for path, row_id in self._ids.items() if row_id in nodes}
        self.nodes = nodes
        return TreeChanges(moved, added, properties)

    def submenus_inside(self, submenu_ids: frozenset[SubmenuId]) -> frozenset[SubmenuId]:
        """Return the submenus that are rows of these submenus."""
        children = [child for node in self.nodes.values() if node.submenu_id in submenu_ids for child in node.children]
        return frozenset(submenu_id for child in children if (submenu_id := self.nodes[child].submenu_id) is not None)

    def layout(self, row_id: int, depth: int, names: list[str]) -> list[Any]:
        """Return a row and those below it in the protocol's nested form; an unknown row is empty.

        A depth of -1 means all levels.
        """
        node = self.nodes.get(row_id)
        if node is None:
            return [row_id, {}, []]
        below = node.children if depth else ()
        children = [Variant("(ia{sv}av)", self.layout(child, depth - 1, names)) for child in below]
        return [row_id, self.properties(row_id, names), children]

    def properties(self, row_id: int, names: list[str] | None = None) -> Properties:
        """Return the properties of a row; only those in `names`, unless that is empty."""
        node = self.nodes.get(row_id)
        if node is None:
            return {}
        return {name: value for name, value in node.properties.items() if name in names} if names else node.properties


def _kind(entry: Entry) -> str:
    """Return the part of a row's identity that panels cannot change later."""
    if isinstance(entry, Separator):
        return "separator"
    if entry.has_submenu:
        return "submenu"
    return "row" if entry.checked is None else "check"


def _properties(item: Item) -> Properties:
    # A single underscore marks the next letter as a shortcut; a double one is shown as an underscore.
    properties = {"label": Variant("s", text(item.label).replace("_", "__")), "enabled": Variant("b", item.enabled)}
    if item.mark is not None:
        properties["icon-data"] = Variant("ay", png(IconView(item.mark), MARK_SIZE))
    if item.has_submenu:
        properties["children-display"] = Variant("s", "submenu")
    elif item.checked is not None:
        properties["toggle-type"] = Variant("s", "checkmark")
        properties["toggle-state"] = Variant("i", int(item.checked))
    return properties
