"""The model: in any order of events only pending requests are shown, and a snapshot replaces the state."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from event_strategies import event_sequences, requests
from replay import SERVER
from tray.core.events import (
    ActivityReported,
    Digest,
    Event,
    InstanceDisposed,
    MessageReported,
    MuteCleared,
    MuteSet,
    RequestAsked,
    RequestClosed,
    Restored,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SessionChanged,
    SessionDeleted,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
    TimePassed,
)
from tray.core.fleet import (
    MAX_UNPROVEN_DISCONNECTED,
    REMOVED_AFTER_GOODBYE,
    REMOVED_AFTER_LOSS,
    REMOVED_IF_UNPROVEN,
    Fleet,
)
from tray.core.fleet_state import ACTIVITY_PRECISION, MAX_SESSIONS, MAX_UNPROVEN_SESSIONS, ROOM
from tray.core.messages import Message, Tokens
from tray.core.servers import AgentKind, Server
from tray.core.session_index import SessionIndex
from tray.core.sessions import (
    Activity,
    Failure,
    Request,
    RequestKind,
    Retry,
    Session,
    SessionKey,
    Status,
    session_scope,
)
from tray.core.summary import next_waiting, summarize

S = SERVER.id


def fleet_with(*events: Event, at: int = 1000) -> tuple[Fleet, SessionIndex]:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
        index.update(fleet.apply(event, at))
    return fleet, index


def session(name: str, parent: str | None = None, **facts: object) -> SessionReported:
    return SessionReported(S, SessionFacts(name, parent=parent, **facts))  # type: ignore[arg-type]


def permission(name: str, of: str, at: int = 0) -> Request:
    return Request(name, of, RequestKind.PERMISSION, "bash", "ls", asked_at=at)


def question(name: str, of: str) -> Request:
    return Request(name, of, RequestKind.QUESTION, "Colour", "Which colour?")


def status_of(index: SessionIndex, name: str) -> Status:
    row = index.row(name)
    assert row is not None
    return row.status


BUSY, IDLE = Activity.BUSY, Activity.IDLE
DONE = Message("msg_1", finish="stop")


def test_a_finished_turn_is_completed_until_it_is_seen() -> None:
    fleet, index = fleet_with(
        session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE), ActivityReported(S, "a", IDLE)
    )
    assert status_of(index, "a") is Status.COMPLETED
    index.update(fleet.apply(SessionSeen(SessionKey(S, "a")), 2000))
    assert status_of(index, "a") is Status.IDLE


@pytest.mark.fault
def test_a_turn_whose_last_message_ends_after_its_idle_is_completed_once() -> None:
    begun = (session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", Message("msg_1")))
    fleet, index = fleet_with(*begun, ActivityReported(S, "a", IDLE), MessageReported(S, "a", DONE))
    assert status_of(index, "a") is Status.COMPLETED
    index.update(fleet.apply(SessionSeen(SessionKey(S, "a")), 2000))
    index.update(fleet.apply(MessageReported(S, "a", DONE), 3000))
    assert status_of(index, "a") is Status.IDLE


def test_a_completed_turn_is_idle_after_an_hour() -> None:
    fleet, index = fleet_with(
        session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE), ActivityReported(S, "a", IDLE)
    )
    index.update(fleet.apply(TimePassed(), 1000 + 3600_000 - 1))
    assert status_of(index, "a") is Status.COMPLETED
    index.update(fleet.apply(TimePassed(), 1000 + 3600_000))
    assert status_of(index, "a") is Status.IDLE


def test_an_error_stays_through_idle_until_the_next_busy() -> None:
    fleet, index = fleet_with(
        session("a"),
        ActivityReported(S, "a", BUSY),
        SessionFailed(S, "a", Failure("APIError", "no")),
        ActivityReported(S, "a", IDLE),
        ActivityReported(S, "a", IDLE),
    )
    assert status_of(index, "a") is Status.ERROR
    index.update(fleet.apply(ActivityReported(S, "a", BUSY), 2000))
    assert status_of(index, "a") is Status.BUSY


def test_a_turn_that_the_user_stopped_is_not_an_error_in_either_order() -> None:
    stop = SessionFailed(S, "a", Failure("MessageAbortedError"))
    for ending in ((stop, ActivityReported(S, "a", IDLE)), (ActivityReported(S, "a", IDLE), stop)):
        _, index = fleet_with(session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE), *ending)
        assert status_of(index, "a") is Status.ABORTED


def test_a_stop_before_the_model_answers_is_read_from_the_message() -> None:
    """As 1.18.33 reports it: no `session.error`."""
    stopped = MessageReported(S, "a", Message("msg_2", error="MessageAbortedError"))
    begun = (session("a"), ActivityReported(S, "a", Activity.BUSY), MessageReported(S, "a", Message("msg_2")))
    fleet, index = fleet_with(*begun, stopped, ActivityReported(S, "a", Activity.IDLE))
    assert status_of(index, "a") is Status.ABORTED
    index.update(fleet.apply(ActivityReported(S, "a", Activity.BUSY), 2000))
    index.update(fleet.apply(ActivityReported(S, "a", Activity.IDLE), 3000))
    assert status_of(index, "a") is Status.IDLE
    index.update(fleet.apply(stopped, 4000))  # an old message, reported again
    assert status_of(index, "a") is Status.IDLE


def test_a_stopped_turn_does_not_inherit_the_completion_before_it() -> None:
    fleet, index = fleet_with(
        session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE), ActivityReported(S, "a", IDLE)
    )
    prompted = MessageReported(S, "a", Message("msg_2", role="user"))
    for event in (prompted, ActivityReported(S, "a", BUSY), ActivityReported(S, "a", IDLE)):
        index.update(fleet.apply(event, 2000))
    assert status_of(index, "a") is Status.IDLE


def test_an_error_during_a_lost_connection_is_shown_for_a_known_message() -> None:
    def snapshot(error: str) -> SnapshotTaken:
        digest = Digest(1, 0.0, Tokens(), Message("msg_1", error=error))
        activities = {} if error else {"a": (BUSY, None)}
        return SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),), activities=activities)

    fleet, index = fleet_with(snapshot(""))
    for event in (ServerLost(S), ServerConnected(SERVER), snapshot("APIError")):
        index.update(fleet.apply(event, 2000))
    assert status_of(index, "a") is Status.ERROR
    index.update(fleet.apply(SessionSeen(SessionKey(S, "a")), 3000))
    index.update(fleet.apply(snapshot("APIError"), 4000))
    assert status_of(index, "a") is Status.IDLE


def test_a_turn_that_ended_during_a_lost_connection_keeps_its_age() -> None:
    fleet, index = fleet_with(session("a"), ActivityReported(S, "a", BUSY))
    digest = Digest(1, 0.0, Tokens(), Message("msg_1", finish="stop", completed=4000))
    for event in (
        ServerLost(S),
        ServerConnected(SERVER),
        SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),), activities={}),
    ):
        index.update(fleet.apply(event, 600_000))
    row = index.row("a")
    assert row is not None
    assert (row.status, row.since, row.session.turn_length) == (Status.COMPLETED, 4000, 3000)


def test_the_age_of_a_new_idle_session_is_that_of_its_last_activity() -> None:
    fleet, _ = fleet_with()
    facts = (SessionFacts("a", updated=3_000), SessionFacts("b"), SessionFacts("c", updated=700_000))
    fleet.apply(SnapshotTaken(S, sessions=facts, activities={}), 600_000)
    since = {key.session: session.status_since for key, session in fleet.sessions.items()}
    assert since == {"a": 3_000, "b": 600_000, "c": 600_000}  # a clock that is ahead tells no time


@pytest.mark.fault
@pytest.mark.parametrize(("later", "known"), [(ACTIVITY_PRECISION - 1, 100_000), (ACTIVITY_PRECISION, 130_000)])
def test_the_time_of_the_last_activity_is_exact_to_half_a_minute(later: int, known: int) -> None:
    fleet, _ = fleet_with(session("a"), at=100_000)
    fleet.apply(session("a", title="new"), 100_000 + later)
    assert fleet.sessions[SessionKey(S, "a")].last_activity_at == known


@pytest.mark.fault
def test_a_clock_that_was_set_back_sets_back_the_time_of_the_last_activity() -> None:
    fleet, _ = fleet_with(session("a"), at=90_000_000)
    fleet.apply(session("a", title="new"), 3_600_000)
    assert fleet.sessions[SessionKey(S, "a")].last_activity_at == 3_600_000


def test_a_dismissed_session_is_idle_since_its_turn_ended() -> None:
    fleet, _ = fleet_with(session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE))
    fleet.apply(ActivityReported(S, "a", IDLE), 5_000)
    fleet.apply(SessionSeen(SessionKey(S, "a")), 900_000)
    known = fleet.sessions[SessionKey(S, "a")]
    assert (known.status, known.status_since) == (Status.IDLE, 5_000)


def test_an_error_from_a_snapshot_has_the_age_and_text_of_its_message() -> None:
    fleet, _ = fleet_with()
    last = Message("msg_1", error="UnknownError", error_text="JSON parsing failed", completed=4_000)
    digest = Digest(1, 0.0, Tokens(), last)
    fleet.apply(SnapshotTaken(S, sessions=(SessionFacts("a", updated=9_000, digest=digest),), activities={}), 600_000)
    known = fleet.sessions[SessionKey(S, "a")]
    assert (known.status, known.status_since) == (Status.ERROR, 4_000)
    assert known.failure == Failure("UnknownError", "JSON parsing failed")


@pytest.mark.parametrize(
    ("prompt", "last", "status"),
    [
        ("msg_3", Message("msg_4", completed=8_000), Status.IDLE),
        ("msg_3", Message("msg_4", error="APIError", completed=8_000), Status.ERROR),
        ("msg_3", Message("msg_2", error="APIError", completed=4_000), Status.ERROR),  # no answer yet
        ("msg_1", Message("msg_4", completed=8_000), Status.ERROR),  # the same turn
    ],
)
def test_an_error_is_over_if_a_later_prompt_was_answered_while_the_server_was_away(
    prompt: str, last: Message, status: Status
) -> None:
    asked = MessageReported(S, "a", Message("msg_1", role="user"))
    failed = MessageReported(S, "a", Message("msg_2", error="APIError", completed=4_000))
    error = SessionFailed(S, "a", Failure("APIError"))
    fleet, _ = fleet_with(session("a"), asked, ActivityReported(S, "a", BUSY), failed, error)
    fleet.apply(ActivityReported(S, "a", IDLE), 4_000)
    assert fleet.sessions[SessionKey(S, "a")].status is Status.ERROR
    fleet.apply(ServerLost(S), 5_000)
    fleet.apply(ServerConnected(SERVER), 9_000)
    digest = Digest(4, 0.0, Tokens(), last, prompt=prompt)
    fleet.apply(SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),), activities={}), 9_000)
    assert fleet.sessions[SessionKey(S, "a")].status is status


RUN = replace(SERVER, runs_once=True)


@pytest.mark.parametrize("goodbye", [True, False])
def test_the_outcome_of_opencode_run_stays_as_long_as_others(*, goodbye: bool) -> None:
    fleet, index = fleet_with()
    events = (ServerConnected(RUN), SnapshotTaken(S), session("a"), ActivityReported(S, "a", BUSY))
    for event in (*events, MessageReported(S, "a", DONE), ActivityReported(S, "a", IDLE), ServerLost(S, goodbye)):
        index.update(fleet.apply(event, 2_000))
    assert status_of(index, "a") is Status.COMPLETED
    index.update(fleet.apply(TimePassed(), 2_000 + fleet.rules.completed_for - 1))
    assert status_of(index, "a") is Status.COMPLETED
    index.update(fleet.apply(TimePassed(), 2_000 + fleet.rules.completed_for))
    assert (index.rows(), fleet.servers) == ([], {})


def test_opencode_run_is_removed_when_seen_and_disconnected_when_killed() -> None:
    fleet, index = fleet_with()
    for event in (ServerConnected(RUN), SnapshotTaken(S), session("a"), ActivityReported(S, "a", BUSY)):
        index.update(fleet.apply(event, 2_000))
    index.update(fleet.apply(ServerLost(S), 2_000))
    assert status_of(index, "a") is Status.DISCONNECTED
    for event in (ServerConnected(RUN), SnapshotTaken(S, activities={}), SessionFailed(S, "a", Failure("APIError"))):
        index.update(fleet.apply(event, 3_000))
    index.update(fleet.apply(ServerLost(S, goodbye=True), 3_000))
    assert status_of(index, "a") is Status.ERROR
    for event in (SessionSeen(SessionKey(S, "a")), TimePassed()):
        index.update(fleet.apply(event, 3_000 + REMOVED_AFTER_GOODBYE))
    assert fleet.servers == {}


def test_an_opencode_run_that_the_user_stopped_is_not_shown_as_finished() -> None:
    fleet, _ = fleet_with()
    stop = SessionFailed(S, "a", Failure("MessageAbortedError"))
    events = (ServerConnected(RUN), SnapshotTaken(S), session("a"), ActivityReported(S, "a", BUSY), stop)
    for event in (*events, ActivityReported(S, "a", IDLE), ServerLost(S, goodbye=True)):
        fleet.apply(event, 2_000)
    fleet.apply(TimePassed(), 2_000 + REMOVED_AFTER_GOODBYE)
    assert fleet.servers == {}


def test_a_session_keeps_its_usage_when_it_moves_to_another_folder() -> None:
    fleet, _ = fleet_with(session("a", cost=1.5, tokens=Tokens(100)))
    fleet.apply(SessionReported(S, SessionFacts("a", directory="/elsewhere")), 2_000)
    known = fleet.sessions[SessionKey(S, "a")]
    assert (known.directory, known.cost, known.tokens) == ("/elsewhere", 1.5, Tokens(100))


def test_an_idle_subagent_does_not_change_the_age_of_the_root() -> None:
    fleet, index = fleet_with(session("a"), session("c", "a"))
    for at, event in (
        (2000, ActivityReported(S, "a", BUSY)),
        (2000, ActivityReported(S, "c", BUSY)),
        (3000, SessionFailed(S, "c", Failure("APIError"))),
    ):
        index.update(fleet.apply(event, at))
    assert status_of(index, "a") is Status.BUSY  # the child's error is its parent's to deal with
    index.update(fleet.apply(ActivityReported(S, "c", IDLE), 4000))
    index.update(fleet.apply(SessionFailed(S, "a", Failure("APIError")), 900_000))
    row = index.row("a")
    assert row is not None
    assert (row.status, row.since) == (Status.ERROR, 900_000)


def test_subagents_of_an_archived_session_are_rows_only_while_they_wait() -> None:
    fleet, index = fleet_with(session("a"), session("c", "a"), session("d", "a"), RequestAsked(S, permission("p", "d")))
    index.update(fleet.apply(SessionReported(S, SessionFacts("a", archived=True)), 2000))
    assert [row.session.id for row in index.rows()] == ["d"]


def test_a_session_named_only_in_the_activities_of_a_snapshot_is_busy() -> None:
    _, index = fleet_with(SnapshotTaken(S, sessions=(), activities={"a": (BUSY, None)}))
    assert status_of(index, "a") is Status.BUSY


def test_of_two_servers_the_last_used_is_shown_and_both_are_dismissed() -> None:
    other = Server("other", "other", SERVER.host, directory=SERVER.directory)
    fleet, index = fleet_with(session("a", updated=100, cost=1.0))
    events = (
        ServerConnected(other),
        SnapshotTaken("other", sessions=(SessionFacts("a", updated=150, cost=1.5),)),
        ActivityReported(S, "a", BUSY),
        SessionReported(S, SessionFacts("a", cost=9.0)),
        ActivityReported(S, "a", IDLE),
        SessionFailed(S, "a", Failure("APIError")),
        SessionFailed("other", "a", Failure("APIError")),
        SessionSeen(SessionKey(S, "a")),
    )
    for event in events:
        index.update(fleet.apply(event, 2000))
    row = index.row("a")
    assert row is not None
    assert (row.status, row.cost) == (Status.IDLE, 9.0)


def test_a_late_cache_does_not_change_a_connected_server() -> None:
    fleet, index = fleet_with()
    old = Session("a", S, requests=(permission("p", "a"),))
    index.update(fleet.apply(Restored((SERVER,), (old,), {"": 500, "session:a": 9000}), 1000))
    assert index.rows() == []
    assert fleet.mutes == {"session:a": 9000}  # the other one has run out


def test_a_retry_has_its_time_and_reason() -> None:
    _, index = fleet_with(session("a"), ActivityReported(S, "a", Activity.RETRY, Retry(2, "busy", 5000)))
    row = index.row("a")
    assert row is not None
    assert row.status is Status.RETRY
    assert row.session.retry == Retry(2, "busy", 5000)


def test_a_request_of_a_subagent_shows_at_the_root_at_any_depth() -> None:
    fleet, index = fleet_with(RequestAsked(S, permission("p", "grandchild")))
    assert [row.session.id for row in index.rows()] == ["grandchild"]
    for event in (session("grandchild", "child"), session("child", "root"), session("root")):
        index.update(fleet.apply(event, 2000))
    assert [row.session.id for row in index.rows()] == ["root"]
    assert status_of(index, "root") is Status.WAITING_FOR_PERMISSION
    assert summarize(index).waiting == 1


def test_the_end_of_a_subagent_is_not_a_completion() -> None:
    _, index = fleet_with(
        session("root"),
        session("child", "root"),
        ActivityReported(S, "child", BUSY),
        MessageReported(S, "child", DONE),
        ActivityReported(S, "child", IDLE),
    )
    assert status_of(index, "root") is Status.IDLE


def test_the_root_is_busy_while_a_subagent_is() -> None:
    _, index = fleet_with(session("root"), session("child", "root"), ActivityReported(S, "child", BUSY))
    assert status_of(index, "root") is Status.BUSY


@pytest.mark.parametrize("asking", ["a", "b", "c"])
def test_a_cycle_of_parents_is_one_row_with_its_requests_until_it_is_no_cycle(asking: str) -> None:
    cycle = (session("a", "b"), session("b", "c"), session("c", "a"))
    fleet, index = fleet_with(*cycle, RequestAsked(S, permission("p", asking)))
    assert [(row.session.id, len(row.requests)) for row in index.rows()] == [("a", 1)]
    index.update(fleet.apply(session("b", ""), 2000))
    assert [(row.session.id, len(row.requests)) for row in index.rows()] == [("b", 1)]
    index.update(fleet.apply(session("b", "c"), 2000))
    index.update(fleet.apply(SessionDeleted(S, "c"), 2000))
    assert [row.session.id for row in index.rows()] == (["b"] if asking != "c" else [])


def test_a_reply_before_its_request_leaves_nothing_pending() -> None:
    _, index = fleet_with(session("a"), RequestClosed(S, "a", "p"), RequestAsked(S, permission("p", "a")))
    assert status_of(index, "a") is Status.IDLE


def test_a_late_event_does_not_revive_a_deleted_session() -> None:
    _, index = fleet_with(
        session("a"), SessionDeleted(S, "a"), session("a"), RequestAsked(S, permission("p", "a")),
        ActivityReported(S, "a", BUSY),
    )  # fmt: skip
    assert index.rows() == []


def test_an_archived_session_is_removed_and_can_come_back() -> None:
    fleet, index = fleet_with(session("a"), session("a", archived=True))
    assert index.rows() == []
    index.update(fleet.apply(session("a", archived=False), 2000))
    assert len(index.rows()) == 1


def test_a_session_on_two_servers_is_one_row_with_the_more_urgent_state() -> None:
    other = Server("other", "project", "host", "/elsewhere")
    fleet, index = fleet_with(session("a"), ServerConnected(other), SnapshotTaken("other"))
    for event in (
        SessionReported("other", SessionFacts("a")),
        RequestAsked("other", permission("p", "a")),
    ):
        index.update(fleet.apply(event, 1000))
    assert len(index.rows()) == 1
    assert status_of(index, "a") is Status.WAITING_FOR_PERMISSION
    index.update(fleet.apply(ServerLost("other"), 2000))
    assert status_of(index, "a") is Status.IDLE  # the one that lives is believed


def test_a_lost_server_is_shown_as_disconnected_never_as_idle() -> None:
    fleet, index = fleet_with(session("a"), ActivityReported(S, "a", BUSY))
    index.update(fleet.apply(ServerLost(S), 5000))
    row = index.row("a")
    assert row is not None
    assert (row.status, row.since) == (Status.DISCONNECTED, 5000)
    assert row.session.activity is BUSY  # what was last known stays


def test_a_reconnected_server_is_trusted_only_after_its_snapshot() -> None:
    fleet, index = fleet_with(session("a"))
    for event in (ServerLost(S), ServerConnected(SERVER)):
        index.update(fleet.apply(event, 2000))
    assert status_of(index, "a") is Status.DISCONNECTED
    index.update(fleet.apply(SnapshotTaken(S, sessions=(SessionFacts("a"),)), 2000))
    assert status_of(index, "a") is Status.IDLE


def test_a_turn_that_ended_during_a_lost_connection_is_completed() -> None:
    fleet, index = fleet_with(session("a"), ActivityReported(S, "a", BUSY), MessageReported(S, "a", DONE))
    for event in (
        ServerLost(S),
        ServerConnected(SERVER),
        SnapshotTaken(S, sessions=(SessionFacts("a"),), activities={}),
    ):
        index.update(fleet.apply(event, 60_000))
    assert status_of(index, "a") is Status.COMPLETED


@pytest.mark.parametrize("known", [True, False])
def test_a_question_of_a_killed_opencode_is_closed_by_its_next_start(known: bool) -> None:
    fleet, index = fleet_with(session("a"), ActivityReported(S, "a", BUSY), RequestAsked(S, question("q", "a")))
    again = replace(SERVER, id="again", pid=SERVER.pid + 1)
    sessions = (SessionFacts("a"),) if known else ()
    taken = SnapshotTaken("again", sessions=sessions, activities={}, permissions=(), questions=())
    for event in (ServerLost(S), ServerConnected(again), taken):
        index.update(fleet.apply(event, 2000))
    assert not status_of(index, "a").needs_user
    assert (summarize(index).waiting, next_waiting(index)) == (0, None)


@pytest.mark.parametrize(("goodbye", "stays"), [(True, REMOVED_AFTER_GOODBYE), (False, REMOVED_AFTER_LOSS)])
def test_a_disconnected_server_is_removed_after_a_while(goodbye: bool, stays: int) -> None:
    fleet, index = fleet_with(session("a"), ServerLost(S, goodbye=goodbye))
    index.update(fleet.apply(TimePassed(), 1000 + stays - 1))
    assert len(index.rows()) == 1
    index.update(fleet.apply(TimePassed(), 1000 + stays))
    assert index.rows() == []
    assert fleet.servers == {}


def test_a_disposed_instance_has_no_turns_and_no_requests() -> None:
    _, index = fleet_with(
        session("a"), ActivityReported(S, "a", BUSY), RequestAsked(S, permission("p", "a")), InstanceDisposed(S)
    )
    assert not status_of(index, "a").needs_user


def test_an_unread_section_of_a_snapshot_changes_nothing() -> None:
    fleet, index = fleet_with(session("a"), RequestAsked(S, permission("p", "a")), RequestAsked(S, question("q", "a")))
    index.update(fleet.apply(SnapshotTaken(S, questions=()), 2000))
    row = index.row("a")
    assert row is not None
    assert [request.id for request in row.requests] == ["p"]


def test_the_next_session_waits_longest_then_failed_then_finished() -> None:
    fleet, index = fleet_with(
        session("waits"),
        RequestAsked(S, permission("p", "waits", at=500)),
        session("asks"),
        RequestAsked(S, Request("q", "asks", RequestKind.QUESTION, "", "", asked_at=100)),
        session("failed"),
        SessionFailed(S, "failed", Failure("APIError")),
    )
    order = []
    while (row := next_waiting(index)) is not None:
        order.append(row.session.id)
        index.update(fleet.apply(MuteSet(session_scope(row.session.id), 9000), 1000))
    assert order == ["asks", "waits", "failed"]  # who has waited longest is first, whatever it waits for


def test_a_muted_session_does_not_count_in_the_icon_but_mute_all_does_not_matter() -> None:
    fleet, index = fleet_with(session("a"), RequestAsked(S, permission("p", "a")), MuteSet("session:a", 9000))
    assert summarize(index).status is Status.IDLE
    for event in (MuteCleared("session:a"), MuteSet("", 9000)):
        index.update(fleet.apply(event, 1000))
    assert summarize(index).waiting == 1
    index.update(fleet.apply(TimePassed(), 9000))
    assert fleet.mutes == {}


def test_the_mute_of_a_deleted_session_ends() -> None:
    fleet, index = fleet_with(session("a"), session("b"), MuteSet(session_scope("a"), 9000), MuteSet("session:b", 9000))
    index.update(fleet.apply(SessionDeleted(S, "a"), 1000))
    assert fleet.mutes == {session_scope("b"): 9000}


def test_the_number_of_sessions_is_limited_and_waiting_ones_stay() -> None:
    fleet, index = fleet_with(session("waits"), RequestAsked(S, permission("p", "waits")))
    for number in range(MAX_SESSIONS + 50):
        index.update(fleet.apply(session(f"s{number}", updated=number + 1), 1000))
    assert MAX_SESSIONS - MAX_SESSIONS // ROOM <= len(fleet.sessions) <= MAX_SESSIONS
    assert f"s{MAX_SESSIONS + 49}" in {key.session for key in fleet.sessions}
    assert status_of(index, "waits") is Status.WAITING_FOR_PERMISSION


def test_a_row_whose_project_name_changes_is_reported_as_changed() -> None:
    fleet, index = fleet_with(session("one", directory="/w/a/main"))
    assert index.project(index.rows()[0]) == "main"
    assert index.update(fleet.apply(session("two", directory="/w/b/main"), 1000)) == {"one", "two"}
    assert sorted(map(index.project, index.rows())) == ["a/main", "b/main"]
    assert index.update(fleet.apply(SessionDeleted(S, "two"), 1000)) == {"one", "two"}
    assert index.project(index.rows()[0]) == "main"


# ---------------------------------------------------------------------- any order of anything


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(event_sequences)
def test_closed_requests_are_never_shown_and_no_event_raises(events: list[tuple[Event, int]]) -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    closed: set[tuple[str, str]] = set()  # a request's id is its server's own
    for event, at in events:
        index.update(fleet.apply(event, at))
        if isinstance(event, RequestClosed) and event.server_id in fleet.servers:
            closed.add((event.server_id, event.request_id))
        if isinstance(event, SnapshotTaken):
            closed.clear()  # it may list anything: it is the truth
        if not fleet.servers:
            closed.clear()
        shown = {(row.server.id, request.id) for row in index.rows() for request in row.requests}
        assert not shown & closed
        in_step = SessionIndex(fleet)
        in_step.update(SessionChanged(None, known) for known in fleet.sessions.values())
        assert {row.key: row for row in index.rows()} == {row.key: row for row in in_step.rows()}
        assert summarize(index) == summarize(in_step)
        for status in Status:
            rows = sorted(
                (row for row in index.rows() if row.status is status), key=lambda row: (row.since, row.key.session)
            )
            assert index.oldest(status) == rows
            assert index.newest(status, 3) == rows[::-1][:3]


@settings(max_examples=200, deadline=None)
@given(event_sequences, st.lists(requests, max_size=3))
def test_a_complete_snapshot_replaces_any_state(events: list[tuple[Event, int]], pending: list[Request]) -> None:
    fleet = Fleet()
    for event, at in events:
        fleet.apply(event, at)
    truth = {request.id: request for request in pending}
    asked = tuple(r for r in truth.values() if r.kind is RequestKind.PERMISSION)
    put = tuple(r for r in truth.values() if r.kind is RequestKind.QUESTION)
    fleet.apply(ServerConnected(SERVER), 2_000_000)
    fleet.apply(
        SnapshotTaken(
            S,
            sessions=(SessionFacts("a", archived=False),),
            activities={"a": (BUSY, None)},
            permissions=asked,
            questions=put,
        ),
        2_000_000,
    )
    known = {s.id: s for s in fleet.sessions.values() if s.server == S}
    assert set(known) == {"a"} | {request.session for request in truth.values()}
    assert {r.id for s in known.values() for r in s.requests} == set(truth)
    assert known["a"].activity is BUSY
    assert all(s.activity is IDLE for name, s in known.items() if name != "a")


def unproven(name: str) -> Server:
    return replace(SERVER, id=name, verified=False)


@pytest.mark.slow
def test_unverified_servers_are_limited_and_never_come_first() -> None:
    fleet, index = fleet_with(session("a", title="Mine"))
    for number in range(100):
        name = f"stranger{number}"
        events = [ServerConnected(unproven(name)), SnapshotTaken(name, sessions=(SessionFacts("a", title="Theirs"),))]
        asks = [RequestAsked(name, permission(f"p{n}", f"s{n // 9}")) for n in range(1000)]
        for event in (*events, *asks, RequestAsked(name, permission("px", "a")), ServerLost(name)):
            index.update(fleet.apply(event, 1000 + number))
    assert len(fleet.servers) <= MAX_UNPROVEN_DISCONNECTED + 2
    assert len(fleet.sessions) <= (MAX_UNPROVEN_DISCONNECTED + 2) * (MAX_UNPROVEN_SESSIONS + 1)
    row = index.row("a")
    assert row is not None
    assert row.session.title == "Mine"
    index.update(fleet.apply(TimePassed(), 1200 + REMOVED_IF_UNPROVEN))
    assert list(fleet.servers) == [S]


def test_a_verified_server_comes_before_an_unverified_one() -> None:
    fleet, index = fleet_with(session("mine"), RequestAsked(S, permission("p1", "mine", 900)))
    for event in (ServerConnected(unproven("x")), SnapshotTaken("x"), RequestAsked("x", permission("p0", "theirs", 1))):
        index.update(fleet.apply(event, 1000))
    following = next_waiting(index)
    assert following is not None
    assert following.session.id == "mine"


def test_of_two_equal_servers_the_same_one_is_shown_whatever_the_order() -> None:
    fleet = Fleet()
    for name in ("b", "a"):
        fleet.apply(ServerConnected(replace(SERVER, id=name)), 0)
        fleet.apply(ActivityReported(name, "ses", Activity.BUSY), 0)
    sessions = list(fleet.sessions.values())
    for order in (sessions, sessions[::-1]):
        index = SessionIndex(fleet)
        for session in order:
            index.update([SessionChanged(None, session)])
        assert [row.server.id for row in index.rows()] == ["a"]


@pytest.mark.parametrize(("kind", "expected"), [(AgentKind.CLAUDE, None), (AgentKind.OPENCODE, Status.DISCONNECTED)])
def test_a_session_that_was_resumed_after_a_crash_does_not_come_back_as_disconnected(
    kind: AgentKind, expected: Status | None
):
    crashed, next_one = (replace(SERVER, id=name, agent_kind=kind) for name in ("crashed", "next"))
    fleet, index = fleet_with()
    for event in (
        ServerConnected(crashed),
        SnapshotTaken(crashed.id, (SessionFacts("a"),), {"a": (Activity.BUSY, None)}),
        ServerLost(crashed.id),
        ServerConnected(next_one),
        SnapshotTaken(next_one.id, (SessionFacts("a"),)),
    ):
        index.update(fleet.apply(event, 1000))
    assert status_of(index, "a") is Status.IDLE
    index.update(fleet.apply(ServerForgotten(next_one.id), 1000))
    row = index.row("a")
    assert (row.status if row is not None else None) is expected
