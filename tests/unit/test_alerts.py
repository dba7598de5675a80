"""Alerts: one per session; delayed, replaced and withdrawn; none for what the user did, muted or has seen."""

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
from tray.core.messages import Message, Tokens
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Failure, Request, RequestKind, SessionKey, Status

S = SERVER.id


class Timeline:
    """Applies events at given times (ms), and records the alerts.

    `looking` returns whether the user looks at the session's terminal at a time, or None if that is unknown.
    """

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.alerts = Alerts(rules)
        self.silent = False
        self.looking: Callable[[int], bool | None] = lambda _: None
        self.checked: list[int] = []  # times of the focus checks
        self.announced_at: list[int] = []
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
                self.announced_at.append(at)
            elif isinstance(effect, CheckFocus):
                self.checked.append(at)
                looking, silent = self.looking(at), self.silent
                name = effect.session_id
                self._take(self.alerts.focus_reported(name, self.index, at, looking=looking, silent=silent), at)
            else:
                assert isinstance(effect, Withdraw)
                self.live.pop(effect.session_id, None)


def asked(name: str = "p", detail: str = "ls", kind: RequestKind = RequestKind.PERMISSION) -> RequestAsked:
    return RequestAsked(S, Request(name, "a", kind, "bash", detail))


def turn(begin: int, end: int, timeline: Timeline, finish: str = "stop") -> None:
    timeline.at(begin, ActivityReported(S, "a", Activity.BUSY))
    timeline.at(
        end, MessageReported(S, "a", Message(f"msg_{end}", finish=finish)), ActivityReported(S, "a", Activity.IDLE)
    )


def test_a_request_is_announced_after_a_second() -> None:
    timeline = Timeline()
    timeline.at(100, asked())
    timeline.at(1099)
    assert timeline.shown == []
    timeline.at(1100)
    assert [(a.reason, a.title, a.body) for a in timeline.shown] == [(Reason.PERMISSION, "project — Work", "bash: ls")]


@pytest.mark.fault
@pytest.mark.parametrize("looking", [False, True])
def test_a_clock_that_was_set_back_delays_no_notification(*, looking: bool) -> None:
    timeline = Timeline()
    timeline.looking = lambda at: looking and at < 86_400_000 + 2000 and at > 86_400_000
    timeline.at(86_400_000, asked())
    timeline.at(86_400_000 + (1500 if looking else 500))
    assert timeline.shown == []
    timeline.at(5000)
    assert len(timeline.shown) == 1


def test_a_request_that_a_rule_answers_is_never_announced() -> None:
    timeline = Timeline()
    timeline.at(100, asked())
    timeline.at(900, RequestClosed(S, "a", "p"))
    timeline.at(60_000)
    assert timeline.shown == []


def test_an_answer_anywhere_withdraws_the_notification() -> None:
    timeline = Timeline()
    timeline.at(100, asked())
    timeline.at(2000)
    assert "a" in timeline.live
    timeline.at(2500, RequestClosed(S, "a", "p"))
    assert timeline.live == {}


def test_the_second_request_follows_when_the_first_is_answered() -> None:
    timeline = Timeline()
    timeline.at(100, asked("p", "ls"), asked("q", "rm"))
    timeline.at(2000)
    assert timeline.live["a"].body == "bash: ls\n(and 1 more)"
    timeline.at(3000, RequestClosed(S, "a", "p"))
    assert timeline.live["a"].body == "bash: rm"
    assert len(timeline.shown) == 2


def test_the_same_event_is_announced_once() -> None:
    timeline = Timeline()
    timeline.at(100, asked())
    timeline.at(2000, SessionReported(S, SessionFacts("a", title="Renamed")), SnapshotTaken(S))
    timeline.at(9000)
    assert len(timeline.shown) == 1


@pytest.mark.parametrize(("length", "announced"), [(14_999, 0), (15_000, 1)])
def test_only_a_turn_that_was_long_enough_is_announced(length: int, announced: int) -> None:
    timeline = Timeline()
    turn(1000, 1000 + length, timeline)
    timeline.at(1000 + length + 500)
    assert len(timeline.shown) == announced


