"""What a notification says and offers: pure, without the daemon that shows it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.choices import AnswerChoice, Choice, GoTo, Respond
from tray.core.model import Request, RequestKind
from tray.core.text import clean, is_shown_whole, shorten, width

TITLE_COLUMNS = 60  # Windows raises above 64 characters
BODY_COLUMNS = 200  # Windows raises above 256 characters
BODY_LINES = 3
ELSEWHERE = "Answer in the tray's menu, or with: opencode-tray reply"
BUTTONS = 4  # more do not fit beside each other on any desktop
BUTTON_COLUMNS = 24


_WORDS = {
    Reason.PERMISSION: "Permission",
    Reason.QUESTION: "Question",
    Reason.ERROR: "Failed",
    Reason.FINISHED: "Finished",
}


class ToastButton(msgspec.Struct, frozen=True):
    """A button, and what it chooses. It hangs on its own toast: a stale one chooses nothing but what it always did."""

    label: str
    choice: Choice


class Toast(msgspec.Struct, frozen=True):
    """What is shown: plain text, not yet escaped or cut."""

    title: str
    body: str
    reason: Reason | None = None  # None: it says what was done
    click: Choice | None = None
    buttons: tuple[ToastButton, ...] = ()
    field: Callable[[str], Choice] | None = None  # what a text typed into it chooses, where the platform has one
    note: str = ""  # a line of the tray's own, below the body

    @property
    def urgent(self) -> bool:
        """Whether it may break a do-not-disturb.

        Only a permission: somebody has to look at what the agent is about to do. A question can wait for the end of
        the person's quiet, and an error has happened already.
        """
        return self.reason is Reason.PERMISSION

    @property
    def lasts(self) -> bool:
        """Whether it stays until it is withdrawn: somebody is waited for."""
        return self.reason is not None and self.reason.is_request


def toast_of(alert: Alert) -> Toast:
    """The toast of an alert: a click goes to the session, the buttons answer what can be answered in so few words."""
    go = GoTo(alert.session)
    toast = Toast(f"{_WORDS[alert.reason]} · {alert.title}", alert.body, alert.reason, click=go)
    if alert.request is None:
        return toast
    review = (ToastButton("Review…", go),)
    answers = _answers(alert, alert.request) if alert.answerable and fits(alert.body) else None
    if answers is None:
        return replace(toast, buttons=review)
    return replace(toast, buttons=answers or review, field=_field(alert, alert.request))


def without_buttons(toast: Toast) -> Toast:
    """The same for a desktop without buttons: where something can be answered, a line says how."""
    answerable = any(isinstance(button.choice, AnswerChoice) for button in toast.buttons)
    return replace(toast, note=ELSEWHERE) if answerable and not toast.note else toast


def _answers(alert: Alert, request: Request) -> tuple[ToastButton, ...] | None:
    """The buttons that answer; None where so few and so short ones cannot. Never "always": that is a menu's matter."""
    key = RequestKey(alert.session.server, request.id)
    if request.kind is RequestKind.PERMISSION:
        if not request.whole or not is_shown_whole(request.detail):
            return None
        return (
            ToastButton("Allow once", Respond(key, Permit(Verdict.ONCE), request)),
            ToastButton("Reject", Respond(key, Permit(Verdict.REJECT), request)),
        )
    if len(request.questions) != 1 or request.questions[0].multiple or not request.whole:
        return None
    labels = [option.label for option in request.questions[0].options]
    if (
        not is_shown_whole(request.detail)
        or len(labels) > BUTTONS
        or not all(width(label) <= BUTTON_COLUMNS and is_shown_whole(label) for label in labels)
    ):
        return None
    return tuple(ToastButton(clean(label), Respond(key, Reply(((label,),)), request)) for label in labels)


def _field(alert: Alert, request: Request) -> Callable[[str], Choice] | None:
    if request.kind is not RequestKind.QUESTION or not request.questions[0].custom:
        return None
    key = RequestKey(alert.session.server, request.id)
    return lambda text: Respond(key, Reply(((text,),)), request)


def body_text(body: str) -> str:
    """At most three clean lines."""
    return "\n".join(shorten(line, BODY_COLUMNS) for line in body.splitlines()[:BODY_LINES])


def fits(body: str) -> bool:
    """Whether `body_text` leaves nothing of it out."""
    lines = body.splitlines()
    return len(lines) <= BODY_LINES and all(width(line) <= BODY_COLUMNS for line in lines)
