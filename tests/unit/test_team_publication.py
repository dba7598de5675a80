"""What a tray shares: what changed, once, without prompts and outputs, and nothing of simulated or of other trays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from replay import SERVER
from tray.core.answers import RequestKey
from tray.core.events import (
    ActivityReported,
    AnswerSent,
    Event,
    OutputReported,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SessionDeleted,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.servers import DEMO, Source
from tray.core.sessions import Activity, Option, Question, Request, RequestKind, SessionKey
from tray.core.team import Change
from tray.core.team_publication import MAX_DETAIL, MAX_SESSIONS, Publication, shared_server

S = SERVER.id
REQUEST = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "ls")


class Sharing:
    """A fleet and what is shared of it."""

    def __init__(self, *events: Event) -> None:
        self.fleet = Fleet()
        self.publication = Publication(self.fleet, 1)
        for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
            self.apply(event)
        self.publication.take_change()

    def apply(self, event: Event) -> None:
        self.publication.note(self.fleet.apply(event, 1000))

    def change(self, *events: Event) -> Change | None:
        for event in events:
            self.apply(event)
        return self.publication.take_change()


def session(name: str = "ses_1", **facts: object) -> SessionReported:
    return SessionReported(S, SessionFacts(name, **facts))  # type: ignore[arg-type]


def test_a_change_contains_what_changed_and_nothing_else() -> None:
    sharing = Sharing(*(session(f"ses_{number}") for number in range(10)))
    change = sharing.change(session("ses_3", title="New"), RequestAsked(S, REQUEST))
    assert change is not None
    assert {found.id for found in change.sessions} == {"ses_1", "ses_3"}
    assert (change.servers, change.removed_sessions) == ((), ())
    assert len(sharing.publication.snapshot().sessions) == 10


def test_changes_are_counted_and_a_snapshot_names_the_last_one() -> None:
    sharing = Sharing(session())
    numbers = [change.number for n in range(3) if (change := sharing.change(session(title=f"{n}"))) is not None]
    assert numbers == [2, 3, 4]
    assert sharing.publication.snapshot().number == 4


def test_nothing_is_published_if_nothing_that_is_shared_has_changed() -> None:
    sharing = Sharing(session(), ActivityReported(S, "ses_1", Activity.BUSY), RequestAsked(S, REQUEST))
    assert not sharing.publication.is_stale
    assert sharing.change(OutputReported(S, "ses_1", "", "a line")) is None
    assert sharing.change(AnswerSent(RequestKey(S, "per_1"))) is None
    assert sharing.publication.snapshot().number == 1


def test_prompts_and_outputs_stay_here() -> None:
    sharing = Sharing(session(title="Title"), OutputReported(S, "ses_1", "", "a line of output"))
    (shared,) = sharing.publication.snapshot().sessions
    assert (shared.title, shared.last_output, shared.prompt_text, shared.last, shared.todos) == (
        "Title",
        "",
        "",
        None,
        (),
    )


def test_what_is_removed_is_named_once() -> None:
    sharing = Sharing(session(), session("ses_2"))
    change = sharing.change(SessionDeleted(S, "ses_2"))
    assert change is not None
    assert change.removed_sessions == (SessionKey(S, "ses_2"),)
    change = sharing.change(ServerLost(S))
    assert change is not None
    assert [server.connected for server in change.servers] == [False]
    change = sharing.change(ServerForgotten(S))
    assert change is not None
    assert change.removed_servers == (S,)
    assert sharing.publication.snapshot().sessions == ()
    assert sharing.change() is None


@pytest.mark.parametrize(
    "server",
    [
        replace(SERVER, id="x", plugin=DEMO),
        replace(SERVER, id="x", source=Source.TEAM, owner="anna@desk"),
        replace(SERVER, id="x", verified=False),
    ],
)
def test_simulated_and_unproven_servers_and_those_of_other_trays_are_not_shared(server: object) -> None:
    sharing = Sharing()
    assert sharing.change(ServerConnected(server), SessionReported("x", SessionFacts("ses_x"))) is None  # type: ignore[arg-type]
    assert [known.id for known in sharing.publication.snapshot().servers] == [S]


def test_a_server_is_shared_without_addresses_processes_and_passwords() -> None:
    shared = shared_server(replace(SERVER, url="http://127.0.0.1:4096", pid=77, ssh="me@box", key="k"))
    assert shared is not None
    assert not {"url", "pid", "ssh", "key", "place", "plugin"} & set(shared.__struct_fields__)


def test_an_idle_subagent_is_shared_only_while_it_works_or_waits() -> None:
    sharing = Sharing(session(), session("ses_2", parent="ses_1"))
    assert [found.id for found in sharing.publication.snapshot().sessions] == ["ses_1"]
    change = sharing.change(ActivityReported(S, "ses_2", Activity.BUSY))
    assert change is not None
    assert [found.id for found in change.sessions] == ["ses_2"]
    change = sharing.change(ActivityReported(S, "ses_2", Activity.IDLE))
    assert change is not None
    assert change.removed_sessions == (SessionKey(S, "ses_2"),)


LONG = "x" * (MAX_DETAIL + 1)


@pytest.mark.parametrize(
    "part", [{"detail": LONG}, {"always": (LONG,)}, {"questions": (Question("Which?", options=(Option("a", LONG),)),)}]
)
def test_a_request_that_is_too_long_is_cut_and_cannot_be_answered_elsewhere(part: dict[str, Any]) -> None:
    sharing = Sharing(session())
    change = sharing.change(RequestAsked(S, replace(REQUEST, **part)))
    assert change is not None
    (shared,) = change.sessions[0].requests
    assert len(msgspec.json.encode(shared)) < MAX_DETAIL + 1000
    assert not shared.complete
    assert "too long" in shared.read_only_reason
    change = sharing.change(RequestClosed(S, "ses_1", "per_1"))
    assert change is not None
    assert change.sessions[0].requests == ()


def test_a_new_session_replaces_the_idle_one_that_was_used_least_recently() -> None:
    sharing = Sharing(*(session(f"ses_{number}", updated=number + 1) for number in range(MAX_SESSIONS)))
    change = sharing.change(session("ses_new", updated=10_000))
    assert change is not None
    assert change.removed_sessions == (SessionKey(S, "ses_0"),)
    assert len(sharing.publication.snapshot().sessions) == MAX_SESSIONS


def test_a_session_that_waits_replaces_one_that_works() -> None:
    working = [ActivityReported(S, f"ses_{number}", Activity.BUSY) for number in range(MAX_SESSIONS)]
    sharing = Sharing(*(session(f"ses_{number}", updated=number + 1) for number in range(MAX_SESSIONS)), *working)
    assert sharing.change(session("ses_new", updated=10_000)) is None
    change = sharing.change(RequestAsked(S, replace(REQUEST, session="ses_new")))
    assert change is not None
    assert [found.id for found in change.sessions] == ["ses_new"]
    assert len(change.removed_sessions) == 1


def test_a_path_that_is_no_utf_8_is_shared() -> None:
    shared = shared_server(replace(SERVER, directory="/home/\udcff"))
    assert shared is not None
    assert shared.directory == "/home/?"
