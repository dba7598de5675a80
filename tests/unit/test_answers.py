"""Which answers fit a request, and the states of a request while its answer is sent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from replay import SERVER
from tray.core.answers import (
    LONGEST,
    Answer,
    AnswerError,
    Decline,
    Permit,
    Reply,
    RequestKey,
    Verdict,
    check,
    drafted,
    reply_of,
)
from tray.core.events import (
    AnswerDrafted,
    AnswerFailed,
    AnswerSent,
    Event,
    RequestAsked,
    RequestClosed,
    Restored,
    ServerConnected,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.sessions import Option, Question, Request, RequestKind

S = SERVER.id
COLOUR = Question("Which colour?", "Colour", (Option("Red"), Option("Blue")), custom=False)
SIZES = Question("Which sizes?", "Size", (Option("S"), Option("L"), Option("L, tall")), multiple=True)
PERMISSION = Request("p1", "a", RequestKind.PERMISSION, "bash", "git push", always=("git push *",))
QUESTIONS = Request("q1", "a", RequestKind.QUESTION, "Colour", "Which colour?", questions=(COLOUR, SIZES))
KEY = RequestKey(S, "p1")


def fleet_with(*events: Event) -> Fleet:
    fleet = Fleet()
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
        fleet.apply(event, 1000)
    return fleet


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (PERMISSION, Permit(Verdict.ONCE)),
        (PERMISSION, Permit(Verdict.ALWAYS)),
        (PERMISSION, Permit(Verdict.REJECT, "use a branch")),
        (QUESTIONS, Decline()),
        (QUESTIONS, Reply((("Red",), ("S", "L")))),
        (QUESTIONS, Reply((("Red",), ("in my own words",)))),
    ],
)
def test_a_fitting_answer_is_accepted(request_: Request, answer: Answer) -> None:
    check(request_, answer)


@pytest.mark.parametrize(
    ("request_", "answer", "reason"),
    [
        (PERMISSION, Reply((("Red",),)), "once, always or reject"),
        (PERMISSION, Decline(), "once, always or reject"),
        (PERMISSION, Permit(Verdict.ONCE, "but carefully"), "only allowed with reject"),
        (PERMISSION, Permit(Verdict.REJECT, "x" * (LONGEST + 1)), "at most"),
        (QUESTIONS, Permit(Verdict.ONCE), "this is a question"),
        (QUESTIONS, Reply((("Red",),)), "2 answers are needed"),
        (QUESTIONS, Reply((("Red", "Blue"), ("S",))), "takes one answer"),
        (QUESTIONS, Reply((("Green",), ("S",))), "one of: Red, Blue"),
        (QUESTIONS, Reply((("Red",), ())), "no answer yet"),
        (QUESTIONS, Reply((("Red",), ("  ",))), "one of"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_the_reason(request_: Request, answer: Answer, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason):
        check(request_, answer)


def test_typed_text_is_read_as_labels_or_as_own_text() -> None:
    assert reply_of(QUESTIONS, ["red", "s, L"]) == Reply((("Red",), ("S", "L")))
    assert reply_of(QUESTIONS, ["Blue", "l, tall"]) == Reply((("Blue",), ("L, tall",)))
    assert reply_of(QUESTIONS, ["Blue", "S, but wide"]) == Reply((("Blue",), ("S, but wide",)))
    with pytest.raises(AnswerError, match="1 answers for 2 questions"):
        reply_of(QUESTIONS, ["Red"])
    with pytest.raises(AnswerError, match="one of: Red, Blue"):
        reply_of(QUESTIONS, ["green", "S"])


def test_a_draft_keeps_one_label_or_several_as_the_question_takes() -> None:
    draft = drafted(drafted(QUESTIONS, 0, "Red"), 0, "Blue")
    draft = drafted(drafted(drafted(draft, 1, "S"), 1, "L"), 1, "S")
    assert draft.draft == (("Blue",), ("L",))
    assert drafted(draft, 2, "no such question") == draft
    assert drafted(draft, -1, "no such question") == draft


def test_an_answer_is_sending_until_opencode_confirms_it() -> None:
    fleet = fleet_with(RequestAsked(S, PERMISSION))
    fleet.apply(AnswerSent(KEY), 2000)
    sending = fleet.request(KEY)
    assert sending is not None
    assert sending.sending
    fleet.apply(RequestClosed(S, "a", "p1"), 3000)
    assert fleet.request(KEY) is None
    assert fleet.was_closed(KEY)


def test_a_failed_answer_makes_the_request_pending_with_the_reason() -> None:
    fleet = fleet_with(RequestAsked(S, PERMISSION), AnswerSent(KEY), AnswerFailed(KEY, "no answer in 10 s"))
    waiting = fleet.request(KEY)
    assert waiting is not None
    assert (waiting.sending, waiting.refusal) == (False, "no answer in 10 s")
    fleet.apply(AnswerSent(KEY), 2000)
    again = fleet.request(KEY)
    assert again is not None
    assert (again.sending, again.refusal) == (True, "")


def test_an_answer_to_a_closed_request_changes_no_other() -> None:
    other = replace(PERMISSION, id="p2")
    fleet = fleet_with(RequestAsked(S, PERMISSION), RequestClosed(S, "a", "p1"), RequestAsked(S, other))
    for late in (AnswerSent(KEY), AnswerFailed(KEY, "late"), AnswerDrafted(KEY, 0, "Red")):
        assert fleet.apply(late, 2000) == ()
    assert fleet.request(RequestKey(S, "p2")) is not None
    assert not fleet.was_closed(RequestKey(S, "p2"))


def test_a_read_only_server_is_not_changed_by_answers() -> None:
    watched = replace(SERVER, verified=False)
    fleet = fleet_with(ServerConnected(watched), SnapshotTaken(S), RequestAsked(S, PERMISSION))
    assert fleet.apply(AnswerSent(KEY), 2000) == ()


def test_an_answer_sent_by_a_killed_tray_is_pending_again() -> None:
    before = fleet_with(RequestAsked(S, PERMISSION), AnswerSent(KEY))
    after = Fleet()
    after.apply(Restored(tuple(before.servers.values()), tuple(before.sessions.values()), {}), 2000)
    waiting = after.request(KEY)
    assert waiting is not None
    assert not waiting.sending