@pytest.mark.parametrize(("alone", "announced"), [(14_999, 0), (15_000, 1)])
@pytest.mark.parametrize(
    "act",
    [
        RequestClosed(S, "a", "p"),
        RequestClosed(S, "child", "q"),
        MessageReported(S, "a", Message("msg_2", role="user")),  # while the agent writes
    ],
)
def test_a_turn_that_ends_soon_after_the_user_acted_is_not_announced(act: Event, alone: int, announced: int) -> None:
    timeline = Timeline()
    timeline.at(0, SessionReported(S, SessionFacts("child", parent="a")))
    timeline.at(1000, ActivityReported(S, "a", Activity.BUSY), MessageReported(S, "a", Message("msg_1")))
    timeline.at(590_000, asked(), RequestAsked(S, Request("q", "child", RequestKind.PERMISSION, "bash", "ls")))
    other = RequestClosed(S, "a", "p") if act == RequestClosed(S, "child", "q") else RequestClosed(S, "child", "q")
    timeline.at(599_000, other)
    if isinstance(act, MessageReported):
        timeline.at(599_000, RequestClosed(S, "a", "p"))
    timeline.at(600_000, act)
    finished = Message("msg_9", finish="stop")
    timeline.at(600_000 + alone, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    timeline.at(700_000)
    assert [alert.reason for alert in timeline.shown if alert.reason is Reason.FINISHED] == [
        Reason.FINISHED
    ] * announced


@pytest.mark.parametrize(
    "events",
    [
        [(599_500, asked()), (600_000, RequestClosed(S, "a", "p"))],  # a rule answered
        [
            (600_000, SessionReported(S, SessionFacts("child", parent="a"))),
            (600_000, MessageReported(S, "child", Message("msg_2", role="user"))),  # the agent wrote it
        ],
        [(600_000, MessageReported(S, "a", Message("msg_0", role="user")))],  # the first prompt, reported again
        [  # OpenCode wrote it, to have the messages summarized
            (599_000, MessageReported(S, "a", Message("msg_1", finish="tool-calls", completed=599_000))),
            (600_000, MessageReported(S, "a", Message("msg_2", role="user"))),
        ],
    ],
)
def test_only_acts_of_the_user_keep_the_end_of_a_turn_silent(events: list[tuple[int, Event]]) -> None:
    timeline = Timeline()
    timeline.at(1000, ActivityReported(S, "a", Activity.BUSY), MessageReported(S, "a", Message("msg_1")))
    for at, event in events:
        timeline.at(at, event)
    finished = Message("msg_9", finish="stop")
    timeline.at(601_000, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    timeline.at(700_000)
    assert [alert.reason for alert in timeline.shown] == [Reason.FINISHED]


def test_a_fast_answer_from_here_counts_as_the_users() -> None:
    timeline = Timeline()
    timeline.at(1000, ActivityReported(S, "a", Activity.BUSY))
    timeline.at(600_000, asked(), AnswerSent(RequestKey(S, "p")))
    timeline.at(600_200, RequestClosed(S, "a", "p"))
    finished = Message("msg_9", finish="stop")
    timeline.at(602_000, MessageReported(S, "a", finished), ActivityReported(S, "a", Activity.IDLE))
    timeline.at(700_000)
    assert timeline.shown == []


def test_an_error_is_announced_however_soon_it_follows_the_prompt() -> None:
    """The prompt may have been sent from the tray, a script or a phone, so the user may not look at a terminal."""
    timeline = Timeline()
    timeline.at(1000, MessageReported(S, "a", Message("msg_1", role="user")), ActivityReported(S, "a", Activity.BUSY))
    timeline.at(1500, SessionFailed(S, "a", Failure("APIError", "no credit")), ActivityReported(S, "a", Activity.IDLE))
    timeline.at(3000)
    assert [alert.reason for alert in timeline.shown] == [Reason.ERROR]


def test_an_abort_within_the_delay_cancels_the_announcement() -> None:
    timeline = Timeline()
    turn(1, 20_001, timeline)
    timeline.at(20_150, SessionFailed(S, "a", Failure("MessageAbortedError")))
    timeline.at(30_000)
    assert timeline.shown == []


def test_a_turn_cut_short_by_a_rejection_is_not_announced() -> None:
    timeline = Timeline()
    turn(1, 20_001, timeline, finish="tool-calls")
    timeline.at(30_000)
    assert timeline.shown == []


def test_an_error_is_announced_and_withdrawn_when_work_goes_on() -> None:
    timeline = Timeline()
    timeline.at(0, ActivityReported(S, "a", Activity.BUSY), SessionFailed(S, "a", Failure("APIError", "no credit")))
    timeline.at(600, ActivityReported(S, "a", Activity.IDLE))
    assert [(a.reason, a.body) for a in timeline.shown] == [(Reason.ERROR, "no credit")]
    timeline.at(5000, ActivityReported(S, "a", Activity.BUSY))
    assert timeline.live == {}


def test_opening_the_session_withdraws_the_notification() -> None:
    timeline = Timeline()
    turn(1, 20_001, timeline)
    timeline.at(21_000)
    assert "a" in timeline.live
    timeline.at(22_000, SessionSeen(SessionKey(S, "a")))
    assert timeline.live == {}


def test_a_request_of_a_subagent_is_announced_at_the_root_but_not_its_end() -> None:
    timeline = Timeline()
    timeline.at(0, SessionReported(S, SessionFacts("child", parent="a")), ActivityReported(S, "child", Activity.BUSY))
    timeline.at(
        20_000,
        MessageReported(S, "child", Message("msg_1", finish="stop")),
        ActivityReported(S, "child", Activity.IDLE),
    )
    timeline.at(30_000, RequestAsked(S, Request("p", "child", RequestKind.PERMISSION, "bash", "ls")))
    timeline.at(40_000)
    assert [(a.session.session, a.reason) for a in timeline.shown] == [("a", Reason.PERMISSION)]


@pytest.mark.parametrize("late", [True, False])
def test_deleting_a_busy_subagent_ends_no_turn(late: bool) -> None:
    timeline = Timeline()
    timeline.at(1, ActivityReported(S, "a", Activity.BUSY), SessionReported(S, SessionFacts("child", parent="a")))
    timeline.at(1, ActivityReported(S, "child", Activity.BUSY))
    timeline.at(30_000, MessageReported(S, "child", Message("msg_1", finish="stop")), SessionDeleted(S, "child"))
    if late:
        timeline.at(30_010, ActivityReported(S, "child", Activity.IDLE))
    timeline.at(60_000)
    assert timeline.shown == []
    row = timeline.index.row("a")
    assert row is not None
    assert row.status is Status.BUSY
    timeline.at(
        70_000, MessageReported(S, "a", Message("msg_2", finish="stop")), ActivityReported(S, "a", Activity.IDLE)
    )
    timeline.at(80_000)
    assert [(alert.session.session, alert.reason) for alert in timeline.shown] == [("a", Reason.FINISHED)]


def test_a_muted_session_is_announced_after_the_mute_if_it_still_waits() -> None:
    for scope in ("session:a", f"project:{SERVER.directory}"):
        timeline = Timeline()
        timeline.at(0, MuteSet(scope, 10**9), asked())
        timeline.at(60_000)
        assert timeline.shown == []
        timeline.at(60_001, MuteCleared(scope))
        assert len(timeline.shown) == 1


def test_silence_delays_requests_and_drops_other_alerts() -> None:
    timeline = Timeline()
    timeline.silent = True
    turn(1, 20_001, timeline)
    timeline.at(30_000)
    timeline.at(40_000, asked())
    timeline.at(60_000)
    assert timeline.shown == []
    timeline.silent = False
    timeline.at(61_000, SessionReported(S, SessionFacts("a", title="poke")))
    assert [a.reason for a in timeline.shown] == [Reason.PERMISSION]


def test_a_turn_that_ended_long_before_it_was_seen_is_not_announced() -> None:
    timeline = Timeline()
    failed = Message("msg_1", error="APIError", completed=1000)
    digest = Digest(messages=1, cost=0, tokens=Tokens(), last=failed)
    timeline.at(3600_000, SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),)))
    timeline.at(3700_000)
    row = timeline.index.row("a")
    assert row is not None
    assert row.status is Status.ERROR
    assert timeline.shown == []


