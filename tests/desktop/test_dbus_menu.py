"""The D-Bus menu in the hands of panels that differ in what they ask, in what order, and what they make of answers."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant

from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Command, OpenSession
from tray.core.model import SessionKey
from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH
from tray.surfaces.backends.dbus_menu import DBusMenu
from tray.surfaces.backends.dbus_menu_clicks import CLICK_AFTER_CLOSED
from tray.surfaces.menu.items import Entry, Item, OpenSubmenus

NAMES = count(1)  # the bus gives none twice
ALL, ONE, MORE = ("all", "0"), ("session", "one"), ("more",)
MATE = ["accessible-desc", "children-display", "disposition", "enabled", "icon-data", "icon-name", "label"]


def go(name: str) -> Item:
    return Item(name, name, OpenSession(SessionKey("server", name)))


def ask(name: str) -> Item:
    return Item(name, name, AnswerRequest(RequestKey("server", name), Permit(Verdict.ONCE)))


class App:
    """The menu, and the app that makes its rows a moment after something was opened."""

    def __init__(self) -> None:
        self.choices: list[Command] = []
        self.now = 100.0  # s
        self.opened = OpenSubmenus()
        self.views = 0
        self.sessions: tuple[Entry, ...] = (go("first"),)
        self.answers: tuple[Entry, ...] = (ask("allow"),)
        self.last = go("two")
        self.menu = DBusMenu(self._entries(), self.choices.append, self._on_opened, lambda: self.now)

    def _on_opened(self, opened: OpenSubmenus) -> None:
        self.opened = opened
        self.views += 1

    def _entries(self) -> tuple[Entry, ...]:
        deeds = (go("deed"),) if ONE in self.opened else ()
        rows = (Item("one", "one", children=deeds, submenu_id=ONE), self.last) if ALL in self.opened else ()
        return (
            *self.sessions,
            Item("answer", "Answer", children=self.answers),
            Item("all", "All sessions", children=rows, submenu_id=ALL),
            Item("more", "More", children=(go("doctor"),) if MORE in self.opened else (), submenu_id=MORE),
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

    def open(self, number: int = 0) -> None:
        """Ask, and as Plasma does, say so before there is an answer."""
        self.about_to_show(number)
        self.event(number, "opened")
        self.app.show()
        self.listen()
        self.app.show()  # what was filled ahead
        self.listen()

    def close(self) -> None:
        self.event(0, "closed")
        self.app.show()
        self.listen()

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


class QtPanel(Panel):
    """As libdbusmenu-qt and Plasma's copy of it do it: one level at a time, and what was just told is not news."""

    depth = 1

    def __init__(self, app: App) -> None:
        self._told: set[int] = set()
        super().__init__(app)

    def layout_updated(self, number: int) -> None:
        if number in self._told:
            self._told.remove(number)
        elif number == 0 or self._is_shown(number):
            self.read(number)

    def answered(self, number: int, *, changed: bool) -> None:
        if changed or not self.rows.get(number):
            self._told.add(number)
            self.read(number)


class LazyQtPanel(QtPanel):
    """As libdbusmenu-lxqt does it: what is announced is read 2 s later."""

    def __init__(self, app: App) -> None:
        self.announced: list[int] = []
        super().__init__(app)

    def layout_updated(self, number: int) -> None:
        if number in self._told:
            self._told.remove(number)
        else:
            self.announced.append(number)

    def two_seconds_later(self) -> None:
        while self.announced:
            super().layout_updated(self.announced.pop(0))
            self.listen()


class MatePanel(Panel):
    """MATE's and GNOME Flashback's: the menu is on the screen before it asks, and of submenus it says nothing."""

    names = tuple(MATE)

    def open(self, number: int = 0) -> None:
        self.event(0, "opened")
        self.about_to_show(0)
        self.app.show()
        self.listen()


def test_a_qt_panel_hears_of_new_rows_after_it_was_told_to_read_the_menu_again():
    app = App()
    panel = QtPanel(app)
    panel.about_to_show(0)
    app.sessions = (go("second"),)
    app.show()
    panel.listen()
    panel.event(0, "opened")
    panel.close()
    app.sessions = (go("third"),)
    app.show()
    panel.listen()
    assert panel.shown()[0] == "third"


