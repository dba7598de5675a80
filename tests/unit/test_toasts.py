"""The buttons of a notification: an answer only where all that is asked can be read there, and never "always"."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from replay import SERVER
from tray.core.alerts import AlertRules, Reason, wanted_alert
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.board import Board
from tray.core.choices import GoTo, Respond
from tray.core.events import RequestAsked, ServerConnected, SessionFacts, SessionFailed, SessionReported, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.model import Failure, Option, Question, Request, RequestKind, Server, SessionKey, Status
from tray.surfaces.icon import draw
from tray.surfaces.toasts import Toast, toast_of
from tray.surfaces.view import IconView
from tray.system import resources

S = SERVER.id
GO = GoTo(SessionKey(S, "a"))
PERMISSION = Request("p1", "a", RequestKind.PERMISSION, "bash", "git push", always=("git push *",), asked_at=1)
COLOUR = Question("Which colour?", "Colour", (Option("Red"), Option("Blue")))


def toast(request: Request | None, server: Server = SERVER) -> Toast:
    fleet = Fleet()
    board = Board(fleet)
    asked = RequestAsked(S, request) if request else SessionFailed(S, "a", Failure("X", "no"))
    for event in (
        ServerConnected(server),
        SnapshotTaken(S),
        SessionReported(S, SessionFacts("a", title="Work")),
        asked,
    ):
        board.update(fleet.apply(event, 1))
    row = board.row("a")
    assert row is not None
    alert = wanted_alert(row, AlertRules())
    assert alert is not None
    return toast_of(alert)


def question(*questions: Question) -> Request:
    return Request("q1", "a", RequestKind.QUESTION, "Colour", "Which colour?", questions=questions, asked_at=1)


def labels(shown: Toast) -> list[str]:
    return [button.label for button in shown.buttons]


def test_a_permission_that_can_be_read_whole_is_answered_by_its_buttons() -> None:
    shown = toast(PERMISSION)
    key = RequestKey(S, "p1")
    assert [(button.label, button.choice) for button in shown.buttons] == [
        ("Allow once", Respond(key, Permit(Verdict.ONCE), PERMISSION)),
        ("Reject", Respond(key, Permit(Verdict.REJECT), PERMISSION)),
    ]
    assert shown.click == GO


@pytest.mark.parametrize(
    "change",
    [
        {"detail": "echo " + "x" * 300},
        {"detail": "one\ntwo\nthree\nfour"},
        {"detail": "rm -rf /\u202e"},
        {"detail": "ls", "whole": False},
    ],
)
def test_one_that_cannot_is_reviewed_where_it_can(change: dict[str, Any]) -> None:
    shown = toast(replace(PERMISSION, **change))
    assert [(button.label, button.choice) for button in shown.buttons] == [("Review…", GO)]


def test_a_question_has_its_options_for_buttons_and_a_field_for_words_of_ones_own() -> None:
    request = question(COLOUR)
    shown = toast(request)
    key = RequestKey(S, "q1")
    assert [(button.label, button.choice) for button in shown.buttons] == [
        ("Red", Respond(key, Reply((("Red",),)), request)),
        ("Blue", Respond(key, Reply((("Blue",),)), request)),
    ]
    assert shown.field is not None
    assert shown.field("mauve") == Respond(key, Reply((("mauve",),)), request)
    assert toast(question(replace(COLOUR, custom=False))).field is None


@pytest.mark.parametrize(
    "questions",
    [
        (COLOUR, COLOUR),
        (replace(COLOUR, multiple=True),),
        (replace(COLOUR, options=tuple(Option(str(number)) for number in range(5))),),
        (replace(COLOUR, options=(Option("x" * 30),)),),
    ],
)
def test_a_question_that_buttons_cannot_answer_is_reviewed(questions: tuple[Question, ...]) -> None:
    assert labels(toast(question(*questions))) == ["Review…"]


def test_on_a_link_that_only_watches_there_is_no_answer() -> None:
    assert labels(toast(PERMISSION, replace(SERVER, verified=False))) == ["Review…"]


def test_an_error_asks_nothing() -> None:
    shown = toast(None)
    assert (shown.buttons, shown.field, shown.click) == ((), None, GO)


def test_the_first_word_says_why_a_person_is_told() -> None:
    titles = [toast(asked).title for asked in (PERMISSION, question(COLOUR), None)]
    assert titles == ["Permission · project — Work", "Question · project — Work", "Failed · project — Work"]


def test_only_a_permission_breaks_a_do_not_disturb_and_whoever_waits_stays_on_the_screen() -> None:
    shown = [toast(asked) for asked in (PERMISSION, question(COLOUR), None)]
    assert [(one.urgent, one.lasts) for one in shown] == [(True, True), (False, True), (False, False)]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.PERMISSION, Status.WAITING_FOR_PERMISSION),
        (Reason.QUESTION, Status.WAITING_FOR_ANSWER),
        (Reason.ERROR, Status.ERROR),
        (Reason.FINISHED, Status.COMPLETED),
    ],
)
def test_each_reason_has_the_picture_of_its_state(reason: Reason, status: Status) -> None:
    """packaging/build_assets.py draws them; they come with the wheel."""
    file = resources.picture(reason.value)
    assert file is not None
    with Image.open(file) as picture:
        assert picture.tobytes() == draw(IconView(status), picture.width).tobytes()