def test_a_disconnected_server_withdraws_its_notifications() -> None:
    timeline = Timeline()
    timeline.at(0, asked())
    timeline.at(2000)
    timeline.at(3000, ServerLost(S))
    assert timeline.live == {}


def test_reasons_that_are_switched_off_are_silent() -> None:
    timeline = Timeline(AlertRules(reasons=frozenset({Reason.ERROR})))
    timeline.at(0, asked())
    timeline.at(9000)
    assert timeline.shown == []


def test_a_request_with_an_answer_being_sent_is_not_announced() -> None:
    timeline = Timeline()
    sending = Request("p", "a", RequestKind.PERMISSION, "bash", "ls", sending=True)
    timeline.at(0, RequestAsked(S, sending))
    timeline.at(9000)
    assert timeline.shown == []


def test_the_roots_error_is_announced_though_a_subagent_failed_long_before() -> None:
    timeline = Timeline()
    timeline.at(0, SessionReported(S, SessionFacts("c", parent="a")))
    timeline.at(100, ActivityReported(S, "a", Activity.BUSY), ActivityReported(S, "c", Activity.BUSY))
    timeline.at(1000, SessionFailed(S, "c", Failure("APIError")), ActivityReported(S, "c", Activity.IDLE))
    timeline.at(600_000, SessionFailed(S, "a", Failure("APIError")), ActivityReported(S, "a", Activity.IDLE))
    timeline.at(601_000)
    assert [alert.reason for alert in timeline.shown] == [Reason.ERROR]


