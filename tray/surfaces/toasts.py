"""What a notification says and offers: pure, without the daemon that shows it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import AnswerCommand, AnswerRequest, Command, OpenSession
from tray.core.model import Request, RequestKind
from tray.core.text import ELLIPSIS, GOES_ON, clean, is_shown_whole, shorten, width, wrap
from tray.system.notification_daemon import NotificationDaemon

TITLE_COLUMNS = 60  # Windows raises above 64 characters
BODY_COLUMNS = 200  # Windows raises above 256 characters
BODY_LINES = 3
ELSEWHERE = "Answer in the tray's menu or: opencode-tray reply"
_WIDE = frozenset("MWmw@%")  # twice as wide as the other letters of a proportional font


class Limits(msgspec.Struct, frozen=True):
    """What a notification daemon shows whole, in lines and columns; a wide letter counts as two, four capitals as five.

    Measured at 1x with 10 pt fonts. More than that is cut off, in places without a sign that it is.
    """

    columns: int = 180  # of a line; xfce4-notifyd wraps one to six lines of some 35
    lines: int = BODY_LINES
    breaks_at: int | None = None  # lines are broken here, as the daemon cuts long words and wrapped lines off
    buttons: int = 4  # more do not fit beside each other on any desktop
    button_columns: int = 24
    row_columns: int = 120  # of all buttons, with a space of 4 around each


_LIMITS = {  # by the name and vendor that the daemon gives itself
    ("lxqt-notificationd", "lxqt.org"): Limits(lines=4, breaks_at=24, buttons=2, button_columns=11),
    ("Notification Daemon", "GNOME"): Limits(row_columns=44),  # MATE's has the same name, and grows with its buttons
}
_ANY = Limits()

_WORDS = {
    Reason.PERMISSION: "Permission",
    Reason.QUESTION: "Question",
    Reason.ERROR: "Failed",
    Reason.FINISHED: "Finished",
}


class ToastButton(msgspec.Struct, frozen=True):
    """A button, and what it chooses. It hangs on its own toast: a stale one chooses nothing but what it always did."""

    label: str
    choice: Command


class Toast(msgspec.Struct, frozen=True):
    """What is shown: plain text, not yet escaped or cut."""

    title: str
    body: str
    reason: Reason | None = None  # None: it says what was done
    click: Command | None = None
    buttons: tuple[ToastButton, ...] = ()
    field: Callable[[str], Command] | None = None  # what a text typed into it chooses, where the platform has one
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
    go = OpenSession(alert.session)
    toast = Toast(f"{_WORDS[alert.reason]} · {alert.title}", alert.body, alert.reason, click=go)
    if alert.request is None:
        return toast
    review = (ToastButton("Review…", go),)
    answers = _answers(alert, alert.request) if alert.answerable else None
    if answers is None or not _fits(alert.body, answers, _ANY):
        return replace(toast, buttons=review)
    return replace(toast, buttons=answers or review, field=_field(alert, alert.request))


def as_shown_by(daemon: NotificationDaemon, toast: Toast) -> Toast:
    """The toast as this daemon can show it, its text clean and cut.

    An answer is offered only where all that is asked can be read beside it, else *Review…*. Where there are no
    buttons, a line says how to answer.
    """
    limits = _LIMITS.get((daemon.name, daemon.vendor), _ANY)
    answers = any(isinstance(button.choice, AnswerCommand) for button in toast.buttons)
    if answers and not daemon.shows_buttons:
        toast = replace(toast, note=ELSEWHERE)
    elif answers and toast.click is not None and not _fits(toast.body, toast.buttons, limits):
        toast = replace(toast, buttons=(ToastButton("Review…", toast.click),), field=None, note="")
    title, body, note = shorten(toast.title, TITLE_COLUMNS), body_text(toast.body), toast.note
    if limits.breaks_at is not None:
        title = "\n".join(_wrapped(shorten(toast.title, 2 * limits.breaks_at), limits.breaks_at))
        wrapped = _wrapped(body, limits.breaks_at, marked=toast.reason is Reason.PERMISSION)
        body = "\n".join(_first(limits.lines, wrapped))
        note = "\n".join(_wrapped(note, limits.breaks_at))
    return replace(toast, title=title, body=f"{body}\n{note}" if note else body, note="")


def _wrapped(text: str, columns: int, *, marked: bool = False) -> list[str]:
    """Clean lines of at most so many columns. `marked` shows, as in a command it matters, which break is ours."""
    pieces = [piece.rstrip() for line in text.splitlines() for piece in wrap(clean(line), columns)]
    return pieces if marked else [piece.removeprefix(GOES_ON) for piece in pieces]


def _first(most: int, lines: list[str]) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]}{ELLIPSIS}"]


def _fits(body: str, buttons: tuple[ToastButton, ...], limits: Limits) -> bool:
    """Whether nothing is left out of what is asked, nor of what is offered."""
    lines = body.splitlines()
    columns = limits.columns
    if limits.breaks_at is not None:
        lines, columns = _wrapped(body, limits.breaks_at, marked=True), limits.breaks_at + 2
    labels = [_spread(button.label) for button in buttons]
    return (
        len(lines) <= limits.lines
        and all(_spread(line) <= columns for line in lines)
        and len(labels) <= limits.buttons
        and all(label <= limits.button_columns for label in labels)
        and sum(label + 4 for label in labels) <= limits.row_columns
    )


def _spread(text: str) -> int:
    """Columns that it takes in a proportional font."""
    return width(text) + sum(character in _WIDE for character in text) + sum(map(str.isupper, text)) // 4


def _answers(alert: Alert, request: Request) -> tuple[ToastButton, ...] | None:
    """The buttons that answer; None where so few and so short ones cannot. Never "always": that is a menu's matter."""
    key = RequestKey(alert.session.server, request.id)
    if request.kind is RequestKind.PERMISSION:
        if not request.complete or not is_shown_whole(request.detail):
            return None
        return (
            ToastButton("Allow once", AnswerRequest(key, Permit(Verdict.ONCE), request)),
            ToastButton("Reject", AnswerRequest(key, Permit(Verdict.REJECT), request)),
        )
    if len(request.questions) != 1 or request.questions[0].multiple or not request.complete:
        return None
    labels = [option.label for option in request.questions[0].options]
    if not all(map(is_shown_whole, (request.detail, *labels))):
        return None
    return tuple(ToastButton(clean(label), AnswerRequest(key, Reply(((label,),)), request)) for label in labels)


def _field(alert: Alert, request: Request) -> Callable[[str], Command] | None:
    if request.kind is not RequestKind.QUESTION or not request.questions[0].custom:
        return None
    key = RequestKey(alert.session.server, request.id)
    return lambda text: AnswerRequest(key, Reply(((text,),)), request)


def body_text(body: str) -> str:
    """At most three clean lines."""
    return "\n".join(shorten(line, BODY_COLUMNS) for line in body.splitlines()[:BODY_LINES])
