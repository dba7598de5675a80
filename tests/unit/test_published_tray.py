"""Another tray: after loss, repetition, reordering and replay of what it publishes, the desk is true, or it asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from event_strategies import event_sequences
from replay import SERVER
from tray.core.answers import RequestKey
from tray.core.events import (
    AnswerDrafted,
    RequestAsked,
    ServerConnected,
    SessionFacts,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
    SourceEvent,
)
from tray.core.fleet import Fleet
from tray.core.published_tray import MAX_SERVERS, MAX_SILENT, PublishedTray
from tray.core.servers import Source
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Outcome, Question, Request, RequestKind, Session, SessionKey, Status
from tray.core.team import Beat, Change, Presence, SharedServer, Snapshot
from tray.core.team_publication import Publication

ID, OWN_KEY = "t" * 32, "own-key"
ONLINE = Presence(1, 1, is_online=True, name="bob@build-box", answers=(OWN_KEY,))
OFFLINE = Presence(1, 1, is_online=False)
SHARED = SharedServer("s", "project", "build-box", "/p")
WAITING = Request("per_1", "ses_1", RequestKind.QUESTION, "", "?", questions=(Question("?"),), asked_at=1)


class Desk:
    """A desk with one other tray."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.tray = PublishedTray(ID, OWN_KEY)
        self.server = self.tray.server_id("s")
        self.at = 1000

    def take(self, events: list[SourceEvent]) -> None:
        for event in events:
            self.apply(event)

    def apply(self, event: object) -> None:
        self.index.update(self.fleet.apply(event, self.at))  # type: ignore[arg-type]

    def titles(self) -> list[str]:
        return sorted(session.title for session in self.fleet.sessions.values())

    @property
    def is_live(self) -> bool:
        return all(server.live for server in self.fleet.servers.values()) and bool(self.fleet.servers)


def snapshot(number: int, *titles: str, started: int = 1) -> Snapshot:
    sessions = tuple(Session(f"ses_{n + 1}", "s", title=title) for n, title in enumerate(titles))
    return Snapshot(started, number, (SHARED,), sessions)


def change(number: int, title: str, started: int = 1) -> Change:
    return Change(started, number, sessions=(Session("ses_1", "s", title=title),))


def online(*titles: str) -> Desk:
    desk = Desk()
    desk.take(desk.tray.on_presence(ONLINE))
    desk.take(desk.tray.on_snapshot(snapshot(5, *(titles or ("a",)))))
    return desk


def test_a_tray_is_shown_once_it_is_online_and_its_snapshot_has_come_in_any_order() -> None:
    for order in ((0, 1), (1, 0)):
        desk = Desk()
        steps: list[Callable[[], list[SourceEvent]]] = [
            lambda desk=desk: desk.tray.on_presence(ONLINE),
            lambda desk=desk: desk.tray.on_snapshot(snapshot(5, "a")),
        ]
        desk.take(steps[order[0]]())
        assert desk.titles() == []
        desk.take(steps[order[1]]())
        assert desk.titles() == ["a"]
        (server,) = desk.fleet.servers.values()
        assert (server.source, server.host, server.owner) == (Source.TEAM, "build-box", "bob@build-box")


def test_a_tray_that_was_offline_before_is_not_shown() -> None:
    desk = Desk()
    desk.take(desk.tray.on_snapshot(snapshot(5, "a")))
    desk.take(desk.tray.on_presence(OFFLINE))
    assert desk.fleet.servers == {}


def test_changes_are_applied_in_their_order_and_each_once() -> None:
    desk = online()
    for number, title in ((6, "b"), (7, "c"), (6, "b"), (7, "x"), (5, "y")):
        desk.take(desk.tray.on_change(change(number, title)))
    assert desk.titles() == ["c"]
    assert not desk.tray.needs_snapshot