def test_an_error_with_no_turn_before_it_is_announced_at_any_time() -> None:
    timeline = Timeline()
    turn(1000, 30_000, timeline)
    timeline.at(40_000, SessionSeen(SessionKey(S, "a")))
    timeline.at(7_200_000, SessionFailed(S, "a", Failure("ModelNotFoundError")))
    timeline.at(7_201_000)
    assert timeline.shown[-1].reason is Reason.ERROR


def test_no_notification_outlives_its_request() -> None:
    timeline = Timeline()
    timeline.at(1000, SessionFailed(S, "a", Failure("APIError")))
    timeline.at(100_000, asked())
    timeline.at(102_000)
    assert timeline.live["a"].reason is Reason.PERMISSION
    timeline.at(103_000, RequestClosed(S, "a", "p"))
    timeline.at(110_000)
    assert timeline.live == {}
    delayed = Timeline()
    delayed.at(100, asked("p", "ls"))
    delayed.at(2000)
    delayed.at(2500, asked("q", "rm"))
    delayed.at(2600, RequestClosed(S, "a", "p"))
    assert delayed.live == {}  # the other request is still delayed
    delayed.at(4000)
    assert delayed.live["a"].body == "bash: rm"


def test_a_short_loss_of_the_connection_repeats_no_notification() -> None:
    timeline = Timeline()
    turn(1000, 30_000, timeline)
    timeline.at(31_000)
    assert len(timeline.shown) == 1
    timeline.at(40_000, ServerLost(S))
    assert timeline.live == {}
    facts = SessionFacts("a", title="Work")
    timeline.at(41_000, ServerConnected(SERVER), SnapshotTaken(S, sessions=(facts,), activities={}))
    timeline.at(50_000)
    assert len(timeline.shown) == 1
    timeline.at(60_000, asked())
    timeline.at(62_000, ServerLost(S))
    timeline.at(63_000, ServerConnected(SERVER), SnapshotTaken(S, sessions=(facts,), permissions=(asked().request,)))
    timeline.at(70_000)
    assert [alert.reason for alert in timeline.shown] == [Reason.FINISHED, Reason.PERMISSION, Reason.PERMISSION]


# ---------------------------------------------------------------------- the focus


def always(_: int) -> bool:
    return True


def until_s(seconds: int) -> Callable[[int], bool]:
    """Return a function that reports the focus until this time."""
    return lambda at: at < seconds * 1000


def fails(at: int, timeline: Timeline) -> None:
    timeline.at(at, ActivityReported(S, "a", Activity.BUSY), SessionFailed(S, "a", Failure("APIError", "no credit")))


ASKED, FAILED, FINISHED = "asked", "failed", "finished"
NEWS: dict[str, Callable[[Timeline], None]] = {  # each is due at 101 s
    ASKED: lambda timeline: timeline.at(100_000, asked()),
    FAILED: lambda timeline: fails(100_500, timeline),
    FINISHED: lambda timeline: turn(80_000, 100_500, timeline),
}


@pytest.mark.parametrize("news", NEWS)
@pytest.mark.parametrize(
    ("when_looking", "looking", "announced_at"),
    [
        ("hold", lambda _: False, 101),
        ("hold", lambda _: None, 101),  # the focus is unknown
        ("hold", until_s(104), 104),  # the focus is lost
        ("hold", always, 111),  # after the longest delay
        ("show", always, 101),
        ("never", lambda _: False, 101),
        ("never", lambda _: None, 101),
    ],
)
def test_a_focused_session_is_announced_after_ten_seconds_or_without_focus(
    news: str, when_looking: str, looking: Callable[[int], bool | None], announced_at: int
) -> None:
    timeline = Timeline(AlertRules(when_looking=WhenLooking(when_looking)))
    timeline.looking = looking
    NEWS[news](timeline)
    timeline.at(200_000)
    assert timeline.announced_at == [announced_at * 1000]


