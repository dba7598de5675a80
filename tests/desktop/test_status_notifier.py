"""The D-Bus tray icon, as a panel sees it; with a panel of ours, so without a screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from dbus_fast import Message
from msgspec.structs import replace

from fake_desktop import PATIENCE, FakeDesktop, PrivateBus, running, until
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.click_guard import SETTLE
from tray.core.commands import (
    AnswerRequest,
    Command,
    ExplainIgnoredClick,
    OpenNextSession,
    OpenSession,
    Quit,
    ShowSummary,
)
from tray.core.model import SessionKey, Status
from tray.surfaces.backends import dbus_menu
from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH
from tray.surfaces.backends.status_notifier import FALLBACK_AFTER, StatusNotifierIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import ROOT_MENU, Entry, Item, OpenSubmenus, Separator
from tray.surfaces.menu.view import IconView, TrayView


def go(name: str, label: str | None = None) -> Item:
    return Item(f"session:{name}", label or name, OpenSession(SessionKey("server", name)))


HEAD = (Item("next", "Go to next", OpenNextSession(), default=True), Separator("after next"))
FOOT = (Separator("before quit"), Item("quit", "Quit", Quit()))


def view(*rows: Entry, status: Status = Status.BUSY, count: int = 0, tooltip: str = "1 working") -> TrayView:
    return TrayView(IconView(status, count), tooltip, (*HEAD, *rows, *FOOT))


class Seen:
    """What the icon reported."""

    def __init__(self) -> None:
        self.choices: list[Command] = []
        self.hosts: list[bool] = []

    def icon(self, first: TrayView, **more: Any) -> StatusNotifierIcon:
        return StatusNotifierIcon(
            "opencode-tray", "OpenCode Tray", first, self.choices.append, self.hosts.append, **more
        )


async def shown(bus: PrivateBus, seen: Seen) -> FakeDesktop:
    desktop = await FakeDesktop(bus.address).start(notifications=False)
    await until(lambda: seen.hosts == [True], "the icon registers")
    return desktop


async def shown_once(bus: PrivateBus, seen: Seen) -> None:
    """A panel that shows the icon and goes away again."""
    desktop = await shown(bus, seen)
    await desktop.stop()
    await until(lambda: seen.hosts == [True, False])


def with_panel(bus: PrivateBus, first: TrayView, story: Callable[[FakeDesktop, StatusNotifierIcon, Seen], Any]) -> Seen:
    """Run a story with the icon on a panel."""
    seen = Seen()
    icon = seen.icon(first)

    async def tell() -> None:
        desktop = await shown(bus, seen)
        try:
            await story(desktop, icon, seen)
        finally:
            await desktop.stop()

    with running(icon):
        asyncio.run(tell())
    return seen


def test_a_panel_reads_the_rows_in_their_order(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        menu = await desktop.menu()
        assert menu.labels() == ["Go to next", "---", "one", "All sessions", "Muted", "Only text", "---", "Quit"]
        assert menu.find("All sessions").labels() == ["two"]
        assert menu.find("Muted").properties["toggle-state"] == 1
        assert menu.find("Only text").properties["enabled"] is False
        assert menu.find("one").properties["enabled"] is True

    rows = (go("one"), Item("all", "All sessions", children=(go("two"),)), Item("mute", "Muted", Quit(), checked=True))
    with_panel(bus, view(*rows, Item("text", "Only text")), story)


def test_a_clicked_row_is_what_was_chosen(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        await desktop.click("two")
        assert seen.choices == [OpenSession(SessionKey("server", "two"))]

    with_panel(bus, view(go("one"), Item("all", "All sessions", children=(go("two"),))), story)


@pytest.mark.parametrize("how", ["Activate", "SecondaryActivate"])
def test_a_click_on_the_icon_chooses_the_default(bus: PrivateBus, how: str):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        await desktop.call_item(how)
        assert seen.choices == [OpenNextSession()]

    with_panel(bus, view(), story)


def test_a_click_on_a_row_that_is_gone_hits_nothing_else(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        stale = (await desktop.menu()).find("one").number
        icon.show(view(go("two"), go("three")))
        await until(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])
        await desktop.tell_menu(stale, "clicked")
        icon.show(view(go("one"), go("three")))
        await until_menu(desktop, lambda menu: "one" in menu.labels())
        await desktop.tell_menu(stale, "clicked")
        assert seen.choices == []

    with_panel(bus, view(go("one"), go("two")), story)


async def until_menu(desktop: FakeDesktop, condition: Callable[[Any], bool]) -> Any:
    async def look():
        menu = await desktop.menu()
        return menu if condition(menu) else None

    return await until(look)


def test_a_row_keeps_its_number_while_others_come_and_go_above_it(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        number = (await desktop.menu()).find("two").number
        icon.show(view(go("zero"), go("two", "two, renamed")))
        menu = await until_menu(desktop, lambda menu: "zero" in menu.labels())
        assert menu.find("two, renamed").number == number

    with_panel(bus, view(go("one"), go("two")), story)


def test_an_open_menu_changes_its_words_but_not_its_rows(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        await desktop.tell_menu(0, "opened")
        icon.show(view(go("one", "one, renamed"), go("new")))
        menu = await until_menu(desktop, lambda menu: "one, renamed" in menu.labels())
        assert menu.labels() == ["Go to next", "---", "one, renamed", "two", "---", "Quit"]
        await until(lambda: [name for name, _ in desktop.signals] == ["ItemsPropertiesUpdated"])
        await desktop.tell_menu(menu.find("two").number, "clicked")
        assert seen.choices == [OpenSession(SessionKey("server", "two"))]
        await desktop.tell_menu(0, "closed")
        assert (await desktop.menu()).labels() == ["Go to next", "---", "one, renamed", "new", "---", "Quit"]
        await until(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])

    with_panel(bus, view(go("one"), go("two")), story)


def test_a_panel_that_never_says_closed_gets_the_new_rows_when_it_opens_the_menu_again(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        await desktop.tell_menu(0, "opened")
        icon.show(view(go("new", "new")))
        icon.show(view(go("new", "newest")))
        await until(desktop.about_to_show)
        assert "newest" in (await desktop.menu()).labels()

    with_panel(bus, view(go("one")), story)


def test_only_what_changed_is_announced_and_a_storm_only_once(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        for step in range(500):
            icon.show(view(go("one"), tooltip=f"{step} working"))
        await until_property(desktop, "ToolTip", lambda tooltip: tooltip[2] == "499 working")
        await until(lambda: desktop.signals)
        assert {name for name, _ in desktop.signals} == {"NewToolTip"}
        assert len(desktop.signals) < 25
        icon.show(view(go("one"), tooltip="499 working", status=Status.ERROR))
        await until(lambda: desktop.signals[-1][0] == "NewIcon")

    with_panel(bus, view(go("one")), story)


# ---------------------------------------------------------------------- submenus that are filled when they are opened

ALL, ONE = ("all", "0"), ("session", "one")


def lazy(opened: OpenSubmenus, state: str = "idle") -> TrayView:
    """A view of two levels of such submenus, as the app makes it."""
    deeds = (go("deed", f"Stop ({state})"),) if ONE in opened else ()
    sessions = (Item("one", "Session one", children=deeds, submenu_id=ONE), go("two")) if ALL in opened else ()
    return replace(
        view(Item("all", "All sessions", children=sessions, submenu_id=ALL), go("state", state)), open_submenus=opened
    )


def filled(bus: PrivateBus, story: Callable[[FakeDesktop, App, Seen], Any]) -> None:
    seen = Seen()
    app = App()
    app.icon = icon = seen.icon(lazy(OpenSubmenus()), on_open_changed=app.on_open_changed)

    async def tell() -> None:
        desktop = await shown(bus, seen)
        try:
            await story(desktop, app, seen)
        finally:
            await desktop.stop()

    with running(icon):
        asyncio.run(tell())


class App:
    """Makes a new view when something is opened, as the app does on its own thread."""

    icon: StatusNotifierIcon

    def __init__(self) -> None:
        self.opened = OpenSubmenus()
        self.state = "idle"
        self.answers = True

    def on_open_changed(self, opened: OpenSubmenus) -> None:
        self.opened = opened
        if self.answers:
            threading.Thread(target=self.show).start()

    def show(self) -> None:
        self.icon.show(lazy(self.opened, self.state))


def test_a_submenu_has_its_rows_before_the_panel_shows_it_and_loses_them_when_it_is_closed(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        menu = await desktop.menu()
        assert menu.find("All sessions").labels() == ["…"]
        number = menu.find("All sessions").number
        assert await desktop.about_to_show(number)
        everything = (await desktop.menu()).find("All sessions")
        assert everything.labels() == ["Session one", "two"]
        await until_menu(desktop, lambda menu: menu.find("Session one").labels() == ["Stop (idle)"])
        await desktop.about_to_show_group(everything.children[0].number)
        await desktop.click("Stop (idle)")
        assert seen.choices == [OpenSession(SessionKey("server", "deed"))]
        await until(lambda: app.opened.ids == frozenset())
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["…"])

    filled(bus, story)


def test_a_panel_that_does_not_ask_gets_the_rows_when_it_says_that_the_submenu_is_open(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        number = (await desktop.menu()).find("All sessions").number
        await desktop.tell_menu(number, "opened")
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])
        await desktop.tell_menu(number, "closed")
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["…"])

    filled(bus, story)


def test_only_the_submenu_that_was_filled_is_announced(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        number = (await desktop.menu()).find("All sessions").number
        await desktop.tell_menu(0, "opened")
        await desktop.about_to_show(number)
        layouts = await until(lambda: [body[1] for name, body in desktop.signals if name == "LayoutUpdated"])
        assert layouts == [number]

    filled(bus, story)


def test_while_a_submenu_is_open_its_words_change_and_its_rows_do_not(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        await desktop.about_to_show()
        await desktop.tell_menu(0, "opened")
        await desktop.about_to_show((await desktop.menu()).find("All sessions").number)
        await desktop.about_to_show((await desktop.menu()).find("Session one").number)
        app.state = "busy"
        app.show()
        menu = await until_menu(desktop, lambda menu: "busy" in menu.labels())
        assert menu.find("Session one").labels() == ["Stop (busy)"]

    filled(bus, story)


def test_what_the_menu_shows_when_it_is_opened_is_true_then(bus: PrivateBus):
    """The app may keep a change back while nobody looks."""

    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        app.state = "busy"
        await desktop.about_to_show()
        assert "busy" in (await desktop.menu()).labels()

    filled(bus, story)


def test_a_panel_gets_its_answer_though_the_app_is_busy(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        app.answers = False
        number = (await desktop.menu()).find("All sessions").number
        assert not await desktop.about_to_show(number)
        app.show()
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])

    filled(bus, story)


def test_nothing_is_open_any_more_once_the_panel_has_gone(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        await desktop.about_to_show((await desktop.menu()).find("All sessions").number)
        assert ALL in app.opened
        await desktop.stop_panel()
        await until(lambda: app.opened.ids == frozenset())

    filled(bus, story)


def test_a_panel_that_crashes_before_it_has_its_answer_stops_no_other(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        number = (await desktop.menu()).find("All sessions").number
        app.answers = False
        for _ in range(20):
            crashing = await FakeDesktop(bus.address).start(panel=False, notifications=False)
            question = Message(desktop.items[-1], MENU_PATH, MENU, "AboutToShow", signature="i", body=[number])
            await crashing.bus.send(question)
            await crashing.stop()
        app.answers = True
        await desktop.about_to_show(number)
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])

    filled(bus, story)


def test_one_panel_opens_a_submenu_and_another_reads_the_same_rows(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        other = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        other.items = desktop.items
        number = (await desktop.menu()).find("All sessions").number
        await other.menu()
        await desktop.about_to_show(number)
        await until(lambda: any(name == "LayoutUpdated" for name, _ in other.signals))
        assert (await other.menu()).find("All sessions").labels() == ["Session one", "two"]
        await other.tell_menu((await other.menu()).find("two").number, "clicked")
        assert seen.choices == [OpenSession(SessionKey("server", "two"))]
        await other.stop()

    filled(bus, story)


def ask(name: str) -> Item:
    key = RequestKey("server", name)
    return Item(name, f"Allow {name}", AnswerRequest(key, Permit(Verdict.ONCE)))


def test_an_answer_under_which_the_rows_have_just_moved_is_not_taken(bus: PrivateBus):
    """By a panel that neither asks before it shows the menu nor says that it is open."""

    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        icon.show(view(ask("two")))
        menu = await until_menu(desktop, lambda menu: "Allow two" in menu.labels())
        await until(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])
        await desktop.tell_menu(menu.find("Allow two").number, "clicked")
        assert seen.choices == [ExplainIgnoredClick()]
        await asyncio.sleep(SETTLE / 1000)
        await desktop.tell_menu(menu.find("Allow two").number, "clicked")
        assert seen.choices[1:] == [ask("two").command]

    with_panel(bus, view(ask("one"), ask("two")), story)


def test_in_a_menu_whose_opening_is_known_an_answer_is_taken_at_once(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        icon.show(view(ask("two")))
        await until_menu(desktop, lambda menu: "Allow one" not in menu.labels())
        await desktop.about_to_show()
        icon.show(view(ask("new"), ask("two")))  # does not move an open menu's rows
        menu = await desktop.menu()
        assert menu.labels() == ["Go to next", "---", "Allow two", "---", "Quit"]
        await desktop.click("Allow two")
        assert seen.choices == [ask("two").command]

    with_panel(bus, view(ask("one"), ask("two")), story)


def test_rows_and_properties_that_are_not_there_are_answered_politely(bus: PrivateBus):
    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        assert await desktop.layout(4711) == [4711, {}, []]
        assert (await desktop.properties())["IconThemePath"] == ""

    filled(bus, story)


def test_with_nothing_to_go_to_a_click_opens_the_menu_or_says_what_there_is(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        assert (await desktop.properties())["ItemIsMenu"] is False
        icon.show(TrayView(IconView(Status.IDLE), "5 idle", FOOT))
        await until_property(desktop, "ItemIsMenu", bool)
        await until(lambda: "NewTitle" in [name for name, _ in desktop.signals])
        await desktop.call_item("Activate")
        assert seen.choices == [ShowSummary()]

    with_panel(bus, view(go("one")), story)


def test_what_a_click_on_the_icon_does_changes_for_the_panel_only_while_the_menu_is_closed(bus: PrivateBus):
    """Xfce's panel closes an open menu when it changes."""

    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        await desktop.tell_menu(0, "opened")
        icon.show(TrayView(IconView(Status.IDLE), "5 idle", FOOT))
        await until(lambda: {"NewIcon", "NewToolTip"} <= {name for name, _ in desktop.signals})
        assert (await desktop.properties())["ItemIsMenu"] is False
        await desktop.tell_menu(0, "closed")
        await until(lambda: "NewTitle" in [name for name, _ in desktop.signals])
        assert (await desktop.properties())["ItemIsMenu"] is True

    with_panel(bus, view(go("one")), story)


