"""The content of a notification: buttons answer only requests that are shown in full, and never with "always"."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageChops

from replay import SERVER
from tray.core.alerts import AlertRules, Reason, wanted_alert
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import AnswerRequest, OpenSession
from tray.core.events import RequestAsked, ServerConnected, SessionFacts, SessionFailed, SessionReported, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.session_index import SessionIndex
from tray.core.sessions import Failure, Option, Question, Request, RequestKind, SessionKey, Status
from tray.core.text import width
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import IconView
from tray.surfaces.toasts import Toast, as_shown_by, toast_of
from tray.system import resources
from tray.system.notification_daemon import NotificationDaemon

S = SERVER.id
GO = OpenSession(SessionKey(S, "a"))
PERMISSION = Request("p1", "a", RequestKind.PERMISSION, "bash", "git push", always=("git push *",), asked_at=1)
ABLE = frozenset({"body", "actions"})
LXQT = NotificationDaemon("lxqt-notificationd", ABLE, "lxqt.org")
GNOMES, MATES = (NotificationDaemon("Notification Daemon", ABLE, vendor) for vendor in ("GNOME", "MATE"))
COLOUR = Question("Which colour?", "Colour", (Option("Red"), Option("Blue")))


def toast(request: Request | None, server: Server = SERVER) -> Toast:
    fleet = Fleet()
    index = SessionIndex(fleet)
    asked = RequestAsked(S, request) if request else SessionFailed(S, "a", Failure("X", "no"))
    for event in (
        ServerConnected(server),
        SnapshotTaken(S),
        SessionReported(S, SessionFacts("a", title="Work")),
        asked,
    ):
        index.update(fleet.apply(event, 1))
    row = index.row("a")
    assert row is not None
    alert = wanted_alert(row, AlertRules(), "project")
    assert alert is not None
    return toast_of(alert)


def question(*questions: Question) -> Request:
    return Request("q1", "a", RequestKind.QUESTION, "Colour", "Which colour?", questions=questions, asked_at=1)


def labels(shown: Toast) -> list[str]:
    return [button.label for button in shown.buttons]


def test_a_permission_that_is_shown_in_full_has_buttons_for_its_answers() -> None:
    shown = toast(PERMISSION)
    key = RequestKey(S, "p1")
    assert [(button.label, button.command) for button in shown.buttons] == [
        ("Allow once", AnswerRequest(key, Permit(Verdict.ONCE), PERMISSION)),
        ("Reject", AnswerRequest(key, Permit(Verdict.REJECT), PERMISSION)),
    ]
    assert shown.click == GO


@pytest.mark.parametrize(
    "change",
    [
        {"detail": "echo " + "x" * 300},
        {"detail": "one\ntwo\nthree\nfour"},
        {"detail": "rm -rf /\u202e"},
        {"detail": "ls", "complete": False},
    ],
)
def test_a_permission_that_is_not_shown_in_full_has_a_review_button(change: dict[str, Any]) -> None:
    shown = toast(replace(PERMISSION, **change))
    assert [(button.label, button.command) for button in shown.buttons] == [("Review…", GO)]


def test_a_question_has_its_options_as_buttons_and_a_text_field() -> None:
    request = question(COLOUR)
    shown = toast(request)
    key = RequestKey(S, "q1")
    assert [(button.label, button.command) for button in shown.buttons] == [
        ("Red", AnswerRequest(key, Reply((("Red",),)), request)),
        ("Blue", AnswerRequest(key, Reply((("Blue",),)), request)),
    ]
    assert shown.field is not None
    assert shown.field("mauve") == AnswerRequest(key, Reply((("mauve",),)), request)
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
def test_a_question_that_buttons_cannot_answer_has_a_review_button(questions: tuple[Question, ...]) -> None:
    assert labels(toast(question(*questions))) == ["Review…"]


@pytest.mark.parametrize(
    ("detail", "answered"),
    [
        ("git push --force origin main", True),
        ("x" * 60, True),
        ("x" * 90, False),  # broken into five lines
        ("W" * 40, False),  # in a proportional font twice as wide
        ("one\ntwo\nthree", True),
    ],
)
def test_lxqt_gets_short_lines_and_answers_only_if_all_of_them_are_shown(detail: str, answered: bool) -> None:
    """lxqt-notificationd cuts off words longer than a line, and the last line of a text that it wraps."""
    asked = toast(replace(PERMISSION, detail=detail))
    shown = as_shown_by(LXQT, replace(asked, title=f"{asked.title} on the dark mode of the settings page"))
    assert labels(shown) == (["Allow once", "Reject"] if answered else ["Review…"])
    lines = [*shown.title.split("\n"), *shown.body.split("\n")]
    assert all(width(line) <= 25 for line in lines)
    assert len(lines) <= 3 + 4
    if answered:
        assert "".join(lines[len(shown.title.split("\n")) :]).replace("↪ ", "").replace(" ", "") == (
            f"bash:{detail}".replace("\n", "").replace(" ", "")
        )


@pytest.mark.parametrize(
    ("daemon", "options", "offered"),
    [
        (LXQT, ("Red", "Light blue"), True),
        (LXQT, ("Red", "Keep the load"), False),  # shown as "Keep the lo…"
        (LXQT, ("Red", "Blue", "Green"), False),  # a list to choose from, as wide as its shortest entry
        (GNOMES, ("Keep the load", "Drain the node"), True),
        (GNOMES, ("Keep the load on it", "Drain the node", "Later"), False),  # the third lies beyond the edge
        (MATES, ("Keep the load on it", "Drain the node", "Later"), True),
    ],
)
def test_options_are_buttons_only_if_all_of_them_are_shown_in_full(
    daemon: NotificationDaemon, options: tuple[str, ...], offered: bool
) -> None:
    asked = toast(question(replace(COLOUR, options=tuple(map(Option, options)))))
    shown = as_shown_by(daemon, asked)
    assert labels(shown) == (list(options) if offered else ["Review…"])
    assert (shown.field is not None) == offered


def test_a_note_is_added_below_the_request_without_cutting_it() -> None:
    asked = replace(toast(replace(PERMISSION, detail="one\ntwo\nthree")), note="Not sent: shown just now. Click again.")
    assert as_shown_by(MATES, asked).body == "bash: one\ntwo\nthree\nNot sent: shown just now. Click again."
    assert as_shown_by(LXQT, asked).body == "bash: one\ntwo\nthree\nNot sent: shown just\nnow. Click again."


def test_a_request_of_an_unverified_server_has_no_answers() -> None:
    assert labels(toast(PERMISSION, replace(SERVER, verified=False))) == ["Review…"]


def test_an_error_has_no_buttons() -> None:
    shown = toast(None)
    assert (shown.buttons, shown.field, shown.click) == ((), None, GO)


def test_the_title_begins_with_the_reason() -> None:
    titles = [toast(asked).title for asked in (PERMISSION, question(COLOUR), None)]
    assert titles == ["Permission · project — Work", "Question · project — Work", "Failed · project — Work"]


def test_only_permissions_are_urgent_and_only_requests_are_persistent() -> None:
    shown = [toast(asked) for asked in (PERMISSION, question(COLOUR), None)]
    assert [(each.urgent, each.persistent) for each in shown] == [(True, True), (False, True), (False, False)]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.PERMISSION, Status.WAITING_FOR_PERMISSION),
        (Reason.QUESTION, Status.WAITING_FOR_ANSWER),
        (Reason.ERROR, Status.ERROR),
        (Reason.FINISHED, Status.COMPLETED),
    ],
)
def test_each_reason_has_the_icon_of_its_state(reason: Reason, status: Status) -> None:
    """packaging/build_assets.py draws them; they come with the wheel."""
    file = resources.toast_image(reason.value)
    assert file is not None
    with Image.open(file) as picture:
        difference = ImageChops.difference(picture, draw(IconView(status), picture.width))
        assert all(most < 16 for _, most in difference.getextrema())  # Pillow's smoothing may change