def test_after_a_gap_a_snapshot_is_needed_and_makes_everything_true() -> None:
    desk = online("a", "gone")
    desk.take(desk.tray.on_change(change(7, "c")))
    assert desk.tray.needs_snapshot
    desk.take(desk.tray.on_change(change(8, "d")))
    assert desk.titles() == ["a", "gone"]
    desk.take(desk.tray.on_snapshot(snapshot(8, "d")))
    assert (desk.titles(), desk.tray.needs_snapshot) == (["d"], False)


def test_an_old_snapshot_never_wins() -> None:
    desk = online()
    desk.take(desk.tray.on_change(change(6, "b")))
    for old in (snapshot(5, "a"), snapshot(99, "x", started=0), snapshot(6, "y")):
        desk.take(desk.tray.on_snapshot(old))
        assert desk.titles() == ["b"]


def test_after_a_restart_of_the_tray_its_numbers_begin_again() -> None:
    desk = online()
    desk.take(desk.tray.on_presence(replace(ONLINE, started=2)))
    desk.take(desk.tray.on_change(change(1, "early", started=2)))
    assert desk.tray.needs_snapshot
    desk.take(desk.tray.on_snapshot(snapshot(0, "new", started=2)))
    assert desk.titles() == ["new"]
    desk.take(desk.tray.on_change(change(6, "of the old one")))
    desk.take(desk.tray.on_change(change(1, "next", started=2)))
    assert desk.titles() == ["next"]


def test_a_last_will_of_an_older_connection_has_no_effect() -> None:
    desk = online()
    desk.take(desk.tray.on_presence(replace(ONLINE, connection=2)))
    desk.take(desk.tray.on_presence(OFFLINE))
    assert desk.is_live
    desk.take(desk.tray.on_presence(replace(OFFLINE, connection=2)))
    assert not desk.is_live


def test_after_a_lost_broker_the_state_is_shown_once_it_is_confirmed() -> None:
    desk = online()
    desk.take(desk.tray.on_change(change(6, "b")))
    desk.take(desk.tray.lose())
    assert not desk.is_live
    desk.take(desk.tray.on_presence(ONLINE))
    desk.take(desk.tray.on_snapshot(snapshot(5, "a")))  # retained: older than what is known
    assert (desk.is_live, desk.tray.needs_snapshot, desk.titles()) == (False, True, ["b"])
    desk.take(desk.tray.on_snapshot(snapshot(6, "b")))
    assert (desk.is_live, desk.tray.needs_snapshot) == (True, False)


def test_a_beat_tells_of_changes_that_were_missed() -> None:
    desk = online()
    desk.tray.on_beat(Beat(1, 1, 1, change=5))
    assert not desk.tray.needs_snapshot
    desk.tray.on_beat(Beat(1, 1, 2, change=6))
    assert desk.tray.needs_snapshot


def test_a_tray_without_a_sign_of_life_is_lost_until_there_is_one() -> None:
    desk = online()
    for _ in range(MAX_SILENT - 1):
        desk.take(desk.tray.check_life())
    assert desk.is_live
    desk.take(desk.tray.check_life())
    assert not desk.is_live
    desk.tray.on_beat(Beat(1, 1, 1, change=5))
    assert desk.tray.needs_snapshot
    desk.take(desk.tray.on_snapshot(snapshot(5, "a")))
    assert desk.is_live


@pytest.mark.parametrize("beat", [Beat(1, 1, 1, 5), Beat(1, 2, 9, 5), Beat(0, 1, 9, 5)])
def test_a_beat_that_is_repeated_or_of_another_connection_is_no_sign_of_life(beat: Beat) -> None:
    desk = online()
    desk.tray.on_beat(Beat(1, 1, 1, 5))
    for _ in range(MAX_SILENT):
        desk.tray.on_beat(beat)
        desk.take(desk.tray.check_life())
    assert not desk.is_live


def test_a_beat_does_not_bring_back_a_tray_that_said_goodbye() -> None:
    desk = online()
    desk.take(desk.tray.on_presence(replace(OFFLINE, said_goodbye=True)))
    desk.tray.on_beat(Beat(1, 1, 1, change=6))
    assert not desk.tray.is_online
    assert not desk.is_live


