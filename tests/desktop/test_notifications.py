"""The notification lane against a notification server on a real bus: order, replacement, and a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from desktop_notifier import DesktopNotifier, Notification
from msgspec.structs import replace

from fake_desktop import FakeDesktop, PrivateBus, until
from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Command, OpenSession
from tray.core.model import Request, RequestKind, SessionKey
from tray.surfaces import notifications
from tray.surfaces.notifications import Notifications
from tray.system import notification_daemon

pytestmark = pytest.mark.desktop

AWHILE = 5.0  # s that a person takes who reads first
ONE, TWO = SessionKey("server", "ses_1"), SessionKey("server", "ses_2")


def alert(session: SessionKey = ONE, body: str = "bash: ls", title: str = "project — Work") -> Alert:
    return Alert(session, Reason.PERMISSION, f"request {body}", title, body, 0)


class Lane:
    """Notifications at work, and the clicks that came back."""

    def __init__(self, connect: Callable[..., Any]) -> None:
        self.chosen: list[Command] = []
        self.unshown: list[tuple[str, str]] = []
        self.now = 0.0  # s
        self.notifications = Notifications(
            "OpenCode Tray",
            None,
            self.chosen.append,
            on_not_shown=lambda *words: self.unshown.append(words),
            connect=connect,
            clock=lambda: self.now,
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
            await until(lambda: made.notifications.count == 2)
            _, second = desktop.notes
            await desktop.press(second, "default")
            await until(lambda: made.chosen)
            assert made.chosen == [OpenSession(TWO)]
        await desktop.stop()

    run(test())


def test_the_picture_says_why_and_only_what_waits_stays_and_is_urgent(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            for number, reason in enumerate(Reason):
                session = SessionKey("server", f"ses_{number}")
                made.notifications.show(Alert(session, reason, reason.value, "project — Work", "words", 0))
            made.notifications.show_text("Copy", "Copied")
            await until(lambda: len(desktop.notes) == 5)
            told = [(note[3], Path(note[2]).name, note[6]["urgency"], note[7]) for note in desktop.notes.values()]
            assert told == [
                ("Permission · project — Work", "permission.png", 2, 0),
                ("Question · project — Work", "question.png", 1, 0),
                ("Failed · project — Work", "error.png", 1, -1),
                ("Finished · project — Work", "finished.png", 1, -1),
                ("Copy", "", 1, -1),
            ]
        await desktop.stop()

    run(test())


def asked(name: str, session: SessionKey = ONE) -> Request:
    return Request(name, session.session, RequestKind.PERMISSION, "bash", f"echo {name}", asked_at=1)


def permission(name: str, session: SessionKey = ONE) -> Alert:
    request = asked(name, session)
    body = f"bash: {request.detail}"
    return Alert(session, Reason.PERMISSION, f"request {name}", "project — Work", body, 0, request, answerable=True)


def test_a_button_answers_its_own_request_and_that_of_a_toast_that_was_replaced_nothing(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1"))
            await until(lambda: made.notifications.count == 1)
            ((old, _),) = desktop.notes.items()
            before = buttons(desktop, old)
            made.notifications.show(permission("per_2"))
            await until(lambda: old not in desktop.notes and made.notifications.count == 1)
            await desktop.press(old, before["Allow once"])
            made.now += AWHILE
            ((new, _),) = desktop.notes.items()
            await desktop.press(new, buttons(desktop, new)["Reject"])
            await until(lambda: made.chosen)
            reject = AnswerRequest(RequestKey(ONE.server, "per_2"), Permit(Verdict.REJECT), asked("per_2"))
            assert made.chosen == [reject]
        await desktop.stop()

    run(test())


def buttons(desktop: FakeDesktop, note: int) -> dict[str, str]:
    """Label -> the key that is sent back."""
    return dict(zip(desktop.notes[note][5][1::2], desktop.notes[note][5][::2], strict=True))


def once(name: str, session: SessionKey) -> AnswerRequest:
    return AnswerRequest(RequestKey(session.server, name), Permit(Verdict.ONCE), asked(name, session))


def test_a_hasty_second_click_that_hits_another_toast_answers_nothing_and_says_so(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1", ONE))
            made.notifications.show(permission("per_2", TWO))
            await until(lambda: made.notifications.count == 2)
            first, second = desktop.notes
            made.now += AWHILE
            await desktop.press(first, buttons(desktop, first)["Allow once"])
            await until(lambda: made.chosen)
            made.now += 0.45
            await desktop.press(second, buttons(desktop, second)["Allow once"])
            again = await until(lambda: next((note for note in desktop.notes if note > second), None))
            assert desktop.notes[again][4] == "bash: echo per_2\nNot sent: moved just now. Click again."
            made.now += 1.1
            await desktop.press(again, buttons(desktop, again)["Allow once"])
            await until(lambda: len(made.chosen) == 2)
            assert made.chosen == [once("per_1", ONE), once("per_2", TWO)]
        await desktop.stop()

    run(test())


def test_a_toast_that_comes_under_a_resting_pointer_answers_nothing_but_shows_its_session(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1"))
            await until(lambda: made.notifications.count == 1)
            ((first, _),) = desktop.notes.items()
            made.now += 0.5
            await desktop.press(first, buttons(desktop, first)["Allow once"])
            again = await until(lambda: next((note for note in desktop.notes if note > first), None))
            assert made.chosen == []
            assert desktop.notes[again][4] == "bash: echo per_1\nNot sent: shown just now. Click again."
            await until(lambda: made.notifications.count == 1)
            await desktop.press(again, "default")
            await until(lambda: made.chosen)
            assert made.chosen == [OpenSession(ONE)]
        await desktop.stop()

    run(test())


@pytest.mark.parametrize("how", ["withdrawn", "closed by the person", "of another program"])
def test_whatever_toast_goes_the_others_may_have_moved(bus: PrivateBus, how: str) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1", ONE))
            made.notifications.show(permission("per_2", TWO))
            await until(lambda: made.notifications.count == 2)
            first, second = desktop.notes
            made.now += AWHILE
            if how == "withdrawn":
                made.notifications.withdraw(ONE.session)
                await until(lambda: first not in desktop.notes)
            else:
                await desktop.close(999 if how == "of another program" else first)
            made.now += 0.45
            await desktop.press(second, buttons(desktop, second)["Allow once"])
            await until(lambda: any(note > second for note in desktop.notes))
            assert made.chosen == []
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
            await until(lambda: made.notifications.count == 1)
            (toast,) = notifier.sent
            made.now += AWHILE
            notifier.on_button_pressed("of another program", "0")
            for _ in range(2):
                notifier.on_button_pressed(toast.identifier, toast.buttons[0].identifier)
            assert made.chosen == [once("per_1", ONE)]
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


def test_another_daemon_shows_what_waits_for_an_answer_and_as_well_as_it_can(bus: PrivateBus) -> None:
    """The first one has no default action, the second one has, and clicks on it count."""

    async def test() -> None:
        first = await FakeDesktop(bus.address, name="Xfce Notify Daemon").start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1", ONE))
            made.notifications.show(replace(alert(TWO, "done"), reason=Reason.FINISHED))
            made.notifications.show_text("Copy", "Copied")
            await until(lambda: made.notifications.count == 3)
            assert "default" not in next(iter(first.notes.values()))[5]
            await first.stop()
            second = await FakeDesktop(bus.address).start(panel=False)
            await until(lambda: made.notifications.count == 1)
            assert shown(second) == [("project — Work", "bash: echo per_1")]
            ((note, _),) = second.notes.items()
            await second.press(note, "default")
            await until(lambda: made.chosen)
            assert made.chosen == [OpenSession(ONE)]
            await second.stop()
            third = await FakeDesktop(bus.address).start(panel=False)
            made.notifications.show(alert(TWO, "new"))
            await until(lambda: third.notes)
            assert shown(third) == [("project — Work", "new")]  # what was clicked is not shown once more
            await third.stop()

    run(test())


def test_what_was_asked_before_there_was_a_daemon_is_shown_when_one_comes(bus: PrivateBus) -> None:
    async def test() -> None:
        async with lane() as made:
            made.notifications.show(permission("per_1", ONE))
            made.notifications.show(permission("per_2", TWO))
            await until(lambda: len(made.unshown) == 2)
            made.notifications.withdraw(ONE.session)
            desktop = await FakeDesktop(bus.address).start(panel=False)
            await until(lambda: shown(desktop) == [("project — Work", "bash: echo per_2")])
        await desktop.stop()

    run(test())


def test_a_toast_of_a_daemon_that_went_is_not_withdrawn_from_the_next_where_its_number_is_anothers(
    bus: PrivateBus,
) -> None:
    async def test() -> None:
        first = await FakeDesktop(bus.address).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1", ONE))
            await until(lambda: made.notifications.count == 1)
            await first.stop()
            second = FakeDesktop(bus.address)
            second.notes[1], second.noted = ["of another program"], 1
            await second.start(panel=False)
            made.notifications.withdraw(ONE.session)
            made.notifications.show(permission("per_2", TWO))
            await until(lambda: 2 in second.notes)
            assert second.notes[1] == ["of another program"]
            await second.stop()

    run(test())


@pytest.mark.parametrize(("name", "capabilities"), [("mako", ("body", "actions")), ("plain", ("body",))])
def test_where_there_are_no_buttons_the_toast_says_how_to_answer(
    bus: PrivateBus, name: str, capabilities: tuple[str, ...]
) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address, name=name, capabilities=capabilities).start(panel=False)
        async with lane() as made:
            made.notifications.show(permission("per_1"))
            made.notifications.show(replace(alert(TWO, "done"), reason=Reason.FINISHED))
            await until(lambda: made.notifications.count == 2)
            assert [note[4] for note in desktop.notes.values()] == [
                "bash: echo per_1\nAnswer in the tray menu or with: opencode-tray reply",
                "done",
            ]
        await desktop.stop()

    run(test())
