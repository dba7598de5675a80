"""The debug trace."""

from __future__ import annotations

from tray.core.alerts import Alert, CheckFocus, Notify, Reason, Withdraw
from tray.core.events import (
    ActivityReported,
    RequestAsked,
    ServerConnected,
    ServerForgotten,
    SessionFacts,
    SessionReported,
)
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.sessions import Activity, Request, RequestKind, SessionKey, Status
from tray.core.summary import Summary
from tray.core.trace import change_lines, effect_line, event_line, view_line

SECRET = "rm -rf ~"
SERVER = Server("srv", "work", "here", "/home/dev/work")


def test_each_event_is_traced_with_what_it_changed() -> None:
    fleet = Fleet()
    request = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", SECRET)
    events = [
        ServerConnected(SERVER),
        SessionReported("srv", SessionFacts("ses_1", title=SECRET)),
        ActivityReported("srv", "ses_1", Activity.BUSY),
        RequestAsked("srv", request),
        ServerForgotten("srv"),
    ]
    lines = []
    for event in events:
        lines += [event_line(event), *change_lines(fleet.apply(event, 1_000))]
    assert lines == [
        ">> ServerConnected server=srv",
        "   server srv: connected",
        ">> SessionReported server=srv session=ses_1",
        "   session ses_1: new, idle",
        ">> ActivityReported server=srv session=ses_1",
        "   session ses_1: idle → busy",
        ">> RequestAsked server=srv session=ses_1 request=per_1",
        "   session ses_1: busy → waiting_for_permission",
        ">> ServerForgotten server=srv",
        "   session ses_1: removed",
        "   server srv: removed",
    ]


def test_alerts_and_views_are_traced_without_their_texts() -> None:
    alert = Alert(SessionKey("srv", "ses_1"), Reason.PERMISSION, "per_1", "work", SECRET, 0)
    assert [effect_line(effect) for effect in (Notify(alert), Withdraw("ses_1"), CheckFocus("ses_1"))] == [
        "<< notify ses_1 (permission)",
        "<< withdraw ses_1",
        "<< check focus ses_1",
    ]
    shown = view_line(Summary(Status.BUSY, busy=2), with_menu=False)
    assert shown == '<< view busy "2 working" (icon)'


def test_an_id_cannot_begin_a_line_of_the_log() -> None:
    assert event_line(ServerForgotten("srv\n2026 INFO forged")) == ">> ServerForgotten server=srv 2026 INFO forged"