def test_a_qt_panel_hears_of_new_rows_of_a_submenu_after_it_was_told_to_read_it_again():
    app = App()
    panel = QtPanel(app)
    app.answers = (ask("allow"), ask("reject"))
    app.sessions = (go("second"),)
    app.show()
    panel.about_to_show(panel.number("Answer"))
    panel.listen()
    app.answers = (ask("reject"),)
    app.show()
    panel.listen()
    assert panel.shown("Answer") == ["reject"]


def test_a_qt_panel_reads_a_submenu_again_that_changed_together_with_the_menu():
    app = App()
    panel = QtPanel(app)
    assert panel.shown("Answer") == ["allow"]
    app.sessions, app.answers = (go("second"),), (ask("allow"), ask("reject"))
    app.show()
    panel.listen()
    assert panel.shown("Answer") == ["allow", "reject"]
    assert panel.shown()[0] == "second"


@pytest.mark.parametrize("kind", [Panel, QtPanel])
def test_a_panel_has_the_rows_of_every_submenu_that_can_be_opened_next(kind: type[Panel]):
    """It places a submenu by the rows that it knows: those that come later grow off Plasma's screen, or stay unseen."""
    app = App()
    panel = kind(app)
    panel.open()
    assert panel.shown("All sessions") == ["one", "two"]
    assert panel.shown("one") == ["…"]
    panel.open(panel.number("All sessions"))
    assert panel.shown("one") == ["deed"]
    panel.close()
    assert panel.shown("All sessions") == ["…"]


def test_a_panel_that_reads_late_what_is_announced_reads_at_once_what_it_opens():
    app = App()
    panel = LazyQtPanel(app)
    panel.two_seconds_later()
    for session in ("second", "third"):
        app.sessions = (go(session),)
        panel.open()
        assert panel.shown()[0] == session
        panel.open(panel.number("All sessions"))
        assert panel.shown("All sessions") == ["one", "two"]
        panel.close()
        panel.two_seconds_later()
        assert panel.shown("All sessions") == ["…"]


def test_a_submenu_that_was_filled_ahead_gets_new_rows_when_it_is_opened_and_then_no_more():
    app = App()
    panel = QtPanel(app)
    panel.open()
    panel.signals.clear()
    app.last = go("three")
    app.show()
    panel.listen()
    assert panel.signals == []
    panel.open(panel.number("All sessions"))
    assert panel.shown("All sessions") == ["one", "three"]
    app.last = go("four")
    app.show()
    panel.about_to_show(panel.number("All sessions"))
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["one", "three"]


def test_a_panel_that_starts_again_reads_the_submenus_as_the_first_one_did():
    app = App()
    QtPanel(app)
    panel = QtPanel(app)
    assert panel.shown("Answer") == ["allow"]


def test_what_plasma_shows_is_true_when_it_opens_the_menu():
    app = App()
    panel = QtPanel(app)
    panel.open()
    panel.close()
    app.sessions = (go("second"),)
    panel.open()
    assert panel.shown()[0] == "second"


def test_an_opening_that_is_told_twice_makes_one_view():
    app = App()
    panel = Panel(app)
    number = panel.number("All sessions")
    panel.about_to_show(number)
    panel.event(number, "opened")
    assert app.views == 1


def test_a_panel_that_tells_nothing_of_submenus_has_them_all_filled_while_its_menu_is_open():
    app = App()
    panel = MatePanel(app)
    assert panel.shown("All sessions") == ["…"]
    panel.open()
    assert panel.shown("All sessions") == ["one", "two"]
    assert panel.shown("one") == ["deed"]
    panel.event(0, "closed")
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["…"]


def test_a_panel_that_builds_its_menu_anew_each_time_is_told_of_a_change_once():
    app = App()
    panel = MatePanel(app)
    told: list[bool] = []
    panel.answered = lambda number, *, changed: told.append(changed)  # type: ignore[method-assign]
    panel.open()
    assert told == [False]
    assert panel.signals == [0]


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
    assert app.choices == [go("two").command]


def test_a_click_long_after_the_menu_was_closed_hits_nothing():
    app = App()
    panel = Panel(app)
    fill_and_close(app, panel)
    app.now += CLICK_AFTER_CLOSED
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
    assert app.choices == [ask("allow").command]