def test_who_may_answer_is_applied_at_once() -> None:
    desk = online()
    assert desk.fleet.servers[desk.server].read_only_reason == ""
    desk.take(desk.tray.on_presence(replace(ONLINE, answers=("other",))))
    assert "bob@build-box has not named this tray" in desk.fleet.servers[desk.server].read_only_reason
    assert desk.fleet.servers[desk.server].is_watched
    assert desk.titles() == ["a"]


def test_a_watched_session_asks_nothing_of_the_user() -> None:
    desk = Desk()
    desk.take(desk.tray.on_presence(replace(ONLINE, answers=())))
    waiting = Session("ses_1", "s", requests=(WAITING,))
    desk.take(desk.tray.on_snapshot(Snapshot(1, 1, (SHARED,), (waiting,))))
    row = desk.index.row("ses_1")
    assert row is not None
    assert (row.muted, row.status) == (True, Status.WAITING_FOR_ANSWER)
    assert not row.server.supports("session.abort")


def test_what_the_user_did_here_stays() -> None:
    desk = online()
    finished = Session("ses_1", "s", outcome=Outcome.COMPLETED, turn_ended=7, requests=(WAITING,))
    desk.take(desk.tray.on_change(Change(1, 6, sessions=(finished,))))
    desk.apply(SessionSeen(SessionKey(desk.server, "ses_1")))
    desk.apply(AnswerDrafted(RequestKey(desk.server, "per_1"), 0, "Red"))
    desk.take(desk.tray.on_change(Change(1, 7, sessions=(replace(finished, title="b"),))))
    (session,) = desk.fleet.sessions.values()
    assert (session.outcome, session.title, session.requests[0].draft) == (Outcome.NONE, "b", (("Red",),))
    desk.take(desk.tray.on_change(Change(1, 8, sessions=(replace(finished, turn_ended=9, requests=()),))))
    (session,) = desk.fleet.sessions.values()
    assert session.outcome is Outcome.COMPLETED
    assert desk.fleet.was_closed(RequestKey(desk.server, "per_1"))


def test_a_session_that_is_seen_directly_is_shown_from_there_however_urgent_the_copy_is() -> None:
    desk = online()
    desk.apply(ServerConnected(SERVER))
    desk.apply(SnapshotTaken(SERVER.id, sessions=(SessionFacts("ses_1", title="own"),)))
    desk.take(desk.tray.on_change(Change(1, 6, sessions=(Session("ses_1", "s", requests=(WAITING,)),))))
    row = desk.index.row("ses_1")
    assert row is not None
    assert (row.server.id, row.status) == (SERVER.id, Status.IDLE)


def test_sessions_of_other_servers_than_its_own_cannot_be_published() -> None:
    desk = online()
    desk.apply(ServerConnected(SERVER))
    desk.apply(SnapshotTaken(SERVER.id, sessions=(SessionFacts("own", title="own"),)))
    forged = Session("own", SERVER.id, title="forged")
    desk.take(desk.tray.on_change(Change(1, 6, sessions=(forged,), removed_servers=(SERVER.id,))))
    desk.take(desk.tray.on_snapshot(Snapshot(1, 7, (replace(SHARED, id=SERVER.id),), (forged,))))
    assert desk.fleet.sessions[SessionKey(SERVER.id, "own")].title == "own"
    assert all(key.startswith(f"team/{ID}/") for key in desk.fleet.servers if key != SERVER.id)


def test_a_tray_has_a_limited_number_of_servers() -> None:
    desk = Desk()
    desk.take(desk.tray.on_presence(ONLINE))
    many = tuple(replace(SHARED, id=f"s{n}") for n in range(MAX_SERVERS + 5))
    desk.take(desk.tray.on_snapshot(Snapshot(1, 1, many)))
    desk.take(desk.tray.on_change(Change(1, 2, servers=(replace(SHARED, id="more"),))))
    assert len(desk.fleet.servers) == MAX_SERVERS


