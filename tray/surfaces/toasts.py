"""The text and buttons of a notification, without the daemon that shows it. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tray.core.alerts import Alert, Reason
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import AnswerCommand, AnswerRequest, Command, OpenSession
from tray.core.sessions import Request, RequestKind
from tray.core.text import ELLIPSIS, GOES_ON, clean, is_shown_whole, shorten, width, wrap
from tray.system.notification_daemon import NotificationDaemon

TITLE_COLUMNS = 60  # Windows raises above 64 characters
BODY_COLUMNS = 200  # Windows raises above 256 characters
BODY_LINES = 3
NO_BUTTONS_NOTE = "Answer in the tray menu or with: opencode-tray reply"
_WIDE = frozenset("MWmw@%")  # twice as wide as the other letters of a proportional font


class Limits(msgspec.Struct, frozen=True):
    """What a notification daemon shows in full, in lines and columns.

    A wide letter counts as two columns, four capitals as five. Measured at scale 1 with 10 pt fonts. Daemons cut off
    what exceeds the limits, some of them without a sign.
    """

    columns: int = 180  # of a line; xfce4-notifyd wraps one to six lines of about 35
    lines: int = BODY_LINES
    breaks_at: int | None = None  # we break lines here, as the daemon cuts off long words and wrapped lines
    buttons: int = 4  # no desktop has room for more in one row
    button_columns: int = 24
    row_columns: int = 120  # of all buttons, each with 4 columns of space


_LIMITS = {  # by the name and vendor that the daemon reports
    ("lxqt-notificationd", "lxqt.org"): Limits(lines=4, breaks_at=24, buttons=2, button_columns=11),
    ("Notification Daemon", "GNOME"): Limits(row_columns=44),  # MATE's has the same name, and widens for its buttons
}
_DEFAULT_LIMITS = Limits()

_REASON_NAMES = {
    Reason.PERMISSION: "Permission",
    Reason.QUESTION: "Question",
    Reason.ERROR: "Failed",
    Reason.FINISHED: "Finished",
}


class ToastButton(msgspec.Struct, frozen=True):
    """A button and its command. The command keeps its request, even if the notification is outdated."""

    label: str
    command: Command


class Toast(msgspec.Struct, frozen=True):
    """The content of a notification: plain text, not yet escaped or cut."""

    title: str
    body: str
    reason: Reason | None = None  # None: it reports the result of a command
    click: Command | None = None
    buttons: tuple[ToastButton, ...] = ()
    field: Callable[[str], Command] | None = None  # the command for text typed into it, where the platform allows that
    note: str = ""  # a line of the tray's own, below the body

    @property
    def urgent(self) -> bool:
        """Whether it is shown during do-not-disturb.

        Only a permission is: the agent is about to do something that the user has to check. A question can wait, and
        an error has happened already.
        """
        return self.reason is Reason.PERMISSION

    @property
    def persistent(self) -> bool:
        """Whether it stays until it is withdrawn: a session waits for the user."""
        return self.reason is not None and self.reason.is_request


class Balloon(msgspec.Struct, frozen=True):
    """A text that the icon shows where the platform has no other notifications. It has no buttons."""

    title: str
    text: str
    click: Command | None = None


def toast_of(alert: Alert) -> Toast:
    """Return the notification for an alert. A click opens the session; buttons give the answers that fit."""
    go = OpenSession(alert.session)
    toast = Toast(f"{_REASON_NAMES[alert.reason]} · {alert.title}", alert.body, alert.reason, click=go)
    if alert.request is None:
        return toast
    review = (ToastButton("Review…", go),)
    answers = _answers(alert, alert.request) if alert.answerable else None
    if answers is None or not _fits(alert.body, answers, _DEFAULT_LIMITS):
        return replace(toast, buttons=review)
    return replace(toast, buttons=answers or review, field=_field(alert, alert.request))


def as_shown_by(daemon: NotificationDaemon, toast: Toast) -> Toast:
    """Return the notification as this daemon can show it, with clean and shortened text.

    Answers are offered only if the daemon shows the whole request beside them, otherwise *Review…*. If the daemon shows
    no buttons, a line says how to answer.
    """
    limits = _LIMITS.get((daemon.name, daemon.vendor), _DEFAULT_LIMITS)
    has_answers = any(isinstance(button.command, AnswerCommand) for button in toast.buttons)
    if has_answers and not daemon.shows_buttons:
        toast = replace(toast, note=NO_BUTTONS_NOTE)
    elif has_answers and toast.click is not None and not _fits(toast.body, toast.buttons, limits):
        toast = replace(toast, buttons=(ToastButton("Review…", toast.click),), field=None, note="")
    title, body, note = shorten(toast.title, TITLE_COLUMNS), _body_text(toast.body), toast.note
    if limits.breaks_at is not None:
        title = "\n".join(_wrapped(shorten(toast.title, 2 * limits.breaks_at), limits.breaks_at))
        lines = _wrapped(body, limits.breaks_at, mark_breaks=toast.reason is Reason.PERMISSION)
        body = "\n".join(_first_lines(limits.lines, lines))
        note = "\n".join(_wrapped(note, limits.breaks_at))
    return replace(toast, title=title, body=f"{body}\n{note}" if note else body, note="")


def _wrapped(text: str, columns: int, *, mark_breaks: bool = False) -> list[str]:
    """Return clean lines of at most `columns` columns. `mark_breaks` shows which line breaks are ours."""
    pieces = [piece.rstrip() for line in text.splitlines() for piece in wrap(clean(line), columns)]
    return pieces if mark_breaks else [piece.removeprefix(GOES_ON) for piece in pieces]


def _first_lines(count: int, lines: list[str]) -> list[str]:
    return lines if len(lines) <= count else [*lines[: count - 1], f"{lines[count - 1]}{ELLIPSIS}"]


def _fits(body: str, buttons: tuple[ToastButton, ...], limits: Limits) -> bool:
    """Return whether the daemon shows the whole body and all buttons."""
    lines = body.splitlines()
    columns = limits.columns
    if limits.breaks_at is not None:
        lines, columns = _wrapped(body, limits.breaks_at, mark_breaks=True), limits.breaks_at + 2
    labels = [_drawn_width(button.label) for button in buttons]
    return (
        len(lines) <= limits.lines
        and all(_drawn_width(line) <= columns for line in lines)
        and len(labels) <= limits.buttons
        and all(label <= limits.button_columns for label in labels)
        and sum(label + 4 for label in labels) <= limits.row_columns
    )


def _drawn_width(text: str) -> int:
    """Return the columns that a text takes in a proportional font."""
    return width(text) + sum(character in _WIDE for character in text) + sum(map(str.isupper, text)) // 4


def _answers(alert: Alert, request: Request) -> tuple[ToastButton, ...] | None:
    """Return the answers as buttons; None if buttons cannot show them. "Always" is offered in the menu only."""
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


def _body_text(body: str) -> str:
    return "\n".join(shorten(line, BODY_COLUMNS) for line in body.splitlines()[:BODY_LINES])
