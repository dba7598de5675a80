"""Notifications: one a session, held, replaced, withdrawn; never for what the person did, muted, or knows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from replay import SERVER
from tray.core.alerts import (
    Alert,
    AlertRules,
    Alerts,
    CheckFocus,
    Effect,
    Notify,
    Reason,
    WhenLooking,
    Withdraw,
)
from tray.core.answers import RequestKey
from tray.core.events import (
    ActivityReported,
    AnswerSent,
    Digest,
    Event,
    MessageReported,
    MuteCleared,
    MuteSet,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerLost,
    SessionDeleted,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.model import Activity, Failure, Message, Request, RequestKind, SessionKey, Status, Tokens
from tray.core.session_index import SessionIndex

S = SERVER.id


class Desk:
    """A person's desk: facts come in at times, and what is announced is written down.

    `looking` says whether the person looks at the session's terminal at a time; None: nobody knows.
    """

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.alerts = Alerts(rules)
        self.silent = False
        self.looking: Callable[[int], bool | None] = lambda _: None
        self.asked: list[int] = []  # when the focus was asked for
        self.told_at: list[int] = []
        self.live: dict[str, Alert] = {}
        self.shown: list[Alert] = []
        for event in (ServerConnected(SERVER), SnapshotTaken(S), SessionReported(S, SessionFacts("a", title="Work"))):
            self.at(0, event)

    def at(self, at: int, *events: Event) -> None:
        while (due := self.alerts.next_deadline()) is not None and due < at:
            self._take(self.alerts.update((), self.index, due, silent=self.silent), due)
        for event in events:
            touched = self.index.update(self.fleet.apply(event, at))
            self._take(self.alerts.update(touched, self.index, at, silent=self.silent), at)
        self._take(self.alerts.update((), self.index, at, silent=self.silent), at)

    def _take(self, effects: tuple[Effect, ...], at: int) -> None:
        for effect in effects:
            if isinstance(effect, Notify):
                self.live[effect.alert.session.session] = effect.alert
                self.shown.append(effect.alert)
                self.told_at.append(at)
            elif isinstance(effect, CheckFocus):
                self.asked.append(at)
                looking, silent = self.looking(at), self.silent
                name = effect.session_id
                self._take(self.alerts.focus_reported(name, self.index, at, looking=looking, silent=silent), at)
            else:
                assert isinstance(effect, Withdraw)
                self.live.pop(effect.session_id, None)


def ask(name: str = "p", detail: str = "ls", kind: RequestKind = RequestKind.PERMISSION) -> RequestAsked:
    return RequestAsked(S, Request(name, "a", kind, "bash", detail))


def turn(begin: int, end: int, desk: Desk, finish: str = "stop") -> None:
    desk.at(begin, ActivityReported(S, "a", Activity.BUSY))
    desk.at(end, MessageReported(S, "a", Message(f"msg_{end}", finish=finish)), ActivityReported(S, "a", Activity.IDLE))


def test_a_request_is_announced_after_a_second() -> None:
    desk = Desk()
    desk.at(100, ask())
    desk.at(1099)
    assert desk.shown == []
    desk.at(1100)
    assert [(a.reason, a.title, a.body) for a in desk.shown] == [(Reason.PERMISSION, "project — Work", "bash: ls")]


def test_a_request_that_a_rule_answers_is_never_announced() -> None:
    desk = Desk()
    desk.at(100, ask())
    desk.at(900, RequestClosed(S, "a", "p"))
    desk.at(60_000)
    assert desk.shown == []


def test_an_answer_anywhere_withdraws_the_notification() -> None:
    desk = Desk()
    desk.at(100, ask())
    desk.at(2000)
    assert "a" in desk.live
    desk.at(2500, RequestClosed(S, "a", "p"))
    assert desk.live == {}


def test_the_second_request_follows_when_the_first_is_answered() -> None:
    desk = Desk()
    desk.at(100, ask("p", "ls"), ask("q", "rm"))
    desk.at(2000)
    assert desk.live["a"].body == "bash: ls\n(and 1 more)"
    desk.at(3000, RequestClosed(S, "a", "p"))
    assert desk.live["a"].body == "bash: rm"
    assert len(desk.shown) == 2


def test_the_same_event_is_announced_once() -> None:
    desk = Desk()
    desk.at(100, ask())
    desk.at(2000, SessionReported(S, SessionFacts("a", title="Renamed")), SnapshotTaken(S))
    desk.at(9000)
    assert len(desk.shown) == 1


@pytest.mark.parametrize(("length", "told"), [(14_999, 0), (15_000, 1)])
def test_only_a_turn_that_was_long_enough_is_announced(length: int, told: int) -> None:
    desk = Desk()
    turn(1000, 1000 + length, desk)
    desk.at(1000 + length + 500)
    assert len(desk.shown) == told


@pytest.mark.parametrize(("alone", "told"), [(14_999, 0), (15_000, 1)])
@pytest.mark.parametrize(
    "act",
    [
        RequestClosed(S, "a", "p"),
        RequestClosed(S, "child", "q"),
        MessageReported(S, "a", Message("msg_2", role="user")),  # while the agent writes
    ],
)
def test_a_turn_that_ends_soon_after_the_user_acted_is_not_announced(act: Event, alone: int, told: int) -> None:
    desk = Desk()
    desk.at(0, SessionReported(S, SessionFacts("child", parent="a")))
    desk.at(1000, ActivityReported(S, "a", Activity.BUSY), MessageReported(S, "a", Message("msg_1")))
    desk.at(590_000, ask(), RequestAsked(S, Request("q", "child", RequestKind.PERMISSION, "bash", "ls")))
    other = RequestClosed(S, "a", "p") if act == RequestClosed(S, "child", "q") else RequestClosed(S, "child", "q")
    desk.at(599_000, other)
    if isinstance(act, MessageReported):
        desk.at(599_000, RequestClosed(S, "a", "p"))
    desk.at(600_000, act)
    finished = Message("msg_9", finish="stop")
    desk.at(600_000 + alone, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    desk.at(700_000)
    assert [alert.reason for alert in desk.shown if alert.reason is Reason.FINISHED] == [Reason.FINISHED] * told


@pytest.mark.parametrize(
    "events",
    [
        [(599_500, ask()), (600_000, RequestClosed(S, "a", "p"))],  # a rule answered
        [
            (600_000, SessionReported(S, SessionFacts("child", parent="a"))),
            (600_000, MessageReported(S, "child", Message("msg_2", role="user"))),  # the agent wrote it
        ],
        [(600_000, MessageReported(S, "a", Message("msg_0", role="user")))],  # what began the turn is told again
        [  # OpenCode wrote it, to have the messages summed up
            (599_000, MessageReported(S, "a", Message("msg_1", finish="tool-calls", completed=599_000))),
            (600_000, MessageReported(S, "a", Message("msg_2", role="user"))),
        ],
    ],
)
def test_only_acts_of_the_user_keep_the_end_of_a_turn_silent(events: list[tuple[int, Event]]) -> None:
    desk = Desk()
    desk.at(1000, ActivityReported(S, "a", Activity.BUSY), MessageReported(S, "a", Message("msg_1")))
    for at, event in events:
        desk.at(at, event)
    finished = Message("msg_9", finish="stop")
    desk.at(601_000, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    desk.at(700_000)
    assert [alert.reason for alert in desk.shown] == [Reason.FINISHED]


def test_a_fast_answer_from_here_counts_as_the_users() -> None:
    desk = Desk()
    desk.at(1000, ActivityReported(S, "a", Activity.BUSY))
    desk.at(600_000, ask(), AnswerSent(RequestKey(S, "p")))
    desk.at(600_200, RequestClosed(S, "a", "p"))
    finished = Message("msg_9", finish="stop")
    desk.at(602_000, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    desk.at(700_000)
    assert desk.shown == []


def test_an_error_is_announced_however_soon_it_follows_the_prompt() -> None:
    """Whoever prompted may have done so from the tray, a script or a phone, and looks at no terminal."""
    desk = Desk()
    desk.at(1000, MessageReported(S, "a", Message("msg_1", role="user")), ActivityReported(S, "a", Activity.BUSY))
    desk.at(1500, SessionFailed(S, "a", Failure("APIError", "no credit")), ActivityReported(S, "a", Activity.IDLE))
    desk.at(3000)
    assert [alert.reason for alert in desk.shown] == [Reason.ERROR]


def test_an_abort_within_the_delay_cancels_the_announcement() -> None:
    desk = Desk()
    turn(1, 20_001, desk)
    desk.at(20_150, SessionFailed(S, "a", Failure("MessageAbortedError")))
    desk.at(30_000)
    assert desk.shown == []


def test_a_turn_cut_short_by_a_rejection_is_not_announced() -> None:
    desk = Desk()
    turn(1, 20_001, desk, finish="tool-calls")
    desk.at(30_000)
    assert desk.shown == []


def test_an_error_is_announced_and_withdrawn_when_work_goes_on() -> None:
    desk = Desk()
    desk.at(0, ActivityReported(S, "a", Activity.BUSY), SessionFailed(S, "a", Failure("APIError", "no credit")))
    desk.at(600, ActivityReported(S, "a", Activity.IDLE))
    assert [(a.reason, a.body) for a in desk.shown] == [(Reason.ERROR, "no credit")]
    desk.at(5000, ActivityReported(S, "a", Activity.BUSY))
    assert desk.live == {}


def test_opening_the_session_withdraws_the_notification() -> None:
    desk = Desk()
    turn(1, 20_001, desk)
    desk.at(21_000)
    assert "a" in desk.live
    desk.at(22_000, SessionSeen(SessionKey(S, "a")))
    assert desk.live == {}


def test_a_request_of_a_subagent_is_announced_at_the_root_but_not_its_end() -> None:
    desk = Desk()
    desk.at(0, SessionReported(S, SessionFacts("child", parent="a")), ActivityReported(S, "child", Activity.BUSY))
    desk.at(
        20_000,
        MessageReported(S, "child", Message("msg_1", finish="stop")),
        ActivityReported(S, "child", Activity.IDLE),
    )
    desk.at(30_000, RequestAsked(S, Request("p", "child", RequestKind.PERMISSION, "bash", "ls")))
    desk.at(40_000)
    assert [(a.session.session, a.reason) for a in desk.shown] == [("a", Reason.PERMISSION)]


@pytest.mark.parametrize("late", [True, False])
def test_deleting_a_busy_subagent_ends_no_turn(late: bool) -> None:
    desk = Desk()
    desk.at(1, ActivityReported(S, "a", Activity.BUSY), SessionReported(S, SessionFacts("child", parent="a")))
    desk.at(1, ActivityReported(S, "child", Activity.BUSY))
    desk.at(30_000, MessageReported(S, "child", Message("msg_1", finish="stop")), SessionDeleted(S, "child"))
    if late:
        desk.at(30_010, ActivityReported(S, "child", Activity.IDLE))
    desk.at(60_000)
    assert desk.shown == []
    row = desk.index.row("a")
    assert row is not None
    assert row.status is Status.BUSY
    desk.at(70_000, MessageReported(S, "a", Message("msg_2", finish="stop")), ActivityReported(S, "a", Activity.IDLE))
    desk.at(80_000)
    assert [(alert.session.session, alert.reason) for alert in desk.shown] == [("a", Reason.FINISHED)]


def test_a_muted_session_is_announced_after_the_mute_if_it_still_waits() -> None:
    for scope in ("session:a", f"project:{SERVER.directory}"):
        desk = Desk()
        desk.at(0, MuteSet(scope, 10**9), ask())
        desk.at(60_000)
        assert desk.shown == []
        desk.at(60_001, MuteCleared(scope))
        assert len(desk.shown) == 1


def test_silence_delays_requests_and_drops_other_alerts() -> None:
    desk = Desk()
    desk.silent = True
    turn(1, 20_001, desk)
    desk.at(30_000)
    desk.at(40_000, ask())
    desk.at(60_000)
    assert desk.shown == []
    desk.silent = False
    desk.at(61_000, SessionReported(S, SessionFacts("a", title="poke")))
    assert [a.reason for a in desk.shown] == [Reason.PERMISSION]


def test_a_turn_that_ended_long_before_it_was_seen_is_not_announced() -> None:
    desk = Desk()
    failed = Message("msg_1", error="APIError", completed=1000)
    digest = Digest(messages=1, cost=0, tokens=Tokens(), last=failed)
    desk.at(3600_000, SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),)))
    desk.at(3700_000)
    row = desk.index.row("a")
    assert row is not None
    assert row.status is Status.ERROR
    assert desk.shown == []


def test_a_disconnected_server_withdraws_its_notifications() -> None:
    desk = Desk()
    desk.at(0, ask())
    desk.at(2000)
    desk.at(3000, ServerLost(S))
    assert desk.live == {}


def test_reasons_that_are_switched_off_are_silent() -> None:
    desk = Desk(AlertRules(reasons=frozenset({Reason.ERROR})))
    desk.at(0, ask())
    desk.at(9000)
    assert desk.shown == []


def test_a_request_with_an_answer_being_sent_is_not_announced() -> None:
    desk = Desk()
    sending = Request("p", "a", RequestKind.PERMISSION, "bash", "ls", sending=True)
    desk.at(0, RequestAsked(S, sending))
    desk.at(9000)
    assert desk.shown == []


def test_the_roots_error_is_announced_though_a_subagent_failed_long_before() -> None:
    desk = Desk()
    desk.at(0, SessionReported(S, SessionFacts("c", parent="a")))
    desk.at(100, ActivityReported(S, "a", Activity.BUSY), ActivityReported(S, "c", Activity.BUSY))
    desk.at(1000, SessionFailed(S, "c", Failure("APIError")), ActivityReported(S, "c", Activity.IDLE))
    desk.at(600_000, SessionFailed(S, "a", Failure("APIError")), ActivityReported(S, "a", Activity.IDLE))
    desk.at(601_000)
    assert [alert.reason for alert in desk.shown] == [Reason.ERROR]


def test_an_error_with_no_turn_before_it_is_announced_at_any_time() -> None:
    desk = Desk()
    turn(1000, 30_000, desk)
    desk.at(40_000, SessionSeen(SessionKey(S, "a")))
    desk.at(7_200_000, SessionFailed(S, "a", Failure("ModelNotFoundError")))
    desk.at(7_201_000)
    assert desk.shown[-1].reason is Reason.ERROR


def test_no_notification_outlives_its_request() -> None:
    desk = Desk()
    desk.at(1000, SessionFailed(S, "a", Failure("APIError")))
    desk.at(100_000, ask())
    desk.at(102_000)
    assert desk.live["a"].reason is Reason.PERMISSION
    desk.at(103_000, RequestClosed(S, "a", "p"))
    desk.at(110_000)
    assert desk.live == {}
    held = Desk()
    held.at(100, ask("p", "ls"))
    held.at(2000)
    held.at(2500, ask("q", "rm"))
    held.at(2600, RequestClosed(S, "a", "p"))
    assert held.live == {}  # the other one is still held
    held.at(4000)
    assert held.live["a"].body == "bash: rm"


def test_a_short_loss_of_the_connection_repeats_no_notification() -> None:
    desk = Desk()
    turn(1000, 30_000, desk)
    desk.at(31_000)
    assert len(desk.shown) == 1
    desk.at(40_000, ServerLost(S))
    assert desk.live == {}
    told = SessionFacts("a", title="Work")
    desk.at(41_000, ServerConnected(SERVER), SnapshotTaken(S, sessions=(told,), activities={}))
    desk.at(50_000)
    assert len(desk.shown) == 1
    desk.at(60_000, ask())
    desk.at(62_000, ServerLost(S))
    desk.at(63_000, ServerConnected(SERVER), SnapshotTaken(S, sessions=(told,), permissions=(ask().request,)))
    desk.at(70_000)
    assert [alert.reason for alert in desk.shown] == [Reason.FINISHED, Reason.PERMISSION, Reason.PERMISSION]


# ---------------------------------------------------------------------- what the person looks at


def always(_: int) -> bool:
    return True


def until_s(seconds: int) -> Callable[[int], bool]:
    """Looks at the terminal until then."""
    return lambda at: at < seconds * 1000


def fails(at: int, desk: Desk) -> None:
    desk.at(at, ActivityReported(S, "a", Activity.BUSY), SessionFailed(S, "a", Failure("APIError", "no credit")))


ASKED, FAILED, FINISHED = "asked", "failed", "finished"
NEWS: dict[str, Callable[[Desk], None]] = {  # each is due at 101 s
    ASKED: lambda desk: desk.at(100_000, ask()),
    FAILED: lambda desk: fails(100_500, desk),
    FINISHED: lambda desk: turn(80_000, 100_500, desk),
}


@pytest.mark.parametrize("news", NEWS)
@pytest.mark.parametrize(
    ("when_looking", "looking", "told_at"),
    [
        ("hold", lambda _: False, 101),
        ("hold", lambda _: None, 101),  # nobody knows where they look
        ("hold", until_s(104), 104),  # they look away
        ("hold", always, 111),  # and nothing came of it for ten seconds
        ("show", always, 101),
        ("never", lambda _: False, 101),
        ("never", lambda _: None, 101),
    ],
)
def test_a_focused_session_is_announced_after_ten_seconds_or_without_focus(
    news: str, when_looking: str, looking: Callable[[int], bool | None], told_at: int
) -> None:
    desk = Desk(AlertRules(when_looking=WhenLooking(when_looking)))
    desk.looking = looking
    NEWS[news](desk)
    desk.at(200_000)
    assert desk.told_at == [told_at * 1000]


@pytest.mark.parametrize(("news", "told"), [(ASKED, 1), (FAILED, 0), (FINISHED, 0)])
def test_with_never_only_a_request_is_announced_when_the_focus_is_lost(news: str, told: int) -> None:
    desk = Desk(AlertRules(when_looking=WhenLooking.NEVER))
    desk.looking = until_s(160)
    NEWS[news](desk)
    desk.at(159_000)
    assert desk.shown == []
    desk.at(180_000)
    assert len(desk.shown) == told


@pytest.mark.parametrize("when_looking", [WhenLooking.HOLD, WhenLooking.NEVER])
def test_a_request_answered_while_focused_is_never_announced(when_looking: WhenLooking) -> None:
    desk = Desk(AlertRules(when_looking=when_looking))
    desk.looking = until_s(6)
    desk.at(0, ask())
    desk.at(5000, RequestClosed(S, "a", "p"))
    desk.at(60_000)
    assert (desk.shown, desk.asked[-1] < 5000) == ([], True)


@pytest.mark.parametrize(
    "event",
    [
        SessionSeen(SessionKey(S, "a")),
        MuteSet("session:a", 10**9),
        ActivityReported(S, "a", Activity.BUSY),
        ServerLost(S),
    ],
)
def test_an_outdated_alert_is_not_announced_after_the_delay(event: Event) -> None:
    desk = Desk()
    desk.looking = always
    turn(1, 20_001, desk)
    desk.at(22_000, event)
    desk.at(60_000)
    assert (desk.shown, desk.alerts.next_deadline()) == ([], None)


def test_the_second_request_has_its_own_delay() -> None:
    desk = Desk()
    desk.looking = always
    desk.at(0, ask("p", "ls"), ask("q", "rm"))
    desk.at(5000, RequestClosed(S, "a", "p"))
    desk.at(14_999)
    assert desk.shown == []
    desk.at(15_000)
    assert [alert.body for alert in desk.shown] == ["bash: rm"]


def test_another_request_does_not_delay_the_first() -> None:
    desk = Desk()
    desk.looking = always
    desk.at(0, ask("p", "ls"))
    desk.at(8000, ask("q", "rm"))
    desk.at(11_000)
    assert [alert.body for alert in desk.shown] == ["bash: ls\n(and 1 more)"]


def test_a_delayed_request_is_announced_when_silence_ends() -> None:
    desk = Desk()
    desk.looking = always
    desk.at(0, ask())
    desk.silent = True
    desk.at(30_000)
    assert desk.shown == []
    desk.silent, desk.looking = False, lambda _: False
    desk.at(31_000, SessionReported(S, SessionFacts("a", title="poke")))
    assert len(desk.shown) == 1


def test_the_focus_is_checked_only_while_an_alert_is_delayed() -> None:
    desk = Desk()
    desk.looking = always
    desk.at(0, ActivityReported(S, "a", Activity.BUSY))
    desk.at(50_000)
    assert desk.asked == []
    desk.at(50_000, ask())
    desk.at(50_000, *(SessionReported(S, SessionFacts("a", title=f"{number}")) for number in range(50)))
    desk.at(500_000)
    assert desk.asked == list(range(51_000, 61_000, 1000))


def test_with_never_the_focus_is_checked_less_often_after_ten_seconds() -> None:
    desk = Desk(AlertRules(when_looking=WhenLooking.NEVER))
    desk.looking = always
    desk.at(0, ask())
    desk.at(31_000)
    assert desk.asked == [*range(1000, 12_000, 1000), 16_000, 21_000, 26_000, 31_000]


def test_a_late_focus_result_is_used_once_for_the_current_alert() -> None:
    desk = Desk()
    alerts, index = desk.alerts, desk.index
    index.update(desk.fleet.apply(ask("p", "ls"), 0))
    assert alerts.update(["a"], index, 1000, silent=False) == (CheckFocus("a"),)
    touched = index.update(desk.fleet.apply(RequestClosed(S, "a", "p"), 1100))
    touched |= index.update(desk.fleet.apply(ask("q", "rm"), 1100))
    assert alerts.update(touched, index, 1100, silent=False) == ()
    assert alerts.update((), index, 2100, silent=False) == ()
    (told,) = alerts.focus_reported("a", index, 2300, looking=False, silent=False)
    assert isinstance(told, Notify)
    assert told.alert.body == "bash: rm"


def test_a_notification_is_withdrawn_when_the_next_request_is_delayed() -> None:
    desk = Desk()
    desk.at(0, ask("p", "ls"), ask("q", "rm"))
    desk.at(2000)
    assert desk.live["a"].body == "bash: ls\n(and 1 more)"
    desk.looking = always
    desk.at(3000, RequestClosed(S, "a", "p"))
    assert desk.live == {}
    desk.at(13_000)
    assert desk.live["a"].body == "bash: rm"
