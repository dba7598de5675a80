"""The menu as a plain value: what is shown, in what order, and what each click chooses. No toolkit is known here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tray.core.commands import Command
from tray.core.model import Status

Fill = tuple[str, ...]  # the name of a submenu whose rows are made only while it is open
ROOT: Fill = ()  # the menu itself


class Separator(msgspec.Struct, frozen=True):
    """A line between groups. `key` is its identity among its siblings."""

    key: str


class Item(msgspec.Struct, frozen=True):
    """One row. With `children` or `fill` it opens a submenu and chooses nothing; with neither it may choose something.

    `key` names what the row stands for and never its position, so that a click on a stale row hits nothing else.
    `label` is clean, plain text: a back end escapes what its toolkit would read as a mnemonic or markup.
    """

    key: str
    label: str
    choice: Command | None = None
    children: tuple[Entry, ...] = ()
    fill: Fill | None = None  # with no children: the submenu is filled when it is opened
    mark: Status | None = None  # the state shown before the label, as a picture or a character
    default: bool = False  # what a left click on the icon chooses, where the desktop has one
    checked: bool | None = None  # None: no check mark

    @property
    def has_submenu(self) -> bool:
        """Whether it opens a submenu."""
        return bool(self.children) or self.fill is not None

    @property
    def enabled(self) -> bool:
        """Whether a click does anything."""
        return self.choice is not None or self.has_submenu


Entry = Item | Separator


class Opened(msgspec.Struct, frozen=True):
    """Which submenus a person looks at, as the icon's back end reports it."""

    times: int = 0  # how often something was opened so far: a view with the same number answers that opening
    fills: frozenset[Fill] = frozenset()
    everything: bool = False  # the back end does not report what is opened: fill every submenu

    def __contains__(self, fill: Fill) -> bool:
        """Whether this submenu has to be filled."""
        return self.everything or fill in self.fills


def walk(entries: tuple[Entry, ...]) -> Iterator[Item]:
    """All rows, depth first."""
    for entry in entries:
        if isinstance(entry, Item):
            yield entry
            yield from walk(entry.children)


def default_choice(entries: tuple[Entry, ...]) -> Command | None:
    """What a left click on the icon chooses, or None."""
    return next((item.choice for item in walk(entries) if item.default), None)


def submenu(
    key: str,
    label: str,
    fill: Fill,
    make: Callable[[], tuple[Entry, ...]],
    opened: Opened,
    mark: Status | None = None,
) -> Item:
    """A row whose submenu is made only while it is open."""
    return Item(key, label, children=make() if fill in opened else (), fill=fill, mark=mark)


def further(
    fill: Fill, left: int, make: Callable[[], tuple[Entry, ...]], opened: Opened, text: str = "… and {} more"
) -> tuple[Item, ...]:
    """The row behind which the `left` further rows are; none where there are no further ones.

    `fill` ends with the name of the list and the number of the page.
    """
    if left <= 0:
        return ()
    label, key = text.format(left), f"{fill[-2]}-further"
    if opened.everything:  # a menu that is made whole must end somewhere
        return (Item(key, f"{label}: opencode-tray status"),)
    return (submenu(key, label, fill, make, opened),)
