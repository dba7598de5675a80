"""The notification lane against a notification server on a real bus: order, replacement, and a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from desktop_notifier import DesktopNotifier, Notification

from fake_desktop import FakeDesktop, PrivateBus, until
from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.choices import Choice, GoTo, Respond
from tray.core.model import Request, RequestKind, SessionKey
from tray.surfaces import notifications
from tray.surfaces.notifications import Notifications
from tray.system import notification_daemon

pytestmark = pytest.mark.desktop

ONE, TWO = SessionKey("server", "ses_1"), SessionKey("server", "ses_2")


def alert(session: SessionKey = ONE, body: str = "bash: ls", title: str = "project — Work") -> Alert:
    return Alert(session, Reason.PERMISSION, f"request {body}", title, body, 0)


class Lane:
    """Notifications at work, and the clicks that came back."""

    def __init__(self, connect: Callable[..., Any]) -> None:
        self.chosen: list[Choice] = []
        self.unshown: list[tuple[str, str]] = []
        self.notifications = Notifications(
            "OpenCode Tray",
            None,
            self.chosen.append,
            on_unshown=lambda *words: self.unshown.append(words),
            connect=connect,
        )
        self.task = asyncio.create_task(self.notifications.run())

    async def end(self) -> None:
        self.notifications.end()
        await self.task


@asynccontextmanager
async def lane(connect: Callable[..., Any] = DesktopNotifier) -> AsyncIterator[Lane]:
    made = Lane(connect)
    yield made
    await made.end()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def shown(desktop: FakeDesktop) -> list[tuple[str, str]]:
    """Title without the reason, and body."""
    return [(note[3].removeprefix("Permission · "), note[4]) for note in desktop.notes.values()]


@pytest.mark.parametrize(
    ("capabilities", "body"),
    [
        (("body", "body-markup"), "a &lt;b&gt; &amp; c"),
        (("body", "body-hyperlinks"), "a &lt;b&gt; &amp; c"),
        (("body",), "a <b> & c"),
    ],
)
def test_the_body_is_escaped_for_a_server_that_reads_markup(
    bus: PrivateBus, capabilities: tuple[str, ...], body: str
) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address, capabilities=capabilities).start(panel=False)
        async with lane() as made:
            made.notifications.show(alert(body="a <b> & c", title="T <i>&"))
            await until(lambda: desktop.notes)
            assert shown(desktop) == [("T <i>&", body)]
        await desktop.stop()

    run(test())


def test_one_toast_a_session_replaced_and_withdrawn_in_order(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            for number in range(5):
                made.notifications.show(alert(body=f"ask {number}"))
            made.notifications.show(alert(TWO, "other"))
            await until(lambda: shown(desktop) == [("project — Work", "ask 4"), ("project — Work", "other")])
            made.notifications.show(alert(body="ask 5"))
            made.notifications.withdraw("ses_2")
            await until(lambda: shown(desktop) == [("project — Work", "ask 5")])
            made.notifications.show(alert(body="ask 6"))
            made.notifications.withdraw("ses_1")
            await until(lambda: not desktop.notes)
        await desktop.stop()

    run(test())


def test_a_click_goes_to_the_session_and_to_no_other(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(alert(ONE, "one"))
            made.notifications.show(alert(TWO, "two"))
            await until(lambda: len(desktop.notes) == 2)
            _, second = desktop.notes

            async def pressed() -> bool:  # again, as the first may come before the sender knows its toast's number
                await desktop.press(second, "default")
                return bool(made.chosen)

            await until(pressed)
            assert set(made.chosen) == {GoTo(TWO)}
        await desktop.stop()

    run(test())


def test_the_picture_says_why_and_only_what_waits_stays_and_is_urgent(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            for number, reason in enumerate(Reason):
                session = SessionKey("server", f"ses_{number}")
                made.notifications.show(Alert(session, reason, reason.value, "project — Work", "words", 0))
            made.notifications.say("Copying", "Copied")
            await until(lambda: len(desktop.notes) == 5)
            told = [(note[3], Path(note[2]).name, note[6]["urgency"], note[7]) for note in desktop.notes.values()]
            assert told == [
                ("Permission · project — Work", "permission.png", 2, 0),
                ("Question · project — Work", "question.png", 1, 0),
                ("Failed · project — Work", "error.png", 1, -1),
                ("Finished · project — Work", "finished.png", 1, -1),
                ("Copying", "", 1, -1),
            ]
        await desktop.stop()

    run(test())


def asked(name: str) -> Request:
    return Request(name, ONE.session, RequestKind.PERMISSION, "bash", f"echo {name}", asked_at=1)


def permission(name: str) -> Alert:
    request = asked(name)
    body = f"bash: {request.detail}"
    return Alert(ONE, Reason.PERMISSION, f"request {name}", "project — Work", body, 0, request, answerable=True)


def test_a_button_answers_its_own_request_and_that_of_a_toast_that_was_replaced_nothing(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1"))
            await until(lambda: desktop.notes)
            ((old, note),) = desktop.notes.items()
            buttons = dict(zip(note[5][1::2], note[5][::2], strict=True))  # label -> the key that is sent back
            made.notifications.show(permission("per_2"))
            await until(lambda: desktop.notes and old not in desktop.notes)
            ((new, note),) = desktop.notes.items()
            again = dict(zip(note[5][1::2], note[5][::2], strict=True))
            await desktop.press(old, buttons["Allow once"])

            async def pressed() -> bool:
                await desktop.press(new, again["Reject"])
                return bool(made.chosen)

            await until(pressed)
            reject = Respond(RequestKey(ONE.server, "per_2"), Permit(Verdict.REJECT), asked("per_2"))
            assert set(made.chosen) == {reject}
        await desktop.stop()

    run(test())


class ForgetfulNotifier:
    """What is used of desktop-notifier on Windows: of a toast that it has put away it keeps the id alone."""

    def __init__(self, **_: object) -> None:
        self.sent: list[Notification] = []
        self.on_clicked: Callable[[str], object] = lambda _: None
        self.on_button_pressed: Callable[[str, str], object] = lambda *_: None
        self.on_replied: Callable[[str, str], object] = lambda *_: None

    async def send_notification(self, notification: Notification) -> None:
        self.sent.append(notification)
        assert notification.on_dispatched is not None
        notification.on_dispatched()

    async def clear(self, identifier: str) -> None:
        pass


def test_a_button_answers_though_the_desktop_has_put_the_toast_away(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        notifier = ForgetfulNotifier()
        async with lane(lambda **_: notifier) as made:
            made.notifications.show(permission("per_1"))
            await until(lambda: notifier.sent)
            (toast,) = notifier.sent
            notifier.on_button_pressed("of another program", "0")
            for _ in range(2):
                notifier.on_button_pressed(toast.identifier, toast.buttons[0].identifier)
            once = Respond(RequestKey(ONE.server, "per_1"), Permit(Verdict.ONCE), asked("per_1"))
            assert made.chosen == [once]
        await desktop.stop()

    run(test())


def test_where_notifications_cannot_be_shown_it_is_said_once_and_their_words_are_handed_on(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> None:
        raise OSError("Class not registered")

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane(refuse) as made:
            for number in range(3):
                made.notifications.show(alert(body=f"ask {number}"))
                await until(lambda: len(made.unshown) == number + 1)  # noqa: B023  # waited for at once
        assert made.unshown[0] == ("Permission · project — Work", "ask 0")
        assert [record.getMessage() for record in caplog.records] == [
            "notifications cannot be shown here: Class not registered"
        ]
        await desktop.stop()

    run(test())


def test_the_end_takes_every_toast_away(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(alert())
            await until(lambda: desktop.notes)
        await until(lambda: not desktop.notes)
        await desktop.stop()

    run(test())


def test_the_end_takes_a_toast_away_that_is_on_its_way(bus: PrivateBus) -> None:
    """The server shows it before it says so; whoever leaves in between leaves it on the screen."""

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            desktop.on_note = made.notifications.end
            made.notifications.show(alert())
            await made.task
        assert desktop.noted == 1
        assert not desktop.notes
        await desktop.stop()

    run(test())


def test_without_a_server_it_is_said_once_and_later_ones_are_shown(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with lane() as made:
            for number in range(3):
                made.notifications.show(alert(body=f"lost {number}"))
                await until(lambda: "no notification daemon" in caplog.text)
            desktop = await FakeDesktop(bus.address).start(panel=False)
            made.notifications.show(alert(body="here"))
            await until(lambda: shown(desktop) == [("project — Work", "here")])
            assert caplog.text.count("no notification daemon") == 1
            await desktop.stop()

    run(test())


def test_a_server_that_stopped_answering_does_not_stop_the_lane(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_daemon, "PROBE_TIMEOUT", 0.2)
    monkeypatch.setattr(notifications, "SEND_TIMEOUT", 0.2)

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(alert(body="before"))
            await until(lambda: desktop.notes)
            desktop.deaf = True
            made.notifications.show(alert(body="while it is stopped"))
            made.notifications.show(alert(TWO, "this one too"))
            await until(lambda: desktop.unanswered >= 2)
            desktop.deaf = False
            made.notifications.show(alert(TWO, "after"))
            await until(lambda: ("project — Work", "after") in shown(desktop))
        await desktop.stop()

    run(test())


def test_after_the_bus_was_restarted_the_next_one_is_shown(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(alert(body="before"))
            await until(lambda: desktop.notes)
            bus.stop()
            with suppress(EOFError, OSError):
                await desktop.bus.wait_for_disconnect()
            made.notifications.show(alert(body="lost"))
            bus.start()
            again = await FakeDesktop(bus.address).start(panel=False)
            made.notifications.show(alert(body="after"))
            await until(lambda: shown(again) == [("project — Work", "after")])
            await again.stop()

    run(test())
