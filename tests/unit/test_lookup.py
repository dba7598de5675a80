"""Sessions and requests are found by their ID, or by the start of it if that is unique."""

from __future__ import annotations

import pytest

from replay import SERVER
from tray.core.answers import RequestKey
from tray.core.events import Event, RequestAsked, RequestClosed, ServerConnected, SessionFacts, SessionReported
from tray.core.fleet import Fleet
from tray.core.id_lookup import NotFoundError, find_request, find_session
from tray.core.session_index import SessionIndex
from tray.core.sessions import Request, RequestKind

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
    ("known", "text", "expected"),
    [
        ((), "per_1", ["unknown request 'per_1'", "status"]),
        (asks("per_1"), "", ["unknown request"]),
        ((*asks("per_11"), *asks("per_12")), "per_1", ["2 pending requests start", "per_11, per_12", "more of the ID"]),
        ((*asks("per_11"), *answered("per_12")), "per_1", ["per_11, which is pending", "just answered", "whole ID"]),
        ((*answered("per_11"), *answered("per_12")), "per_1", ["no pending request starts", "2 were just answered"]),
    ],
)
def test_an_unknown_or_ambiguous_request_is_an_error(known: tuple[Event, ...], text: str, expected: list[str]) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_request(*fed(*known), text)
    assert all(words in str(caught.value) for words in expected), str(caught.value)


def test_a_whole_id_is_found_even_if_other_ids_start_with_it() -> None:
    for known in ((*asks("per_1"), *asks("per_11")), (*answered("per_1"), *asks("per_11"))):
        assert find_request(*fed(*known), "per_1") == RequestKey(S, "per_1")
    assert find_request(*fed(*answered("per_1")), "per_") == RequestKey(S, "per_1")  # already answered


def test_an_ambiguous_session_lists_the_matching_ids() -> None:
    with pytest.raises(NotFoundError, match=r"2 sessions start with 'ses_': ses_\w+, ses_\w+; type more"):
        find_session(*fed(*asks("per_1"), *asks("per_2")), "ses_")
