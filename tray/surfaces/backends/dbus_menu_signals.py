"""The signals of a D-Bus menu: what has changed since the last one, and what each panel has yet to read."""

from __future__ import annotations

from dbus_fast import Message

from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH
from tray.surfaces.backends.dbus_menu_tree import ROOT_ID, MenuTree, Properties, TreeChanges


class MenuSignals:
    """Collects the changes of a menu. Panels differ in how they read them, which their first calls show."""

    def __init__(self) -> None:
        self.revision = 1
        self._moved: set[int] = set()  # rows whose children changed since the last signals
        self._properties: dict[int, Properties] = {}  # other changes since then
        self._reported: set[int] = set()  # rows that AboutToShow reported as changed since then
        self._level_panels: dict[str, set[int]] = {}  # panels that read one level at a time -> rows yet to be read
        self._due: set[int] = set()  # rows to announce to such a panel, which has read the level that they are in
        self._menu_only_panels: set[str] = set()  # panels that report only the menu, and no submenus

    @property
    def has_menu_only_panel(self) -> bool:
        """Whether a panel does not report which submenus are open."""
        return bool(self._menu_only_panels)

    @property
    def rows_moved(self) -> bool:
        """Whether rows were added, removed or reordered since the last signals."""
        return bool(self._moved)

    def add(self, changes: TreeChanges, tree: MenuTree) -> None:
        """Add changes of the tree, which has been updated."""
        self._moved = (self._moved | changes.moved) & tree.nodes.keys()
        for unread in self._level_panels.values():
            unread.update(changes.moved, changes.added)
            unread.intersection_update(tree.nodes)
        for row_id, properties in changes.properties.items():
            self._properties.setdefault(row_id, {}).update(properties)
        self._properties = {row_id: changed for row_id, changed in self._properties.items() if row_id in tree.nodes}

    def layout_read(self, panel: str, row_id: int, depth: int, names: list[str], tree: MenuTree) -> None:
        """Record that a panel reads a row: it shows which kind of panel it is, and what it has yet to read."""
        if "disposition" in names:  # only MATE's and GNOME Flashback's panels ask for this property by name
            self._menu_only_panels.add(panel)
        if depth != 1:
            return
        unread = self._level_panels.get(panel)
        if unread is None:
            unread = {number for number, node in tree.nodes.items() if node.children}
            self._level_panels[panel] = unread
        if row_id in tree.nodes:
            unread.discard(row_id)
            self._due |= unread.intersection(tree.nodes[row_id].children)

    def changed_rows(self, panel: str, row_ids: list[int]) -> list[int]:
        """Return which rows the panel has to read again before it shows them."""
        if panel in self._menu_only_panels:
            return []  # the signal alone makes it read the menu, and only once
        unread = self._level_panels.get(panel, set())
        changed = [row_id for row_id in row_ids if row_id in self._moved | unread or ROOT_ID in self._moved]
        self._reported.update(changed)
        return changed

    def take(self, tree: MenuTree) -> list[Message]:
        """Return the signals for all changes since the last call."""
        messages: list[Message] = []
        for row_id in self._rows_to_announce(tree):
            self.revision += 1
            messages.append(Message.new_signal(MENU_PATH, MENU, "LayoutUpdated", "ui", [self.revision, row_id]))
        if self._properties:
            body = [[[row_id, properties] for row_id, properties in self._properties.items()], []]
            messages.append(Message.new_signal(MENU_PATH, MENU, "ItemsPropertiesUpdated", "a(ia{sv})a(ias)", body))
        self._moved, self._reported, self._due, self._properties = set(), set(), set(), {}
        return messages

    def _rows_to_announce(self, tree: MenuTree) -> list[int]:
        """Return the rows whose children changed; of two in one branch only the upper one, and later the lower one."""
        upper: list[int] = []
        to_visit = [ROOT_ID] if self._moved else []
        while to_visit:
            row_id = to_visit.pop()
            if row_id in self._moved:
                upper.append(row_id)
            else:
                to_visit += tree.nodes[row_id].children
        if not self._level_panels:
            return [ROOT_ID] if upper and self._menu_only_panels else upper
        due = self._due.intersection(set().union(*self._level_panels.values()))
        return upper + sorted(((due | self._reported) & tree.nodes.keys()).difference(upper))
