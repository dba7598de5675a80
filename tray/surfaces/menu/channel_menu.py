"""The *Channels* submenu: the channels of the settings, whether they work, and a test of each."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.channel_state import ChannelState
from tray.core.commands import PairChannel, SendTestMessage
from tray.core.text import clean, shorten, wrap
from tray.surfaces.menu.items import Entry, Item

COLUMNS = 60


def channel_entries(states: Iterable[ChannelState]) -> tuple[Entry, ...]:
    """Return one line for each channel."""
    return tuple(map(_channel_item, states))


def _channel_item(state: ChannelState) -> Item:
    name = shorten(state.name, COLUMNS // 2)
    label = f"⚠ {name}: does not work" if state.problem else f"{name}: {state.sent} sent" if state.sent else name
    lines = wrap(clean(state.problem), COLUMNS) if state.problem else []
    problem = tuple(Item(f"problem-{number}", line) for number, line in enumerate(lines))
    test = Item("test", "Send a test message", SendTestMessage(state.name))
    pair = (Item("pair", "Pair…", PairChannel(state.name)),) if state.has_pairing else ()
    return Item(f"channel:{state.name}", label, children=(*problem, test, *pair))