def test_rows_wait_only_shortly_for_a_menu_whose_end_is_not_told_of(bus: PrivateBus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dbus_menu, "UNREPORTED_OPEN_TIMEOUT", 0.3)

    async def story(desktop: FakeDesktop, app: App, seen: Seen):
        menu = await desktop.menu()
        number = menu.find("All sessions").number
        await desktop.about_to_show_group(0)
        await until(lambda: not app.opened.ids)
        await desktop.about_to_show_group(0)
        await desktop.about_to_show_group(number)
        await asyncio.sleep(0.6)
        assert ALL in app.opened
        await desktop.tell_menu(number, "closed")
        await until(lambda: not app.opened.ids)
        await desktop.tell_menu(0, "opened")
        await asyncio.sleep(0.6)
        assert ROOT_MENU in app.opened

    filled(bus, story)


def test_a_rows_mark_is_a_picture(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        row = (await desktop.menu()).find("works")
        assert bytes(row.properties["icon-data"]).startswith(b"\x89PNG")

    with_panel(bus, view(replace(go("works"), mark=Status.BUSY)), story)


async def until_property(desktop: FakeDesktop, name: str, condition: Callable[[Any], bool]) -> None:
    async def look():
        return condition((await desktop.properties())[name])

    await until(look)


def test_the_icon_is_drawn_for_every_size_a_panel_may_ask_for(bus: PrivateBus):
    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        pixmaps = (await desktop.properties())["IconPixmap"]
        assert [size for size, _, _ in pixmaps] == [16, 22, 24, 32, 48, 64]
        assert all(len(pixels) == width * height * 4 for width, height, pixels in pixmaps)
        width, height, pixels = pixmaps[2]
        middle = pixels[(height // 2 * width + width // 4) * 4 :][:4]
        assert middle[0] == 255  # opaque, and alpha stands first
        assert middle[3] > middle[1]  # a busy icon is blue, and blue stands last

    with_panel(bus, view(), story)


def test_hostile_titles_arrive_as_text(bus: PrivateBus):
    hostile = "a_b & <b>x</b>\t\n\x00\ud800 \u202egnp.exe %s \U0001f4a3"

    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        row = (await desktop.menu()).children[2]
        assert row.label == "a_b & <b>x</b>   ? \u202egnp.exe %s \U0001f4a3"
        await desktop.tell_menu(row.number, "clicked")
        assert seen.choices == [OpenSession(SessionKey("server", "one"))]
        assert (await desktop.properties())["ToolTip"][2] == "&lt;i&gt; &amp; co"

    with_panel(bus, view(go("one", hostile), tooltip="<i> & co"), story)


def test_the_icon_waits_for_a_panel_that_comes_late_and_for_one_that_restarts(bus: PrivateBus):
    seen = Seen()
    icon = seen.icon(view(go("one")))

    async def tell():
        desktop = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        icon.show(view(go("two")))
        assert seen.hosts == []
        for times in (1, 2, 3):
            await desktop.start_panel()
            await until(lambda: seen.hosts[-1:] == [True], "the icon registers")
            assert len(desktop.items) == 1
            assert "two" in (await desktop.menu()).labels()
            await desktop.stop_panel()
            await until(lambda: seen.hosts[-1:] == [False])
            assert len(seen.hosts) == 2 * times
        await desktop.stop()

    with running(icon):
        asyncio.run(tell())


def test_the_last_word_of_a_panel_that_goes_is_not_taken_for_a_panel_that_is_there(bus: PrivateBus):
    """Its answer and its end may be read in one go; whoever then believes the answer shows an icon to nobody."""
    seen = Seen()
    icon = seen.icon(view())

    async def tell():
        desktop = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        for _ in range(50):
            await desktop.start_panel_for_a_moment()
            await desktop.properties()  # the icon has read all that came before
            assert seen.hosts[-1:] in ([], [False])
        await desktop.stop()

    with running(icon):
        asyncio.run(tell())


def test_the_icon_comes_back_with_the_session_bus(bus: PrivateBus):
    seen = Seen()
    icon = seen.icon(view(go("one")))

    async def second_life():
        desktop = await FakeDesktop(bus.address).start(notifications=False)
        await until(lambda: seen.hosts == [True, False, True])
        assert "two" in (await desktop.menu()).labels()
        await desktop.stop()

    with running(icon):
        asyncio.run(shown_once(bus, seen))
        bus.stop()
        icon.show(view(go("two")))
        bus.start()
        asyncio.run(second_life())


def test_a_panel_that_reads_slowly_loses_nothing(bus: PrivateBus):
    """The socket fills up with megabytes of answers; the connection must live."""

    async def story(desktop: FakeDesktop, icon: StatusNotifierIcon, seen: Seen):
        answers = await asyncio.gather(*(desktop.properties() for _ in range(100)))
        assert len(answers) == 100
        assert seen.hosts == [True]

    with_panel(bus, view(go("one")), story)


def test_an_older_kind_of_tray_gets_the_icon_if_no_panel_of_this_kind_comes(bus: PrivateBus):
    icon = Seen().icon(view(), has_fallback=lambda: True)
    with pytest.raises(TrayUnavailable, match="XEmbed"):
        icon.run()


def test_a_panel_that_only_restarts_keeps_the_icon_though_an_older_tray_is_there(bus: PrivateBus):
    seen = Seen()
    with running(seen.icon(view(), has_fallback=lambda: True)) as thread:
        asyncio.run(shown_once(bus, seen))
        thread.join(FALLBACK_AFTER + 1)
        assert thread.is_alive()


def test_without_a_bus_the_icon_is_unavailable(bus: PrivateBus):
    bus.stop()
    with pytest.raises(TrayUnavailable):
        Seen().icon(view()).run()


def test_stop_ends_run_at_any_moment(bus: PrivateBus):
    never_run = Seen().icon(view())
    never_run.stop()
    never_run.run()

    seen = Seen()
    icon = seen.icon(view())
    with running(icon) as thread:
        asyncio.run(shown_once(bus, seen))
        icon.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    icon.stop()
    icon.show(view())

    lost = Seen()
    waiting = lost.icon(view())
    with running(waiting) as thread:
        asyncio.run(shown_once(bus, lost))
        bus.stop()
        waiting.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
