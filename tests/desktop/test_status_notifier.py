"""The D-Bus tray icon with a fake panel, so without a display."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from dbus_fast import Message
from msgspec.structs import replace

from fake_desktop import FakeDesktop, PrivateBus, running
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
from tray.core.sessions import SessionKey, Status
from tray.surfaces.backends import dbus_menu, status_notifier
from tray.surfaces.backends.dbus_introspection import MENU, MENU_PATH
from tray.surfaces.backends.status_notifier import FALLBACK_AFTER, StatusNotifierIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import ROOT_MENU, Entry, Item, OpenSubmenus, Separator
from tray.surfaces.menu.view import IconView, TrayView
from waiting import DEADLINE, until_async


def row(name: str, label: str | None = None) -> Item:
    return Item(f"session:{name}", label or name, OpenSession(SessionKey("server", name)))


HEAD = (Item("next", "Go to next", OpenNextSession(), default=True), Separator("after next"))
FOOT = (Separator("before quit"), Item("quit", "Quit", Quit()))


def view(*rows: Entry, status: Status = Status.BUSY, count: int = 0, tooltip: str = "1 working") -> TrayView:
    return TrayView(IconView(status, count), tooltip, (*HEAD, *rows, *FOOT))


class Reports:
    """The commands and the presence of panels that the icon has reported."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.hosts: list[bool] = []

    def icon(self, first: TrayView, **more: Any) -> StatusNotifierIcon:
        return StatusNotifierIcon(
            "opencode-tray", "OpenCode Tray", first, self.commands.append, self.hosts.append, **more
        )


async def panel_with_icon(bus: PrivateBus, reports: Reports) -> FakeDesktop:
    desktop = await FakeDesktop(bus.address).start(notifications=False)
    await until_async(lambda: reports.hosts == [True], "the icon registers")
    return desktop


async def show_icon_once(bus: PrivateBus, reports: Reports) -> None:
    """Start a panel, wait until it shows the icon, and end the panel."""
    desktop = await panel_with_icon(bus, reports)
    await desktop.stop()
    await until_async(lambda: reports.hosts == [True, False])


def with_panel(
    bus: PrivateBus, first: TrayView, scenario: Callable[[FakeDesktop, StatusNotifierIcon, Reports], Any]
) -> Reports:
    """Run a scenario with the icon on a panel; return what the icon reported."""
    reports = Reports()
    icon = reports.icon(first)

    async def main() -> None:
        desktop = await panel_with_icon(bus, reports)
        try:
            await scenario(desktop, icon, reports)
        finally:
            await desktop.stop()

    with running(icon):
        asyncio.run(main())
    return reports


