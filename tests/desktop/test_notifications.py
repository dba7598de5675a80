"""The queue of notifications with a fake daemon on a real bus: order, replacement, clicks, and failing daemons."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from desktop_notifier import DesktopNotifier, Notification
from msgspec.structs import replace

from fake_desktop import FakeDesktop, PrivateBus
from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Command, OpenSession
from tray.core.sessions import Request, RequestKind, SessionKey
from tray.surfaces import notification_sender
from tray.surfaces.notification_sender import ATTEMPTS
from tray.surfaces.notifications import Notifications
from tray.surfaces.toasts import NO_BUTTONS_NOTE, Balloon
from tray.system import notification_daemon
from waiting import run, until_async

pytestmark = pytest.mark.desktop

READING_TIME = 5.0  # s after which a click counts as intended
ONE, TWO = SessionKey("server", "ses_1"), SessionKey("server", "ses_2")


def alert(session: SessionKey = ONE, body: str = "bash: ls", title: str = "project — Work") -> Alert:
    return Alert(session, Reason.PERMISSION, f"request {body}", title, body, 0)


class RunningNotifications:
    """Running notifications, and the commands of the clicks on them."""

    def __init__(self, connect: Callable[..., Any]) -> None:
        self.commands: list[Command] = []
        self.problems: list[str] = []
        self.now = 0.0  # s
        self.notifications = Notifications(
            "OpenCode Tray",
            None,
            self.commands.append,
            on_problem=self.problems.append,
            connect=connect,
            clock=lambda: self.now,
        )
        self.task = asyncio.create_task(self.notifications.run())

    async def end(self) -> None:
        self.notifications.end()
        await self.task


@asynccontextmanager
async def running_notifications(connect: Callable[..., Any] = DesktopNotifier) -> AsyncIterator[RunningNotifications]:
    running = RunningNotifications(connect)
    yield running
    await running.end()


def shown(desktop: FakeDesktop) -> list[tuple[str, str]]:
    """Return title without the reason, and body, of each open notification."""
    return [(note[3].removeprefix("Permission · "), note[4]) for note in desktop.notes.values()]


@pytest.mark.parametrize(
    ("capabilities", "body"),
    [
        (("body", "body-markup"), "a &lt;b&gt; &amp; c"),
        (("body", "body-hyperlinks"), "a &lt;b&gt; &amp; c"),
        (("body",), "a <b> & c"),
    ],
)
def test_the_body_is_escaped_for_daemons_that_interpret_markup(
    bus: PrivateBus, capabilities: tuple[str, ...], body: str
) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address, capabilities=capabilities).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert(body="a <b> & c", title="T <i>&"))
            await until_async(lambda: desktop.notes)
            assert shown(desktop) == [("T <i>&", body)]
        await desktop.stop()

    run(test())


def test_each_session_has_one_notification_replaced_and_withdrawn_in_order(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            for number in range(5):
                running.notifications.show(alert(body=f"request {number}"))
            running.notifications.show(alert(TWO, "other"))
            await until_async(lambda: shown(desktop) == [("project — Work", "request 4"), ("project — Work", "other")])
            running.notifications.show(alert(body="request 5"))
            running.notifications.withdraw("ses_2")
            await until_async(lambda: shown(desktop) == [("project — Work", "request 5")])
            running.notifications.show(alert(body="request 6"))
            running.notifications.withdraw("ses_1")
            await until_async(lambda: not desktop.notes)
        await desktop.stop()

    run(test())


def test_a_click_on_one_of_two_notifications_opens_its_session_only(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert(ONE, "one"))
            running.notifications.show(alert(TWO, "two"))
            await until_async(lambda: running.notifications.count == 2)
            _, second = desktop.notes
            await desktop.press(second, "default")
            await until_async(lambda: running.commands)
            assert running.commands == [OpenSession(TWO)]
        await desktop.stop()

    run(test())


def test_each_reason_has_its_icon_urgency_and_timeout(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            for number, reason in enumerate(Reason):
                session = SessionKey("server", f"ses_{number}")
                running.notifications.show(Alert(session, reason, reason.value, "project — Work", "text", 0))
            running.notifications.show_text("Copy", "Copied")
            await until_async(lambda: len(desktop.notes) == 5)
            details = [(note[3], Path(note[2]).name, note[6]["urgency"], note[7]) for note in desktop.notes.values()]
            assert details == [
                ("Permission · project — Work", "permission.png", 2, 0),
                ("Question · project — Work", "question.png", 1, 0),
                ("Failed · project — Work", "error.png", 1, -1),
                ("Finished · project — Work", "finished.png", 1, -1),
                ("Copy", "", 1, -1),
            ]
        await desktop.stop()

    run(test())


def permission_request(name: str, session: SessionKey = ONE) -> Request:
    return Request(name, session.session, RequestKind.PERMISSION, "bash", f"echo {name}", asked_at=1)


def permission_alert(name: str, session: SessionKey = ONE) -> Alert:
    request = permission_request(name, session)
    body = f"bash: {request.detail}"
    return Alert(session, Reason.PERMISSION, f"request {name}", "project — Work", body, 0, request, answerable=True)


def test_a_button_answers_its_request_unless_its_notification_was_replaced(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1"))
            await until_async(lambda: running.notifications.count == 1)
            ((old, _),) = desktop.notes.items()
            before = buttons(desktop, old)
            running.notifications.show(permission_alert("per_2"))
            await until_async(lambda: old not in desktop.notes and running.notifications.count == 1)
            await desktop.press(old, before["Allow once"])
            running.now += READING_TIME
            ((new, _),) = desktop.notes.items()
            await desktop.press(new, buttons(desktop, new)["Reject"])
            await until_async(lambda: running.commands)
            reject = AnswerRequest(RequestKey(ONE.server, "per_2"), Permit(Verdict.REJECT), permission_request("per_2"))
            assert running.commands == [reject]
        await desktop.stop()

    run(test())


def buttons(desktop: FakeDesktop, note: int) -> dict[str, str]:
    """Return the action key of each button by its label."""
    return dict(zip(desktop.notes[note][5][1::2], desktop.notes[note][5][::2], strict=True))


def allow_once(name: str, session: SessionKey) -> AnswerRequest:
    return AnswerRequest(RequestKey(session.server, name), Permit(Verdict.ONCE), permission_request(name, session))


def test_a_quick_second_click_on_another_notification_is_refused_with_a_note(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1", ONE))
            running.notifications.show(permission_alert("per_2", TWO))
            await until_async(lambda: running.notifications.count == 2)
            first, second = desktop.notes
            running.now += READING_TIME
            await desktop.press(first, buttons(desktop, first)["Allow once"])
            await until_async(lambda: running.commands)
            running.now += 0.45
            await desktop.press(second, buttons(desktop, second)["Allow once"])
            again = await until_async(lambda: next((note for note in desktop.notes if note > second), None))
            assert desktop.notes[again][4] == "bash: echo per_2\nNot sent: moved just now. Click again."
            await until_async(lambda: running.notifications.count == 1)  # the daemon has it before its sender knows
            running.now += 1.1
            await desktop.press(again, buttons(desktop, again)["Allow once"])
            await until_async(lambda: len(running.commands) == 2)
            assert running.commands == [allow_once("per_1", ONE), allow_once("per_2", TWO)]
        await desktop.stop()

    run(test())


def test_a_new_notification_ignores_its_buttons_but_opens_its_session(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1"))
            await until_async(lambda: running.notifications.count == 1)
            ((first, _),) = desktop.notes.items()
            running.now += 0.5
            await desktop.press(first, buttons(desktop, first)["Allow once"])
            again = await until_async(lambda: next((note for note in desktop.notes if note > first), None))
            assert running.commands == []
            assert desktop.notes[again][4] == "bash: echo per_1\nNot sent: shown just now. Click again."
            await until_async(lambda: running.notifications.count == 1)
            await desktop.press(again, "default")
            await until_async(lambda: running.commands)
            assert running.commands == [OpenSession(ONE)]
        await desktop.stop()

    run(test())


@pytest.mark.parametrize("how", ["withdrawn", "closed by the user", "of another program"])
def test_after_any_notification_closed_quick_clicks_on_others_are_refused(bus: PrivateBus, how: str) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1", ONE))
            running.notifications.show(permission_alert("per_2", TWO))
            await until_async(lambda: running.notifications.count == 2)
            first, second = desktop.notes
            running.now += READING_TIME
            if how == "withdrawn":
                running.notifications.withdraw(ONE.session)
                await until_async(lambda: first not in desktop.notes)
            else:
                await desktop.close(999 if how == "of another program" else first)
            running.now += 0.45
            await desktop.press(second, buttons(desktop, second)["Allow once"])
            await until_async(lambda: any(note > second for note in desktop.notes))
            assert running.commands == []
        await desktop.stop()

    run(test())


class ForgetfulNotifier:
    """The used part of desktop-notifier on Windows, which keeps only the ID of a notification that it has hidden."""

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


def test_a_button_answers_if_the_desktop_has_already_hidden_the_notification(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        notifier = ForgetfulNotifier()
        async with running_notifications(lambda **_: notifier) as running:
            running.notifications.show(permission_alert("per_1"))
            await until_async(lambda: running.notifications.count == 1)
            (toast,) = notifier.sent
            running.now += READING_TIME
            notifier.on_button_pressed("of another program", "0")
            for _ in range(2):
                notifier.on_button_pressed(toast.identifier, toast.buttons[0].identifier)
            assert running.commands == [allow_once("per_1", ONE)]
        await desktop.stop()

    run(test())


def test_if_notifications_fail_it_is_logged_and_reported_once(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[object] = []

    def refuse(**options: object) -> None:
        calls.append(options)
        raise OSError("Class not registered")

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications(refuse) as running:
            for number in range(3):
                running.notifications.show(alert(body=f"request {number}"))
                await until_async(lambda: len(calls) == ATTEMPTS * (number + 1))  # noqa: B023  # called before the next
        assert running.problems == ["notifications cannot be shown here: Class not registered"]
        assert [record.getMessage() for record in caplog.records] == running.problems
        await desktop.stop()

    run(test())


def test_what_the_platform_refuses_is_shown_beside_the_icon(bus: PrivateBus) -> None:
    shown: list[Balloon | None] = []

    def refuse(**_: object) -> None:
        raise OSError("Class not registered")

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications(refuse) as running:
            notifications = running.notifications
            asking = alert(body="ls")
            notifications.show(replace(asking, request=permission_request("per_1"), answerable=True))
            await until_async(lambda: running.problems)  # there is no icon yet
            notifications.show_balloons_on(shown.append)
            await until_async(lambda: len(shown) == 1)
            assert shown[0] == Balloon(
                "Permission · project — Work", f"ls\n{NO_BUTTONS_NOTE}", OpenSession(asking.session)
            )
            notifications.show_text("Answered", "ls")
            await until_async(lambda: len(shown) == 2)
            notifications.withdraw(asking.session.session)  # not the one that is shown
            notifications.show(replace(asking, session=TWO))
            await until_async(lambda: len(shown) == 3)
            notifications.withdraw(TWO.session)
            await until_async(lambda: len(shown) == 4)
            assert shown[3] is None
        assert running.problems == ["notifications cannot be shown here: Class not registered", ""]
        await desktop.stop()

    run(test())


def test_a_notification_that_is_being_sent_when_the_icon_appears_is_shown_once(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert(body="ls"))
            for _ in range(50):
                running.notifications.show_balloons_on(lambda _: None)
                await asyncio.sleep(0.001)
            await until_async(lambda: desktop.notes)
            assert desktop.noted == 1
        await desktop.stop()

    run(test())


def test_all_notifications_are_withdrawn_at_exit(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert())
            await until_async(lambda: desktop.notes)
        await until_async(lambda: not desktop.notes)
        await desktop.stop()

    run(test())


def test_a_notification_being_sent_at_exit_is_withdrawn(bus: PrivateBus) -> None:
    """The daemon shows a notification before it replies; exiting in between must not leave it on the screen."""

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            desktop.on_note = running.notifications.end
            running.notifications.show(alert())
            await running.task
        assert desktop.noted == 1
        assert not desktop.notes
        await desktop.stop()

    run(test())


def test_a_missing_daemon_is_logged_once_and_later_alerts_are_shown(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with running_notifications() as running:
            for number in range(3):
                running.notifications.show(alert(body=f"lost {number}"))
                await until_async(lambda: "no notification daemon" in caplog.text)
            desktop = await FakeDesktop(bus.address).start(panel=False)
            running.notifications.show(alert(body="here"))
            await until_async(lambda: shown(desktop) == [("project — Work", "here")])
            assert caplog.text.count("no notification daemon") == 1
            await desktop.stop()

    run(test())


@pytest.mark.fault
def test_an_unresponsive_daemon_does_not_block_later_notifications(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_daemon, "PROBE_TIMEOUT", 0.2)
    monkeypatch.setattr(notification_sender, "SEND_TIMEOUT", 0.2)

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert(body="before"))
            await until_async(lambda: desktop.notes)
            desktop.unresponsive = True
            running.notifications.show(alert(body="while unresponsive"))
            running.notifications.show(alert(TWO, "another while unresponsive"))
            await until_async(lambda: desktop.unanswered >= 2)
            desktop.unresponsive = False
            running.notifications.show(alert(TWO, "after"))
            await until_async(lambda: ("project — Work", "after") in shown(desktop))
        await desktop.stop()

    run(test())


@pytest.mark.fault
@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_a_notification_that_a_daemon_shows_late_is_the_only_one_and_withdrawn_with_its_request(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch, *, is_withdrawn: bool
) -> None:
    """The daemon is stopped between what it was asked before and the notification itself."""
    monkeypatch.setattr(notification_sender, "SEND_TIMEOUT", 0.2)

    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            desktop.answers_late = True
            running.notifications.show(permission_alert("per_1", ONE))
            await until_async(lambda: desktop.notes)
            desktop.answers_late = False
            running.notifications.show(alert(TWO, "other"))
            await until_async(lambda: len(desktop.notes) == 2)  # the first one was given up
            assert len(shown(desktop)) == 2
            if is_withdrawn:
                running.notifications.withdraw(ONE.session)
                running.notifications.show(alert(TWO, "third"))
                await until_async(lambda: ("project — Work", "third") in shown(desktop))
            desktop.answer_notes()
            if not is_withdrawn:
                await until_async(lambda: running.notifications.count == 2)
                running.notifications.withdraw(ONE.session)
            await until_async(lambda: all("per_1" not in body for _, body in shown(desktop)))
            assert len(desktop.notes) == running.notifications.count == 1
        await desktop.stop()

    run(test())


@pytest.mark.fault
def test_after_a_bus_restart_the_next_notification_is_shown(bus: PrivateBus) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(alert(body="before"))
            await until_async(lambda: desktop.notes)
            bus.stop()
            with suppress(EOFError, OSError):
                await desktop.bus.wait_for_disconnect()
            running.notifications.show(alert(body="lost"))
            bus.start()
            again = await FakeDesktop(bus.address).start(panel=False)
            running.notifications.show(alert(body="after"))
            await until_async(lambda: shown(again) == [("project — Work", "after")])
            await again.stop()

    run(test())


@pytest.mark.fault
def test_a_replacing_daemon_shows_pending_requests_with_its_own_capabilities(bus: PrivateBus) -> None:
    """The first daemon has no default action; the second one has one, and clicks on it count."""

    async def test() -> None:
        first = await FakeDesktop(bus.address, name="Xfce Notify Daemon").start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1", ONE))
            running.notifications.show(replace(alert(TWO, "done"), reason=Reason.FINISHED))
            running.notifications.show_text("Copy", "Copied")
            await until_async(lambda: running.notifications.count == 3)
            assert "default" not in next(iter(first.notes.values()))[5]
            await first.stop()
            second = await FakeDesktop(bus.address).start(panel=False)
            await until_async(lambda: running.notifications.count == 1)
            assert shown(second) == [("project — Work", "bash: echo per_1")]
            ((note, _),) = second.notes.items()
            await second.press(note, "default")
            await until_async(lambda: running.commands)
            assert running.commands == [OpenSession(ONE)]
            await second.stop()
            third = await FakeDesktop(bus.address).start(panel=False)
            running.notifications.show(alert(TWO, "new"))
            await until_async(lambda: third.notes)
            assert shown(third) == [("project — Work", "new")]  # the clicked notification is not shown again
            await third.stop()

    run(test())


def test_pending_requests_are_shown_once_a_daemon_starts(bus: PrivateBus, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1", ONE))
            running.notifications.show(permission_alert("per_2", TWO))
            await until_async(lambda: "no notification daemon" in caplog.text)
            running.notifications.withdraw(ONE.session)
            desktop = await FakeDesktop(bus.address).start(panel=False)
            await until_async(lambda: shown(desktop) == [("project — Work", "bash: echo per_2")])
            await until_async(lambda: running.problems == [""])
        await desktop.stop()

    run(test())


def test_an_id_of_an_ended_daemon_is_not_withdrawn_from_its_successor(
    bus: PrivateBus,
) -> None:
    async def test() -> None:
        first = await FakeDesktop(bus.address).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1", ONE))
            await until_async(lambda: running.notifications.count == 1)
            await first.stop()
            second = FakeDesktop(bus.address)
            second.notes[1], second.noted = ["of another program"], 1
            await second.start(panel=False)
            running.notifications.withdraw(ONE.session)
            running.notifications.show(permission_alert("per_2", TWO))
            await until_async(lambda: 2 in second.notes)
            assert second.notes[1] == ["of another program"]
            await second.stop()

    run(test())


@pytest.mark.parametrize(("name", "capabilities"), [("mako", ("body", "actions")), ("plain", ("body",))])
def test_without_buttons_a_notification_shows_how_to_answer(
    bus: PrivateBus, name: str, capabilities: tuple[str, ...]
) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address, name=name, capabilities=capabilities).start(panel=False)
        async with running_notifications() as running:
            running.notifications.show(permission_alert("per_1"))
            running.notifications.show(replace(alert(TWO, "done"), reason=Reason.FINISHED))
            await until_async(lambda: running.notifications.count == 2)
            assert [note[4] for note in desktop.notes.values()] == [
                "bash: echo per_1\nAnswer in the tray menu or with: opencode-tray reply",
                "done",
            ]
        await desktop.stop()

    run(test())
