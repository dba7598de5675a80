"""The menu as a plain value: what is shown, in what order, and what each click chooses. No toolkit is known here."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tray.core.choices import Choice


class Separator(msgspec.Struct, frozen=True):
    """A line between groups. `key` is its identity among its siblings."""

    key: str


class Item(msgspec.Struct, frozen=True):
    """One row. With `children` it opens a submenu and chooses nothing; with neither it is text that cannot be clicked.

    `key` names what the row stands for and never its position, so that a click on a stale row hits nothing else.
    `label` is clean, plain text: a back end escapes what its toolkit would read as a mnemonic or markup.
    """

    key: str
    label: str
    choice: Choice | None = None
    children: tuple[Entry, ...] = ()
    default: bool = False  # what a left click on the icon chooses, where the desktop has one
    checked: bool | None = None  # None: no check mark

    @property
    def enabled(self) -> bool:
        """Whether a click does anything."""
        return self.choice is not None or bool(self.children)


Entry = Item | Separator


def walk(entries: tuple[Entry, ...]) -> Iterator[Item]:
    """All rows, depth first."""
    for entry in entries:
        if isinstance(entry, Item):
            yield entry
            yield from walk(entry.children)


def default_choice(entries: tuple[Entry, ...]) -> Choice | None:
    """What a left click on the icon chooses, or None."""
    return next((item.choice for item in walk(entries) if item.default), None)
