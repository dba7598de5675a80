"""The D-Bus menu with fake panels that differ in their calls, the order of them, and their use of replies."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant

from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Command, OpenSession
from tray.core.sessions import SessionKey
from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH
from tray.surfaces.backends.dbus_menu import DBusMenu
from tray.surfaces.backends.dbus_menu_clicks import CLICK_AFTER_CLOSED
from tray.surfaces.menu.items import Entry, Item, OpenSubmenus

NAMES = count(1)  # unique names of the bus
ALL, ONE, MORE = ("all", "0"), ("session", "one"), ("more",)
MATE = ["accessible-desc", "children-display", "disposition", "enabled", "icon-data", "icon-name", "label"]


def session_row(name: str) -> Item:
    return Item(name, name, OpenSession(SessionKey("server", name)))


def answer_row(name: str) -> Item:
    return Item(name, name, AnswerRequest(RequestKey("server", name), Permit(Verdict.ONCE)))


class App:
    """The menu, and the app that builds its rows after a submenu was opened."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.now = 100.0  # s
        self.opened = OpenSubmenus()
        self.views = 0
        self.sessions: tuple[Entry, ...] = (session_row("first"),)
        self.answers: tuple[Entry, ...] = (answer_row("allow"),)
        self.last = session_row("two")
        self.menu = DBusMenu(self._entries(), self.commands.append, self._on_opened, lambda: self.now)

    def _on_opened(self, opened: OpenSubmenus) -> None:
        self.opened = opened
        self.views += 1

    def _entries(self) -> tuple[Entry, ...]:
        stop = (session_row("stop"),) if ONE in self.opened else ()
        rows = (Item("one", "one", children=stop, submenu_id=ONE), self.last) if ALL in self.opened else ()
        return (
            *self.sessions,
            Item("answer", "Answer", children=self.answers),
            Item("all", "All sessions", children=rows, submenu_id=ALL),
            Item("more", "More", children=(session_row("doctor"),) if MORE in self.opened else (), submenu_id=MORE),
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
        self.signals: list[int] = []  # IDs in LayoutUpdated: rows whose children changed
        self._name = f":1.{next(NAMES)}"
        self._serials = count(1)
        self._waiting: dict[int, int] = {}  # number of a row by the call about it
        self.read(0)
        self.listen()

    # ------------------------------------------------------------------ calls of the panel

    def call(self, member: str, signature: str, *body: Any) -> Message | None:
        """Send a call and process its reply."""
        serial = next(self._serials)
        call = Message(
            "x.y", MENU_PATH, MENU, member, signature=signature, body=list(body), sender=self._name, serial=serial
        )
        if member == "AboutToShow":
            self._waiting[serial] = body[0]
        reply = self.app.menu.answer(call)
        if reply is not None:
            self._received(reply)
        return reply

    def event(self, number: int, kind: str) -> None:
        self.call("Event", "isvu", number, kind, Variant("i", 0), 0)

    def about_to_show(self, number: int) -> None:
        self.call("AboutToShow", "i", number)

    def open(self, number: int = 0) -> None:
        """Send AboutToShow and, as Plasma does, "opened" before the reply."""
        self.about_to_show(number)
        self.event(number, "opened")
        self.app.show()
        self.listen()
        self.app.show()  # the prefilled submenus
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
        """Process the signals and delayed replies of the menu until there are no more."""
        while messages := self.app.menu.take_messages():
            for message in messages:
                self._received(message)

    def number(self, label: str) -> int:
        """Return the ID of the visible row with this label."""
        return next(number for number, found in self.labels.items() if found == label and self._is_shown(number))

    def shown(self, label: str = "") -> list[str]:
        """Return the labels of a submenu, by default of the root menu."""
        return [self.labels[number] for number in self.rows.get(self.number(label) if label else 0, [])]

    def _is_shown(self, number: int) -> bool:
        return any(number in below for below in self.rows.values())

    # ------------------------------------------------------------------ messages to the panel

    def _take(self, layout: list[Any], depth: int) -> None:
        number, properties, children = layout
        self.labels[number] = properties["label"].value if "label" in properties else ""
        if depth:
            self.rows[number] = [child.value[0] for child in children]
        for child in children:
            self._take(child.value, depth - 1)

    def _received(self, message: Message) -> None:
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
    """As libdbusmenu-qt and Plasma's copy of it: reads one level at a time; ignores one LayoutUpdated after reading."""

    depth = 1

    def __init__(self, app: App) -> None:
        self._just_read: set[int] = set()
        super().__init__(app)

    def layout_updated(self, number: int) -> None:
        if number in self._just_read:
            self._just_read.remove(number)
        elif number == 0 or self._is_shown(number):
            self.read(number)

    def answered(self, number: int, *, changed: bool) -> None:
        if changed or not self.rows.get(number):
            self._just_read.add(number)
            self.read(number)


class LazyQtPanel(QtPanel):
    """As libdbusmenu-lxqt: reads the rows 2 s after LayoutUpdated."""

    def __init__(self, app: App) -> None:
        self.announced: list[int] = []
        super().__init__(app)

    def layout_updated(self, number: int) -> None:
        if number in self._just_read:
            self._just_read.remove(number)
        else:
            self.announced.append(number)

    def two_seconds_later(self) -> None:
        while self.announced:
            super().layout_updated(self.announced.pop(0))
            self.listen()


class MatePanel(Panel):
    """As in MATE and GNOME Flashback: shows the menu before AboutToShow, and sends nothing for submenus."""

    names = tuple(MATE)

    def open(self, number: int = 0) -> None:
        self.event(0, "opened")
        self.about_to_show(0)
        self.app.show()
        self.listen()


def test_a_qt_panel_gets_new_rows_after_it_had_to_read_the_menu_again():
    app = App()
    panel = QtPanel(app)
    panel.about_to_show(0)
    app.sessions = (session_row("second"),)
    app.show()
    panel.listen()
    panel.event(0, "opened")
    panel.close()
    app.sessions = (session_row("third"),)
    app.show()
    panel.listen()
    assert panel.shown()[0] == "third"


def test_a_qt_panel_gets_new_rows_of_a_submenu_after_it_had_to_read_it_again():
    app = App()
    panel = QtPanel(app)
    app.answers = (answer_row("allow"), answer_row("reject"))
    app.sessions = (session_row("second"),)
    app.show()
    panel.about_to_show(panel.number("Answer"))
    panel.listen()
    app.answers = (answer_row("reject"),)
    app.show()
    panel.listen()
    assert panel.shown("Answer") == ["reject"]


def test_a_qt_panel_reads_a_submenu_that_changed_together_with_the_menu():
    app = App()
    panel = QtPanel(app)
    assert panel.shown("Answer") == ["allow"]
    app.sessions, app.answers = (session_row("second"),), (answer_row("allow"), answer_row("reject"))
    app.show()
    panel.listen()
    assert panel.shown("Answer") == ["allow", "reject"]
    assert panel.shown()[0] == "second"


@pytest.mark.parametrize("kind", [Panel, QtPanel])
def test_an_open_menu_has_the_rows_of_all_submenus_one_level_below(kind: type[Panel]):
    """A panel positions a submenu by its known rows; on Plasma, rows added later are off the screen or invisible."""
    app = App()
    panel = kind(app)
    panel.open()
    assert panel.shown("All sessions") == ["one", "two"]
    assert panel.shown("one") == ["…"]
    panel.open(panel.number("All sessions"))
    assert panel.shown("one") == ["stop"]
    panel.close()
    assert panel.shown("All sessions") == ["…"]


def test_a_panel_that_delays_updates_shows_current_rows_when_it_opens_a_menu():
    app = App()
    panel = LazyQtPanel(app)
    panel.two_seconds_later()
    for session in ("second", "third"):
        app.sessions = (session_row(session),)
        panel.open()
        assert panel.shown()[0] == session
        panel.open(panel.number("All sessions"))
        assert panel.shown("All sessions") == ["one", "two"]
        panel.close()
        panel.two_seconds_later()
        assert panel.shown("All sessions") == ["…"]


def test_the_rows_of_a_prefilled_submenu_are_updated_only_when_it_is_opened():
    app = App()
    panel = QtPanel(app)
    panel.open()
    panel.signals.clear()
    app.last = session_row("three")
    app.show()
    panel.listen()
    assert panel.signals == []
    panel.open(panel.number("All sessions"))
    assert panel.shown("All sessions") == ["one", "three"]
    app.last = session_row("four")
    app.show()
    panel.about_to_show(panel.number("All sessions"))
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["one", "three"]


def test_a_restarted_panel_reads_all_submenus():
    app = App()
    QtPanel(app)
    panel = QtPanel(app)
    assert panel.shown("Answer") == ["allow"]


def test_plasma_shows_the_current_rows_when_it_opens_the_menu():
    app = App()
    panel = QtPanel(app)
    panel.open()
    panel.close()
    app.sessions = (session_row("second"),)
    panel.open()
    assert panel.shown()[0] == "second"


def test_a_submenu_reported_as_open_twice_builds_one_view():
    app = App()
    panel = Panel(app)
    number = panel.number("All sessions")
    panel.about_to_show(number)
    panel.event(number, "opened")
    assert app.views == 1


def test_all_submenus_are_filled_for_a_panel_that_reports_only_the_root_menu():
    app = App()
    panel = MatePanel(app)
    assert panel.shown("All sessions") == ["…"]
    panel.open()
    assert panel.shown("All sessions") == ["one", "two"]
    assert panel.shown("one") == ["stop"]
    panel.event(0, "closed")
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["…"]


def test_mates_panel_gets_one_update_per_change_when_it_opens_the_menu():
    app = App()
    panel = MatePanel(app)
    replies: list[bool] = []
    panel.answered = lambda number, *, changed: replies.append(changed)  # type: ignore[method-assign]
    panel.open()
    assert replies == [False]
    assert panel.signals == [0]


def test_a_click_on_a_submenu_opens_it():
    """COSMIC's panel sends no other event for submenus."""
    app = App()
    panel = Panel(app)
    panel.event(0, "opened")
    panel.event(panel.number("All sessions"), "clicked")
    app.show()
    panel.listen()
    assert panel.shown("All sessions") == ["one", "two"]
    app.sessions = (session_row("second"),)
    app.show()
    panel.listen()
    assert panel.shown()[0] == "first"  # the menu is still open


def fill_and_close(app: App, panel: Panel) -> None:
    """Open a menu with a submenu, and close both, so that the submenu is emptied."""
    number = panel.number("All sessions")
    panel.event(0, "opened")
    panel.about_to_show(number)
    app.show()
    panel.listen()
    panel.event(number, "closed")
    panel.event(0, "closed")
    app.show()


def test_a_click_reported_just_after_the_menu_closed_is_executed():
    """Qt's panels hide the menu before they report the click."""
    app = App()
    panel = Panel(app)
    fill_and_close(app, panel)
    panel.event(panel.number("two"), "clicked")
    assert app.commands == [session_row("two").command]


def test_a_click_reported_long_after_the_menu_closed_is_ignored():
    app = App()
    panel = Panel(app)
    fill_and_close(app, panel)
    app.now += CLICK_AFTER_CLOSED
    panel.event(panel.number("two"), "clicked")
    assert app.commands == []


@pytest.mark.parametrize("later", [0.0, 0.2])
def test_an_answer_from_an_open_menu_is_accepted_if_rows_move_as_it_closes(later: float):
    app = App()
    panel = Panel(app)
    panel.event(0, "opened")
    app.sessions = (session_row("second"),)
    app.show()
    panel.event(panel.number("Answer"), "closed")
    panel.event(0, "closed")
    panel.listen()
    app.now += later
    panel.event(panel.number("allow"), "clicked")
    assert app.commands == [answer_row("allow").command]