@settings(deadline=None)
@given(event_sequences, st.data())
def test_whatever_is_lost_repeated_or_reordered_the_desk_is_true_after_a_snapshot(
    events: list[tuple[object, int]], data: st.DataObject
) -> None:
    """Some messages of a real publication are lost, doubled or late; then comes the snapshot that is asked for."""
    own, desk = Fleet(), Desk()
    publication = Publication(own, 1)
    messages: list[Snapshot | Change] = [publication.snapshot()]
    for event, at in events:
        publication.note(own.apply(event, at))  # type: ignore[arg-type]
        if data.draw(st.booleans()):
            if (made := publication.take_change()) is not None:
                messages.append(made)
            if data.draw(st.booleans()):
                messages.append(publication.snapshot())
    publication.take_change()
    desk.take(desk.tray.on_presence(ONLINE))
    for message in data.draw(st.lists(st.sampled_from(messages), max_size=30)):
        on_message = desk.tray.on_snapshot if isinstance(message, Snapshot) else desk.tray.on_change
        desk.take(on_message(message))  # type: ignore[arg-type]
    desk.tray.on_beat(Beat(1, 1, 1, publication.number))
    last = publication.snapshot()
    desk.take(desk.tray.on_snapshot(last))
    shown = {(key.server.removeprefix(desk.tray.server_id("")), key.session) for key in desk.fleet.sessions}
    assert shown == {(session.server, session.id) for session in last.sessions}
    for session in last.sessions:
        copy = desk.fleet.sessions[SessionKey(desk.tray.server_id(session.server), session.id)]
        assert replace(copy, server=session.server) == session


@settings(deadline=None)
@given(event_sequences)
def test_changes_without_loss_lead_to_the_same_as_a_snapshot(events: list[tuple[object, int]]) -> None:
    own, desk = Fleet(), Desk()
    publication = Publication(own, 1)
    desk.take(desk.tray.on_presence(ONLINE))
    desk.take(desk.tray.on_snapshot(publication.snapshot()))
    for event, at in events:
        publication.note(own.apply(event, at))  # type: ignore[arg-type]
        if (made := publication.take_change()) is not None:
            desk.take(desk.tray.on_change(made))
    assert not desk.tray.needs_snapshot
    shown = {(key.server.removeprefix(desk.tray.server_id("")), key.session) for key in desk.fleet.sessions}
    assert shown == {(session.server, session.id) for session in publication.snapshot().sessions}


def test_a_request_comes_as_it_is_before_an_answer_from_here() -> None:
    asked = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "ls", asked_at=1)
    answered = replace(asked, sending=True, refusal="refused", draft=(("Red",),))
    desk = Desk()
    desk.take(desk.tray.on_presence(ONLINE))
    shown = snapshot(1, "one")
    desk.take(desk.tray.on_snapshot(replace(shown, sessions=(replace(shown.sessions[0], requests=(answered,)),))))
    (session,) = desk.fleet.sessions.values()
    assert session.requests == (asked,)


def test_requests_of_a_session_come_with_it() -> None:
    own, desk = Fleet(), Desk()
    publication = Publication(own, 1)
    for event in (
        ServerConnected(SERVER),
        SnapshotTaken(SERVER.id),
        SessionReported(SERVER.id, SessionFacts("ses_1", title="Work")),
        RequestAsked(SERVER.id, Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "ls", asked_at=1)),
    ):
        publication.note(own.apply(event, 1000))
    publication.take_change()
    desk.take(desk.tray.on_presence(ONLINE))
    desk.take(desk.tray.on_snapshot(publication.snapshot()))
    row = desk.index.row("ses_1")
    assert row is not None
    assert (row.status, row.requests[0].detail, row.session.activity) == (
        Status.WAITING_FOR_PERMISSION,
        "ls",
        Activity.IDLE,
    )
