"""The menu as a plain value: its entries, their order, and the command of each. Imports no GUI toolkit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tray.core.commands import Command
from tray.core.sessions import Status

SubmenuId = tuple[str, ...]  # identifies a submenu whose entries are built only while it is open
ROOT_MENU: SubmenuId = ()  # the menu itself


class Separator(msgspec.Struct, frozen=True):
    """A line between groups. `key` identifies it among its siblings."""

    key: str


class Item(msgspec.Struct, frozen=True):
    """One row. With `children` or `submenu_id` it opens a submenu and has no command.

    `key` identifies what the row stands for, never its position, so that a click on a stale row runs no other command.
    `label` is plain text without control characters; a back end escapes what its toolkit reads as mnemonic or markup.
    """

    key: str
    label: str
    command: Command | None = None
    children: tuple[Entry, ...] = ()
    submenu_id: SubmenuId | None = None  # without children: a submenu that is not open, and not built
    mark: Status | None = None  # state shown before the label, as an icon or a character
    default: bool = False  # a left click on the tray icon runs this item's command, where the desktop supports that
    checked: bool | None = None  # None: no check box

    @property
    def has_submenu(self) -> bool:
        """Whether the row opens a submenu."""
        return bool(self.children) or self.submenu_id is not None

    @property
    def enabled(self) -> bool:
        """Whether a click has an effect."""
        return self.command is not None or self.has_submenu


Entry = Item | Separator


class OpenSubmenus(msgspec.Struct, frozen=True):
    """The submenus that the user has open, as the icon's back end reports them."""

    openings: int = 0  # how often a panel opened something; a view with the same number includes these entries
    ids: frozenset[SubmenuId] = frozenset()
    all_open: bool = False  # the back end does not report openings: build every submenu

    def __contains__(self, submenu_id: SubmenuId) -> bool:
        """Return whether this submenu has to be built."""
        return self.all_open or submenu_id in self.ids


def walk(entries: tuple[Entry, ...]) -> Iterator[Item]:
    """Yield all items, depth first."""
    for entry in entries:
        if isinstance(entry, Item):
            yield entry
            yield from walk(entry.children)


def default_command(entries: tuple[Entry, ...]) -> Command | None:
    """Return the command of a left click on the icon, or None."""
    return next((item.command for item in walk(entries) if item.default), None)


def lazy_submenu(
    key: str,
    label: str,
    submenu_id: SubmenuId,
    build: Callable[[], tuple[Entry, ...]],
    open_submenus: OpenSubmenus,
    mark: Status | None = None,
) -> Item:
    """Return an item whose submenu is built only while it is open."""
    children = build() if submenu_id in open_submenus else ()
    return Item(key, label, children=children, submenu_id=submenu_id, mark=mark)


def next_page(
    submenu_id: SubmenuId,
    remaining: int,
    build: Callable[[], tuple[Entry, ...]],
    open_submenus: OpenSubmenus,
    label: str = "… and {} more",
) -> tuple[Item, ...]:
    """Return the item that opens the next page of a list; nothing if no rows remain.

    `submenu_id` ends with the name of the list and the number of the page.
    """
    if remaining <= 0:
        return ()
    label, key = label.format(remaining), f"{submenu_id[-2]}-next-page"
    if open_submenus.all_open:  # pages inside pages would make the menu too large
        return (Item(key, f"{label} (see: opencode-tray status)"),)
    return (lazy_submenu(key, label, submenu_id, build, open_submenus),)
