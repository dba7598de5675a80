"""The `com.canonical.dbusmenu` protocol: a menu in the process of a tray icon, shown by panels. Without I/O.

Rules:

- Labels and check marks change while the menu is open. Rows are added and removed only while it is closed, so that
  nothing moves under the pointer. For a panel that never reports "closed" this waits for `OPEN_TIMEOUT` at most, or for
  `UNREPORTED_OPEN_TIMEOUT` if the panel reports only submenus and none of them is open.
- A panel that calls `AboutToShow` for the menu itself has opened it. If a panel may show the menu without saying so, an
  answer that is clicked within `SETTLE` after rows moved is ignored: another row may have come under the pointer.
- A submenu with an id contains one placeholder until the menu around it is open: panels place a submenu by the rows
  that they know, and do not wait for others. It is built again when a panel calls `AboutToShow` for it, or reports it
  as open. The reply to `AboutToShow` waits for the new rows, for `REPLY_TIMEOUT` at most.

How panels use the protocol, from their sources and seen on the bus:

- libdbusmenu-gtk (Xfce, Cinnamon, waybar) calls `AboutToShow` for the menu and each submenu, and ignores the reply: it
  reads the whole menu again only at `LayoutUpdated`. It does not report when the menu itself is closed. If rows are
  added as a menu opens, the menu gets scroll buttons; a submenu that is clicked at once, or tapped, stays as small as
  its placeholder.
- Qt's panels (Plasma, LXQt) read one level at a time. After the reply "changed" they ignore the next `LayoutUpdated` of
  that row, so each such reply is followed by one. LXQt 2.0 and later reads only 2 s after a `LayoutUpdated`, so the
  reply is "changed" until it has read the row. Both report "closed" before "clicked".
- Plasma reports "opened" before it has the reply. It shows a submenu at once, in the place where its old rows have
  room; rows that are added later grow off the screen.
- MATE's panel and GNOME Flashback's call `AboutToShow` for the menu only, after it is on the screen, and report nothing
  of submenus: all submenus are built while the menu is open. They build their menu again at each `LayoutUpdated`, and
  after each reply "changed".
- GNOME's extension calls `AboutToShow` for submenus after it has opened them. Budgie's panel reports only "opened",
  COSMIC's only "clicked".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

import msgspec
from dbus_fast import Message

from tray.core.commands import Command
from tray.surfaces.backends.dbus_menu_clicks import MenuClicks
from tray.surfaces.backends.dbus_menu_signals import MenuSignals
from tray.surfaces.backends.dbus_menu_tree import ROOT_ID, MenuTree, Nodes
from tray.surfaces.menu.items import ROOT_MENU, Entry, OpenSubmenus, SubmenuId

OPEN_TIMEOUT = 60.0  # s that added and removed rows wait for an open menu
UNREPORTED_OPEN_TIMEOUT = 10.0  # s, if its closing is not reported: GTK's menu scrolls if rows are added as it opens
REPLY_TIMEOUT = 0.15  # s that a panel waits for the rows of a submenu; Xfce opens it after 0.23 s
NONE_OPEN = OpenSubmenus()


class _PendingReply(msgspec.Struct, frozen=True):
    """An `AboutToShow` or `AboutToShowGroup` call whose reply waits for a view."""

    call: Message
    openings: int  # of the view that it waits for
    is_root: bool  # it is about the menu itself
    opening: frozenset[SubmenuId]  # submenus that were closed until this call


class DBusMenu:
    """One menu. Its owner sends what `answer` and `take_messages` return, and runs the two timers.

    `on_open_changed` is called when a panel opens or closes a submenu; the owner then calls `replace` with a view that
    contains the rows of the open submenus.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        on_command: Callable[[Command], None],
        on_open_changed: Callable[[OpenSubmenus], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` returns seconds and is monotonic."""
        self._on_command = on_command
        self._on_open_changed = on_open_changed
        self._tree = MenuTree(entries)
        self._signals = MenuSignals()
        self._clicks = MenuClicks(clock)
        self._is_open = False
        self._reports_closing = False  # a panel reports when the menu itself is opened and closed
        self._reported_open: frozenset[SubmenuId] = frozenset()
        self._open_submenus = NONE_OPEN  # the reported ones, and those to build ahead
        self._pending: list[_PendingReply] = []
        self._replies: list[Message] = []
        self._postponed: tuple[Entry, ...] | None = None  # the newest entries, while rows must not move

    @property
    def is_open(self) -> bool:
        """Whether the menu itself is open, as far as is known."""
        return self._is_open

    @property
    def needs_open_timer(self) -> bool:
        """Whether the owner has to call `closed` after `open_timeout`: something is open, as far as is known."""
        return bool(self._open_submenus.ids) or self._postponed is not None

    @property
    def open_timeout(self) -> float:
        """How long the menu is assumed to be open after the last opening, in s."""
        is_reported = self._reports_closing or self._reported_open - {ROOT_MENU}
        return OPEN_TIMEOUT if is_reported else UNREPORTED_OPEN_TIMEOUT

    @property
    def openings(self) -> int:
        """How often a panel opened something so far."""
        return self._open_submenus.openings

    @property
    def needs_reply_timer(self) -> bool:
        """Whether a panel waits for a reply: the owner has to call `send_replies` after `REPLY_TIMEOUT`."""
        return bool(self._pending)

    @property
    def has_replies(self) -> bool:
        """Whether `take_messages` returns a reply that a panel waits for."""
        return bool(self._replies)

    def replace(self, entries: tuple[Entry, ...], open_submenus: OpenSubmenus = NONE_OPEN) -> None:
        """Show these entries: labels at once, added and removed rows only when the menu is not open."""
        nodes = self._tree.build(entries)
        if self._is_open:
            opening = frozenset(chain.from_iterable(pending.opening for pending in self._pending))
            kept = self._tree.with_rows_kept(nodes, opening)
            self._postponed = entries if kept != nodes else None
            nodes = kept
        else:
            self._postponed = None
        self._set_nodes(nodes)
        self._set_open(self._reported_open)  # there may be new submenus to build ahead
        self._reply_to(open_submenus.openings)

    def closed(self) -> None:
        """Assume that the menu is closed: postponed rows are added and removed."""
        self._is_open = False
        self._set_open(frozenset())
        self._show_postponed()

    def send_replies(self) -> None:
        """Reply to waiting panels with the current rows."""
        self._reply_to(self._open_submenus.openings)

    def take_messages(self) -> list[Message]:
        """Return the replies that had to wait, and the signals for all changes since the last call."""
        if self._signals.rows_moved and not self._is_open:
            self._clicks.rows_moved()
        replies, self._replies = self._replies, []
        return replies + self._signals.take(self._tree)

    def answer(self, call: Message) -> Message | None:
        """Carry out a panel's method call; returns the reply, or None if `take_messages` returns it later."""
        tree = self._tree
        match call.member, call.body:
            case "GetLayout", [int(row_id), int(depth), names]:
                self._signals.layout_read(call.sender or "", row_id, depth, names, tree)
                body = [self._signals.revision, tree.layout(row_id, depth, names)]
                return Message.new_method_return(call, "u(ia{sv}av)", body)
            case "GetGroupProperties", [row_ids, names]:
                known = [number for number in row_ids or tree.nodes if number in tree.nodes]
                rows = [[number, tree.properties(number, names)] for number in known]
                return Message.new_method_return(call, "a(ia{sv})", [rows])
            case "GetProperty", [int(row_id), str(name)] if name in tree.properties(row_id):
                return Message.new_method_return(call, "v", [tree.properties(row_id)[name]])
            case "Event", [int(row_id), str(event), _, _]:
                self._event(row_id, event)
                return Message.new_method_return(call)
            case "EventGroup", [events]:
                unknown = [number for number, event, _, _ in events if not self._event(number, event)]
                return Message.new_method_return(call, "ai", [unknown])
            case "AboutToShow", [int(row_id)]:
                return self._about_to_show(call, [row_id])
            case "AboutToShowGroup", [row_ids]:
                return self._about_to_show(call, row_ids)
        return Message.new_error(call, "org.freedesktop.DBus.Error.InvalidArgs", f"{call.member}: no such call or row")

    # ------------------------------------------------------------------ calls

    def _about_to_show(self, call: Message, row_ids: list[int]) -> Message | None:
        nodes = self._tree.nodes
        ids = {nodes[row_id].submenu_id for row_id in row_ids if row_id in nodes}
        wanted = frozenset(submenu_id for submenu_id in ids if submenu_id is not None)
        if not wanted:
            return self._about_to_show_reply(call)
        if ROOT_MENU in wanted:  # the panel opens the menu, so it was closed
            self._is_open = False
            self._show_postponed()
        opening = wanted - self._reported_open
        self._set_open(self._reported_open | wanted, is_opening=True)
        self._pending.append(_PendingReply(call, self._open_submenus.openings, ROOT_MENU in wanted, opening))
        return None

    def _reply_to(self, openings: int) -> None:
        """Reply to the calls that wait for a view with this number of openings, or a lower one."""
        ready = [pending for pending in self._pending if pending.openings <= openings]
        self._pending = [pending for pending in self._pending if pending.openings > openings]
        if any(pending.is_root for pending in ready):
            self._menu_opened()
        self._replies += [self._about_to_show_reply(pending.call) for pending in ready]

    def _about_to_show_reply(self, call: Message) -> Message:
        """Return the reply, which says which rows the panel has to read again."""
        row_ids = [*call.body] if call.member == "AboutToShow" else call.body[0]
        changed = self._signals.changed_rows(call.sender or "", row_ids)
        if call.member == "AboutToShow":
            return Message.new_method_return(call, "b", [bool(changed)])
        unknown = [row_id for row_id in row_ids if row_id not in self._tree.nodes]
        return Message.new_method_return(call, "aiai", [changed, unknown])

    def _event(self, row_id: int, event: str) -> bool:
        """Handle an event of a row; returns False if the row does not exist."""
        node = self._tree.nodes.get(row_id)
        if event == "clicked" and (node is None or not node.children):
            return self._clicked(row_id)
        if node is None:
            return False
        self._reports_closing |= row_id == ROOT_ID
        if event in ("opened", "clicked"):  # COSMIC's panel reports a click on a submenu when it opens it
            if row_id == ROOT_ID and not any(pending.is_root for pending in self._pending):
                self._menu_opened()
            if node.submenu_id is not None:
                is_opening = not node.is_built and not self._pending
                self._set_open(self._reported_open | {node.submenu_id}, is_opening=is_opening)
        elif event == "closed":
            self._clicks.closed(self._tree.nodes)
            if row_id == ROOT_ID:
                self.closed()
            elif node.submenu_id is not None:
                self._set_open(self._reported_open - {node.submenu_id})
        return True

    def _clicked(self, row_id: int) -> bool:
        node = self._clicks.find(row_id, self._tree.nodes)
        if node is None:
            return False
        command = self._clicks.command(node)
        if command is not None:
            self._on_command(command)
        self.closed()  # every panel closes its menu at a click, and Xfce's does not report that
        return True

    # ------------------------------------------------------------------ state

    def _menu_opened(self) -> None:
        self._is_open = True
        self._clicks.opened()

    def _set_open(self, submenu_ids: frozenset[SubmenuId], *, is_opening: bool = False) -> None:
        """Report which submenus have to be built.

        With `is_opening` also if they are known already: the panel that opens one needs its newest rows.
        """
        self._reported_open = submenu_ids
        all_open = self._signals.has_menu_only_panel and ROOT_MENU in submenu_ids
        ids = submenu_ids | self._tree.submenus_inside(submenu_ids)  # these need their rows before they are opened
        open_submenus = OpenSubmenus(self._open_submenus.openings + is_opening, ids, all_open)
        if open_submenus != self._open_submenus:
            self._open_submenus = open_submenus
            self._on_open_changed(open_submenus)

    def _show_postponed(self) -> None:
        if self._postponed is not None:
            nodes = self._tree.build(self._postponed)
            self._postponed = None
            self._set_nodes(nodes)

    def _set_nodes(self, nodes: Nodes) -> None:
        self._signals.add(self._tree.replace(nodes), self._tree)