@pytest.mark.parametrize(("news", "announced"), [(ASKED, 1), (FAILED, 0), (FINISHED, 0)])
def test_with_never_only_a_request_is_announced_when_the_focus_is_lost(news: str, announced: int) -> None:
    timeline = Timeline(AlertRules(when_looking=WhenLooking.NEVER))
    timeline.looking = until_s(160)
    NEWS[news](timeline)
    timeline.at(159_000)
    assert timeline.shown == []
    timeline.at(180_000)
    assert len(timeline.shown) == announced


@pytest.mark.parametrize("when_looking", [WhenLooking.HOLD, WhenLooking.NEVER])
def test_a_request_answered_while_focused_is_never_announced(when_looking: WhenLooking) -> None:
    timeline = Timeline(AlertRules(when_looking=when_looking))
    timeline.looking = until_s(6)
    timeline.at(0, asked())
    timeline.at(5000, RequestClosed(S, "a", "p"))
    timeline.at(60_000)
    assert (timeline.shown, timeline.checked[-1] < 5000) == ([], True)


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
    timeline = Timeline()
    timeline.looking = always
    turn(1, 20_001, timeline)
    timeline.at(22_000, event)
    timeline.at(60_000)
    assert (timeline.shown, timeline.alerts.next_deadline()) == ([], None)


def test_the_second_request_has_its_own_delay() -> None:
    timeline = Timeline()
    timeline.looking = always
    timeline.at(0, asked("p", "ls"), asked("q", "rm"))
    timeline.at(5000, RequestClosed(S, "a", "p"))
    timeline.at(14_999)
    assert timeline.shown == []
    timeline.at(15_000)
    assert [alert.body for alert in timeline.shown] == ["bash: rm"]


def test_another_request_does_not_delay_the_first() -> None:
    timeline = Timeline()
    timeline.looking = always
    timeline.at(0, asked("p", "ls"))
    timeline.at(8000, asked("q", "rm"))
    timeline.at(11_000)
    assert [alert.body for alert in timeline.shown] == ["bash: ls\n(and 1 more)"]


def test_a_delayed_request_is_announced_when_silence_ends() -> None:
    timeline = Timeline()
    timeline.looking = always
    timeline.at(0, asked())
    timeline.silent = True
    timeline.at(30_000)
    assert timeline.shown == []
    timeline.silent, timeline.looking = False, lambda _: False
    timeline.at(31_000, SessionReported(S, SessionFacts("a", title="poke")))
    assert len(timeline.shown) == 1


def test_the_focus_is_checked_only_while_an_alert_is_delayed() -> None:
    timeline = Timeline()
    timeline.looking = always
    timeline.at(0, ActivityReported(S, "a", Activity.BUSY))
    timeline.at(50_000)
    assert timeline.checked == []
    timeline.at(50_000, asked())
    timeline.at(50_000, *(SessionReported(S, SessionFacts("a", title=f"{number}")) for number in range(50)))
    timeline.at(500_000)
    assert timeline.checked == list(range(51_000, 61_000, 1000))


def test_with_never_the_focus_is_checked_less_often_after_ten_seconds() -> None:
    timeline = Timeline(AlertRules(when_looking=WhenLooking.NEVER))
    timeline.looking = always
    timeline.at(0, asked())
    timeline.at(31_000)
    assert timeline.checked == [*range(1000, 12_000, 1000), 16_000, 21_000, 26_000, 31_000]


def test_a_late_focus_result_is_used_once_for_the_current_alert() -> None:
    timeline = Timeline()
    alerts, index = timeline.alerts, timeline.index
    index.update(timeline.fleet.apply(asked("p", "ls"), 0))
    assert alerts.update(["a"], index, 1000, silent=False) == (CheckFocus("a"),)
    touched = index.update(timeline.fleet.apply(RequestClosed(S, "a", "p"), 1100))
    touched |= index.update(timeline.fleet.apply(asked("q", "rm"), 1100))
    assert alerts.update(touched, index, 1100, silent=False) == ()
    assert alerts.update((), index, 2100, silent=False) == ()
    (effect,) = alerts.focus_reported("a", index, 2300, looking=False, silent=False)
    assert isinstance(effect, Notify)
    assert effect.alert.body == "bash: rm"


def test_a_notification_is_withdrawn_when_the_next_request_is_delayed() -> None:
    timeline = Timeline()
    timeline.at(0, asked("p", "ls"), asked("q", "rm"))
    timeline.at(2000)
    assert timeline.live["a"].body == "bash: ls\n(and 1 more)"
    timeline.looking = always
    timeline.at(3000, RequestClosed(S, "a", "p"))
    assert timeline.live == {}
    timeline.at(13_000)
    assert timeline.live["a"].body == "bash: rm"
