"""The D-Bus menu in the hands of panels that differ in what they ask, in what order, and what they make of answers."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant

from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.choices import Choice, GoTo, Respond
from tray.core.model import SessionKey
from tray.surfaces.backends.dbus_menu import AFTERWARDS, DBusMenu
from tray.surfaces.backends.dbus_names import MENU, MENU_PATH
from tray.surfaces.menu import Entry, Item, Opened

NAMES = count(1)  # the bus gives none twice
ALL, ONE = ("all", "0"), ("session", "one")


def go(name: str) -> Item:
    return Item(name, name, GoTo(SessionKey("server", name)))


def ask(name: str) -> Item:
    return Item(name, name, Respond(RequestKey("server", name), Permit(Verdict.ONCE)))


class App:
    """The menu, and the app that makes its rows a moment after something was opened."""

    def __init__(self) -> None:
        self.choices: list[Choice] = []
        self.now = 100.0  # s
        self.opened = Opened()
        self.views = 0
        self.sessions: tuple[Entry, ...] = (go("first"),)
        self.answers: tuple[Entry, ...] = (ask("allow"),)
        self.last = go("two")
        self.menu = DBusMenu(self._entries(), self.choices.append, self._on_opened, lambda: self.now)

    def _on_opened(self, opened: Opened) -> None:
        self.opened = opened
        self.views += 1

    def _entries(self) -> tuple[Entry, ...]:
        deeds = (go("deed"),) if ONE in self.opened else ()
        rows = (Item("one", "one", children=deeds, fill=ONE), self.last) if ALL in self.opened else ()
        return (
            *self.sessions,
            Item("answer", "Answer", children=self.answers),
            Item("all", "All sessions", children=rows, fill=ALL),
        )

    def show(self) -> None:
        self.menu.replace(self._entries(), self.opened)


class Panel:
    """A panel that reads the whole menu whenever something changed."""

    depth = -1
    names: tuple[str, ...] = ()

    def __init__(self, app: App) -> None:
        self.app = app
        self.rows: dict[int, list[int]] = {}
        self.labels: dict[int, str] = {}
        self.signals: list[int] = []  # the rows below which others came or went, as told
        self._name = f":1.{next(NAMES)}"
        self._serials = count(1)
        self._waiting: dict[int, int] = {}  # number of a row by the call about it
        self.read(0)
        self.listen()

    # ------------------------------------------------------------------ what it says

    def call(self, member: str, signature: str, *body: Any) -> Message | None:
        """One call, as the bus brings it."""
        serial = next(self._serials)
        call = Message(
            "x.y", MENU_PATH, MENU, member, signature=signature, body=list(body), sender=self._name, serial=serial
        )
        if member == "AboutToShow":
            self._waiting[serial] = body[0]
        reply = self.app.menu.answer(call)
        if reply is not None:
            self._heard(reply)
        return reply

    def event(self, number: int, kind: str) -> None:
        self.call("Event", "isvu", number, kind, Variant("i", 0), 0)

    def about_to_show(self, number: int) -> None:
        self.call("AboutToShow", "i", number)

    def read(self, number: int) -> None:
        reply = self.call("GetLayout", "iias", number, self.depth, list(self.names))
        assert reply is not None
        self._take(reply.body[1], self.depth)

    def listen(self) -> None:
        """Take what the menu has to say until it has nothing more to say."""
        while messages := self.app.menu.take_messages():
            for message in messages:
                self._heard(message)

    def number(self, label: str) -> int:
        """Of the row that it shows with this label."""
        return next(number for number, found in self.labels.items() if found == label and self._is_shown(number))

    def shown(self, label: str = "") -> list[str]:
        """The labels below the row with this label; of the menu itself without one."""
        return [self.labels[number] for number in self.rows.get(self.number(label) if label else 0, [])]

    def _is_shown(self, number: int) -> bool:
        return any(number in below for below in self.rows.values())

    # ------------------------------------------------------------------ what it hears

    def _take(self, layout: list[Any], depth: int) -> None:
        number, properties, children = layout
        self.labels[number] = properties["label"].value if "label" in properties else ""
        if depth:
            self.rows[number] = [child.value[0] for child in children]
        for child in children:
            self._take(child.value, depth - 1)

    def _heard(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "LayoutUpdated":
            self.signals.append(message.body[1])
            self.layout_updated(message.body[1])
        elif message.reply_serial in self._waiting:
            self.answered(self._waiting.pop(message.reply_serial), changed=message.body[0])

    def layout_updated(self, number: int) -> None:
        self.read(0)

    def answered(self, number: int, *, changed: bool) -> None:
        if changed:
            self.read(0)


def test_an_opening_that_is_told_twice_makes_one_view():
    app = App()
    panel = Panel(app)
    number = panel.number("All sessions")
    panel.about_to_show(number)
    panel.event(number, "opened")
    assert app.views == 1


def test_a_click_on_a_submenu_opens_it():
    """COSMIC's panel says nothing else of it."""
    app = App()
    panel = Panel(app)
    panel.event(0, "opened")
    panel.event(panel.number("All sessions"), "clicked")
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["one", "two"]
    app.sessions = (go("second"),)
    app.show()
    panel.listen()
    assert panel.shown()[0] == "first"  # the menu is still open


def fill_and_close(app: App, panel: Panel) -> None:
    """A menu with a filled submenu is closed, and its rows are gone."""
    number = panel.number("All sessions")
    panel.event(0, "opened")
    panel.about_to_show(number)
    app.show()
    panel.listen()
    panel.event(number, "closed")
    panel.event(0, "closed")
    app.show()


def test_a_click_is_carried_out_though_the_panel_first_says_that_its_menu_is_closed():
    """Qt's panels hide the menu and then tell of the click that hid it."""
    app = App()
    panel = Panel(app)
    fill_and_close(app, panel)
    panel.event(panel.number("two"), "clicked")
    assert app.choices == [go("two").choice]


def test_a_click_long_after_the_menu_was_closed_hits_nothing():
    app = App()
    panel = Panel(app)
    fill_and_close(app, panel)
    app.now += AFTERWARDS
    panel.event(panel.number("two"), "clicked")
    assert app.choices == []


@pytest.mark.parametrize("later", [0.0, 0.2])
def test_an_answer_is_taken_from_an_open_menu_though_rows_move_as_it_closes(later: float):
    app = App()
    panel = Panel(app)
    panel.event(0, "opened")
    app.sessions = (go("second"),)
    app.show()
    panel.event(panel.number("Answer"), "closed")
    panel.event(0, "closed")
    panel.listen()
    app.now += later
    panel.event(panel.number("allow"), "clicked")
    assert app.choices == [ask("allow").choice]