def test_a_panel_reads_the_rows_in_their_order(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        menu = await desktop.menu()
        assert menu.labels() == ["Go to next", "---", "one", "All sessions", "Muted", "Only text", "---", "Quit"]
        assert menu.find("All sessions").labels() == ["two"]
        assert menu.find("Muted").properties["toggle-state"] == 1
        assert menu.find("Only text").properties["enabled"] is False
        assert menu.find("one").properties["enabled"] is True

    rows = (
        row("one"),
        Item("all", "All sessions", children=(row("two"),)),
        Item("mute", "Muted", Quit(), checked=True),
    )
    with_panel(bus, view(*rows, Item("text", "Only text")), scenario)


def test_a_click_runs_the_command_of_its_row(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        await desktop.click("two")
        assert reports.commands == [OpenSession(SessionKey("server", "two"))]

    with_panel(bus, view(row("one"), Item("all", "All sessions", children=(row("two"),))), scenario)


@pytest.mark.parametrize("how", ["Activate", "SecondaryActivate"])
def test_a_click_on_the_icon_runs_the_default_command(bus: PrivateBus, how: str):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        await desktop.call_item(how)
        assert reports.commands == [OpenNextSession()]

    with_panel(bus, view(), scenario)


def test_a_click_on_a_removed_row_is_ignored(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        stale = (await desktop.menu()).find("one").number
        icon.show(view(row("two"), row("three")))
        await until_async(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])
        await desktop.send_menu_event(stale, "clicked")
        icon.show(view(row("one"), row("three")))
        await until_menu(desktop, lambda menu: "one" in menu.labels())
        await desktop.send_menu_event(stale, "clicked")
        assert reports.commands == []

    with_panel(bus, view(row("one"), row("two")), scenario)


async def until_menu(desktop: FakeDesktop, condition: Callable[[Any], bool]) -> Any:
    async def check():
        menu = await desktop.menu()
        return menu if condition(menu) else None

    return await until_async(check)


def test_a_row_keeps_its_id_when_rows_above_it_change(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        number = (await desktop.menu()).find("two").number
        icon.show(view(row("zero"), row("two", "two, renamed")))
        menu = await until_menu(desktop, lambda menu: "zero" in menu.labels())
        assert menu.find("two, renamed").number == number

    with_panel(bus, view(row("one"), row("two")), scenario)


def test_an_open_menu_updates_labels_but_neither_adds_nor_removes_rows(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        await desktop.send_menu_event(0, "opened")
        icon.show(view(row("one", "one, renamed"), row("new")))
        menu = await until_menu(desktop, lambda menu: "one, renamed" in menu.labels())
        assert menu.labels() == ["Go to next", "---", "one, renamed", "two", "---", "Quit"]
        await until_async(lambda: [name for name, _ in desktop.signals] == ["ItemsPropertiesUpdated"])
        await desktop.send_menu_event(menu.find("two").number, "clicked")
        assert reports.commands == [OpenSession(SessionKey("server", "two"))]
        await desktop.send_menu_event(0, "closed")
        assert (await desktop.menu()).labels() == ["Go to next", "---", "one, renamed", "new", "---", "Quit"]
        await until_async(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])

    with_panel(bus, view(row("one"), row("two")), scenario)


def test_a_panel_that_never_reports_closed_gets_new_rows_at_the_next_opening(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        await desktop.send_menu_event(0, "opened")
        icon.show(view(row("new", "new")))
        icon.show(view(row("new", "newest")))
        await until_async(desktop.about_to_show)
        assert "newest" in (await desktop.menu()).labels()

    with_panel(bus, view(row("one")), scenario)


def test_only_changed_properties_are_signalled_and_bursts_are_merged(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        for step in range(500):
            icon.show(view(row("one"), tooltip=f"{step} working"))
        await until_property(desktop, "ToolTip", lambda tooltip: tooltip[2] == "499 working")
        await until_async(lambda: desktop.signals)
        assert {name for name, _ in desktop.signals} == {"NewToolTip"}
        assert len(desktop.signals) < 25
        icon.show(view(row("one"), tooltip="499 working", status=Status.ERROR))
        await until_async(lambda: desktop.signals[-1][0] == "NewIcon")

    with_panel(bus, view(row("one")), scenario)


# ---------------------------------------------------------------------- submenus that are filled when they are opened

ALL, ONE = ("all", "0"), ("session", "one")


def lazy(opened: OpenSubmenus, state: str = "idle") -> TrayView:
    """Return a view with two levels of such submenus, as the app builds it."""
    commands = (row("stop", f"Stop ({state})"),) if ONE in opened else ()
    sessions = (Item("one", "Session one", children=commands, submenu_id=ONE), row("two")) if ALL in opened else ()
    return replace(
        view(Item("all", "All sessions", children=sessions, submenu_id=ALL), row("state", state)),
        open_submenus=opened,
    )


def with_app(bus: PrivateBus, scenario: Callable[[FakeDesktop, App, Reports], Any]) -> None:
    reports = Reports()
    app = App()
    app.icon = icon = reports.icon(lazy(OpenSubmenus()), on_open_changed=app.on_open_changed)

    async def main() -> None:
        desktop = await panel_with_icon(bus, reports)
        try:
            await scenario(desktop, app, reports)
        finally:
            await desktop.stop()

    with running(icon):
        asyncio.run(main())


class App:
    """Builds a new view when a submenu is opened, as the app does on its own thread."""

    icon: StatusNotifierIcon

    def __init__(self) -> None:
        self.opened = OpenSubmenus()
        self.state = "idle"
        self.responds = True

    def on_open_changed(self, opened: OpenSubmenus) -> None:
        self.opened = opened
        if self.responds:
            threading.Thread(target=self.show).start()

    def show(self) -> None:
        self.icon.show(lazy(self.opened, self.state))


def test_a_submenu_is_filled_before_it_is_shown_and_emptied_when_it_is_closed(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        menu = await desktop.menu()
        assert menu.find("All sessions").labels() == ["…"]
        number = menu.find("All sessions").number
        assert await desktop.about_to_show(number)
        all_sessions = (await desktop.menu()).find("All sessions")
        assert all_sessions.labels() == ["Session one", "two"]
        await until_menu(desktop, lambda menu: menu.find("Session one").labels() == ["Stop (idle)"])
        await desktop.about_to_show_group(all_sessions.children[0].number)
        await desktop.click("Stop (idle)")
        assert reports.commands == [OpenSession(SessionKey("server", "stop"))]
        await until_async(lambda: app.opened.ids == frozenset())
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["…"])

    with_app(bus, scenario)


def test_a_panel_without_about_to_show_gets_the_rows_after_opened(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        number = (await desktop.menu()).find("All sessions").number
        await desktop.send_menu_event(number, "opened")
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])
        await desktop.send_menu_event(number, "closed")
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["…"])

    with_app(bus, scenario)


def test_the_layout_signal_names_only_the_filled_submenu(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        number = (await desktop.menu()).find("All sessions").number
        await desktop.send_menu_event(0, "opened")
        await desktop.about_to_show(number)
        layouts = await until_async(lambda: [body[1] for name, body in desktop.signals if name == "LayoutUpdated"])
        assert layouts == [number]

    with_app(bus, scenario)


def test_an_open_submenu_updates_labels_but_keeps_its_rows(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        await desktop.about_to_show()
        await desktop.send_menu_event(0, "opened")
        await desktop.about_to_show((await desktop.menu()).find("All sessions").number)
        await desktop.about_to_show((await desktop.menu()).find("Session one").number)
        app.state = "busy"
        app.show()
        menu = await until_menu(desktop, lambda menu: "busy" in menu.labels())
        assert menu.find("Session one").labels() == ["Stop (busy)"]

    with_app(bus, scenario)


def test_about_to_show_updates_the_menu_to_the_current_state(bus: PrivateBus):
    """The app may delay changes while the menu is closed."""

    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        app.state = "busy"
        await desktop.about_to_show()
        assert "busy" in (await desktop.menu()).labels()

    with_app(bus, scenario)


def test_about_to_show_is_answered_while_the_app_is_busy(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        app.responds = False
        number = (await desktop.menu()).find("All sessions").number
        assert not await desktop.about_to_show(number)
        app.show()
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])

    with_app(bus, scenario)


def test_all_submenus_count_as_closed_once_the_panel_has_ended(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        await desktop.about_to_show((await desktop.menu()).find("All sessions").number)
        assert ALL in app.opened
        await desktop.stop_panel()
        await until_async(lambda: app.opened.ids == frozenset())

    with_app(bus, scenario)


def test_a_panel_that_crashes_before_its_reply_does_not_block_others(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        number = (await desktop.menu()).find("All sessions").number
        app.responds = False
        for _ in range(20):
            crashing = await FakeDesktop(bus.address).start(panel=False, notifications=False)
            call = Message(desktop.items[-1], MENU_PATH, MENU, "AboutToShow", signature="i", body=[number])
            await crashing.bus.send(call)
            await crashing.stop()
        app.responds = True
        await desktop.about_to_show(number)
        await until_menu(desktop, lambda menu: menu.find("All sessions").labels() == ["Session one", "two"])

    with_app(bus, scenario)


def test_two_panels_read_the_same_rows(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        other = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        other.items = desktop.items
        number = (await desktop.menu()).find("All sessions").number
        await other.menu()
        await desktop.about_to_show(number)
        await until_async(lambda: any(name == "LayoutUpdated" for name, _ in other.signals))
        assert (await other.menu()).find("All sessions").labels() == ["Session one", "two"]
        await other.send_menu_event((await other.menu()).find("two").number, "clicked")
        assert reports.commands == [OpenSession(SessionKey("server", "two"))]
        await other.stop()

    with_app(bus, scenario)


def answer_row(name: str) -> Item:
    key = RequestKey("server", name)
    return Item(name, f"Allow {name}", AnswerRequest(key, Permit(Verdict.ONCE)))


def test_an_answer_is_ignored_just_after_rows_have_moved(bus: PrivateBus):
    """The panel sends neither AboutToShow nor "opened"."""

    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        icon.show(view(answer_row("two")))
        menu = await until_menu(desktop, lambda menu: "Allow two" in menu.labels())
        await until_async(lambda: "LayoutUpdated" in [name for name, _ in desktop.signals])
        await desktop.send_menu_event(menu.find("Allow two").number, "clicked")
        assert reports.commands == [ExplainIgnoredClick()]
        await asyncio.sleep(SETTLE / 1000)
        await desktop.send_menu_event(menu.find("Allow two").number, "clicked")
        assert reports.commands[1:] == [answer_row("two").command]

    with_panel(bus, view(answer_row("one"), answer_row("two")), scenario)


def test_an_answer_is_accepted_at_once_in_a_menu_that_was_reported_open(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        icon.show(view(answer_row("two")))
        await until_menu(desktop, lambda menu: "Allow one" not in menu.labels())
        await desktop.about_to_show()
        icon.show(view(answer_row("new"), answer_row("two")))  # does not move the rows of an open menu
        menu = await desktop.menu()
        assert menu.labels() == ["Go to next", "---", "Allow two", "---", "Quit"]
        await desktop.click("Allow two")
        assert reports.commands == [answer_row("two").command]

    with_panel(bus, view(answer_row("one"), answer_row("two")), scenario)


def test_unknown_rows_get_an_empty_reply_and_unknown_properties_an_error(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        assert await desktop.layout(4711) == [4711, {}, []]
        assert (await desktop.properties())["IconThemePath"] == ""
        assert await desktop.property("Category") == "ApplicationStatus"
        with pytest.raises(RuntimeError, match=r"Error\.UnknownProperty"):  # GNOME asks for properties of Ayatana
            await desktop.property("XAyatanaLabel")

    with_app(bus, scenario)


def test_without_a_default_command_a_click_opens_the_menu_or_shows_the_summary(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        assert (await desktop.properties())["ItemIsMenu"] is False
        icon.show(TrayView(IconView(Status.IDLE), "5 idle", FOOT))
        await until_property(desktop, "ItemIsMenu", bool)
        await until_async(lambda: "NewTitle" in [name for name, _ in desktop.signals])
        await desktop.call_item("Activate")
        assert reports.commands == [ShowSummary()]

    with_panel(bus, view(row("one")), scenario)


def test_item_is_menu_changes_only_while_the_menu_is_closed(bus: PrivateBus):
    """Xfce's panel closes an open menu when ItemIsMenu changes."""

    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        await desktop.send_menu_event(0, "opened")
        icon.show(TrayView(IconView(Status.IDLE), "5 idle", FOOT))
        await until_async(lambda: {"NewIcon", "NewToolTip"} <= {name for name, _ in desktop.signals})
        assert (await desktop.properties())["ItemIsMenu"] is False
        await desktop.send_menu_event(0, "closed")
        await until_async(lambda: "NewTitle" in [name for name, _ in desktop.signals])
        assert (await desktop.properties())["ItemIsMenu"] is True

    with_panel(bus, view(row("one")), scenario)


def test_an_unreported_open_menu_counts_as_closed_after_a_timeout(bus: PrivateBus, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dbus_menu, "UNREPORTED_OPEN_TIMEOUT", 0.3)

    async def scenario(desktop: FakeDesktop, app: App, reports: Reports):
        menu = await desktop.menu()
        number = menu.find("All sessions").number
        await desktop.about_to_show_group(0)
        await until_async(lambda: not app.opened.ids)
        await desktop.about_to_show_group(0)
        await desktop.about_to_show_group(number)
        await asyncio.sleep(0.6)
        assert ALL in app.opened
        await desktop.send_menu_event(number, "closed")
        await until_async(lambda: not app.opened.ids)
        await desktop.send_menu_event(0, "opened")
        await asyncio.sleep(0.6)
        assert ROOT_MENU in app.opened

    with_app(bus, scenario)


def test_the_mark_of_a_row_is_a_png_icon(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        row = (await desktop.menu()).find("busy row")
        assert bytes(row.properties["icon-data"]).startswith(b"\x89PNG")

    with_panel(bus, view(replace(row("busy row"), mark=Status.BUSY)), scenario)


async def until_property(desktop: FakeDesktop, name: str, condition: Callable[[Any], bool]) -> None:
    async def check():
        return condition((await desktop.properties())[name])

    await until_async(check)


def test_the_icon_has_pixmaps_of_every_common_size(bus: PrivateBus):
    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        pixmaps = (await desktop.properties())["IconPixmap"]
        assert [size for size, _, _ in pixmaps] == [16, 22, 24, 32, 48, 64]
        assert all(len(pixels) == width * height * 4 for width, height, pixels in pixmaps)
        width, height, pixels = pixmaps[2]
        middle = pixels[(height // 2 * width + width // 4) * 4 :][:4]
        assert middle[0] == 255  # opaque; alpha is the first byte
        assert middle[3] > middle[1]  # a busy icon is blue; blue is the last byte

    with_panel(bus, view(), scenario)


def test_hostile_titles_arrive_as_plain_text(bus: PrivateBus):
    hostile = "a_b & <b>x</b>\t\n\x00\ud800 \u202egnp.exe %s \U0001f4a3"

    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        row = (await desktop.menu()).children[2]
        assert row.label == "a_b & <b>x</b>   ? \u202egnp.exe %s \U0001f4a3"
        await desktop.send_menu_event(row.number, "clicked")
        assert reports.commands == [OpenSession(SessionKey("server", "one"))]
        assert (await desktop.properties())["ToolTip"][2] == "&lt;i&gt; &amp; co"

    with_panel(bus, view(row("one", hostile), tooltip="<i> & co"), scenario)


def test_the_icon_registers_with_a_late_and_with_a_restarted_panel(bus: PrivateBus):
    reports = Reports()
    icon = reports.icon(view(row("one")))

    async def main():
        desktop = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        icon.show(view(row("two")))
        assert reports.hosts == []
        for times in (1, 2, 3):
            await desktop.start_panel()
            await until_async(lambda: reports.hosts[-1:] == [True], "the icon registers")
            assert len(desktop.items) == 1
            assert "two" in (await desktop.menu()).labels()
            await desktop.stop_panel()
            await until_async(lambda: reports.hosts[-1:] == [False])
            assert len(reports.hosts) == 2 * times
        await desktop.stop()

    with running(icon):
        asyncio.run(main())


@pytest.mark.parametrize("ending", ["", "/StatusNotifierItem"])
def test_an_icon_that_a_panel_has_dropped_registers_again_at_growing_intervals(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(status_notifier, "FIRST_RETURN", 0.1)
    reports = Reports()
    icon = reports.icon(view())

    async def main() -> None:
        desktop = await FakeDesktop(bus.address).start(notifications=False)
        clock = asyncio.get_running_loop().time
        passed: list[float] = []
        for _ in range(3):
            await until_async(lambda: len(desktop.items) == 1 and reports.hosts[-1:] == [True])
            desktop.items[0] += ending
            desktop.drop(desktop.items[0])
            started = clock()
            for _ in range(5):  # signals of other icons change nothing
                desktop.announce(":1.99")
                await asyncio.sleep(0.01)
            await until_async(lambda: len(desktop.items) == 1)
            passed.append(clock() - started)
        assert passed[0] >= 0.1
        assert passed[2] >= 0.4
        await until_async(lambda: reports.hosts == [True, False] * 3 + [True])
        monkeypatch.setattr(status_notifier, "ACCEPTED_AFTER", 0.0)
        desktop.drop(desktop.items[0])  # it was shown for long enough: the first delay counts again
        started = clock()
        await until_async(lambda: len(desktop.items) == 1)
        assert clock() - started < 0.6
        await desktop.stop()

    with running(icon):
        asyncio.run(main())


def test_a_reply_of_an_ended_panel_does_not_count_as_a_running_panel(bus: PrivateBus):
    """The reply and the end of a panel may arrive together; the icon must not rely on the reply then."""
    reports = Reports()
    icon = reports.icon(view())

    async def main():
        desktop = await FakeDesktop(bus.address).start(panel=False, notifications=False)
        for _ in range(50):
            await desktop.start_panel_for_a_moment()
            await desktop.properties()  # the icon has read all earlier messages
            assert reports.hosts[-1:] in ([], [False])
        await desktop.stop()

    with running(icon):
        asyncio.run(main())


@pytest.mark.fault
def test_the_icon_registers_again_after_a_bus_restart(bus: PrivateBus):
    reports = Reports()
    icon = reports.icon(view(row("one")))

    async def second_panel():
        desktop = await FakeDesktop(bus.address).start(notifications=False)
        await until_async(lambda: reports.hosts == [True, False, True])
        assert "two" in (await desktop.menu()).labels()
        await desktop.stop()

    with running(icon):
        asyncio.run(show_icon_once(bus, reports))
        bus.stop()
        icon.show(view(row("two")))
        bus.start()
        asyncio.run(second_panel())


def test_a_slowly_reading_panel_receives_every_reply(bus: PrivateBus):
    """The socket fills up with megabytes of replies; the connection must stay open."""

    async def scenario(desktop: FakeDesktop, icon: StatusNotifierIcon, reports: Reports):
        replies = await asyncio.gather(*(desktop.properties() for _ in range(100)))
        assert len(replies) == 100
        assert reports.hosts == [True]

    with_panel(bus, view(row("one")), scenario)


def test_the_icon_falls_back_to_xembed_if_no_panel_appears(bus: PrivateBus):
    icon = Reports().icon(view(), has_fallback=lambda: True)
    with pytest.raises(TrayUnavailable, match="XEmbed"):
        icon.run()


def test_a_panel_restart_does_not_cause_a_fallback_to_xembed(bus: PrivateBus):
    reports = Reports()
    with running(reports.icon(view(), has_fallback=lambda: True)) as thread:
        asyncio.run(show_icon_once(bus, reports))
        thread.join(FALLBACK_AFTER + 1)
        assert thread.is_alive()


def test_without_a_bus_the_icon_is_unavailable(bus: PrivateBus):
    bus.stop()
    with pytest.raises(TrayUnavailable):
        Reports().icon(view()).run()


def test_stop_ends_run_at_any_moment(bus: PrivateBus):
    never_run = Reports().icon(view())
    never_run.stop()
    never_run.run()

    reports = Reports()
    icon = reports.icon(view())
    with running(icon) as thread:
        asyncio.run(show_icon_once(bus, reports))
        icon.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()
    icon.stop()
    icon.show(view())

    lost = Reports()
    waiting = lost.icon(view())
    with running(waiting) as thread:
        asyncio.run(show_icon_once(bus, lost))
        bus.stop()
        waiting.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()
