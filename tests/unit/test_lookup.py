"""What a person names by the beginning of its id: found where that is clear, and else what it can be is said."""

from __future__ import annotations

import pytest

from replay import SERVER
from tray.core.answers import RequestKey
from tray.core.events import Event, RequestAsked, RequestClosed, ServerConnected, SessionFacts, SessionReported
from tray.core.fleet import Fleet
from tray.core.id_lookup import NotFoundError, find_request, find_session
from tray.core.model import Request, RequestKind
from tray.core.session_index import SessionIndex

S = SERVER.id
AT = 1_795_237_290_000


def fed(*events: Event) -> tuple[Fleet, SessionIndex]:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), *events):
        index.update(fleet.apply(event, AT))
    return fleet, index


def asks(name: str) -> tuple[Event, ...]:
    asked = RequestAsked(S, Request(name, f"ses_{name}", RequestKind.PERMISSION, "bash", "ls", asked_at=AT))
    return SessionReported(S, SessionFacts(f"ses_{name}")), asked


def answered(name: str) -> tuple[Event, ...]:
    return *asks(name), RequestClosed(S, f"ses_{name}", name)


@pytest.mark.parametrize(
    ("known", "name", "told"),
    [
        ((), "per_1", ["there is no request 'per_1'", "status"]),
        (asks("per_1"), "", ["there is no request"]),
        ((*asks("per_11"), *asks("per_12")), "per_1", ["2 requests that wait", "per_11, per_12", "more of the id"]),
        ((*asks("per_11"), *answered("per_12")), "per_1", ["per_11, which waits", "answered just now", "whole id"]),
        ((*answered("per_11"), *answered("per_12")), "per_1", ["no request", "waits any more", "2 were answered"]),
    ],
)
def test_what_is_not_clear_is_said_with_what_it_can_be(known: tuple[Event, ...], name: str, told: list[str]) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_request(*fed(*known), name)
    assert all(words in str(caught.value) for words in told), str(caught.value)


def test_a_whole_id_is_found_whatever_begins_with_it() -> None:
    for known in ((*asks("per_1"), *asks("per_11")), (*answered("per_1"), *asks("per_11"))):
        assert find_request(*fed(*known), "per_1") == RequestKey(S, "per_1")
    assert find_request(*fed(*answered("per_1")), "per_") == RequestKey(S, "per_1")  # it was answered already


def test_sessions_that_begin_alike_are_named() -> None:
    with pytest.raises(NotFoundError, match=r"2 sessions begin with 'ses_': ses_\w+, ses_\w+; give more"):
        find_session(*fed(*asks("per_1"), *asks("per_2")), "ses_")
