"""The message for an alert: as much of it as the channel's settings allow. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.alerts import Alert, Reason
from tray.core.answer_codes import coded_answers, text_code
from tray.core.channel_settings import Detail
from tray.core.sessions import Request
from tray.core.text import clean, hides, shorten
from tray.surfaces.channels.channel import ChannelMessage, Limits

MAX_TITLE = 120  # columns
NAMES = {
    Reason.PERMISSION: "Permission",
    Reason.QUESTION: "Question",
    Reason.ERROR: "Failed",
    Reason.FINISHED: "Finished",
}
HIDDEN = {
    Reason.PERMISSION: "A session needs you",
    Reason.QUESTION: "A session needs you",
    Reason.ERROR: "A session has failed",
    Reason.FINISHED: "A session has finished",
}


def message_of(alert: Alert, detail: Detail, limits: Limits) -> ChannelMessage:
    """Return the message. It has buttons only if it shows the whole request."""
    session, reason = alert.session.session, alert.reason
    if detail is Detail.NOTHING:
        return ChannelMessage(session, reason.value, HIDDEN[reason])
    title = shorten(f"{NAMES[reason]} · {alert.title}", MAX_TITLE)
    if detail is Detail.TITLE:
        return ChannelMessage(session, reason.value, title, clean(alert.request.title) if alert.request else "")
    text = _text(alert)
    is_whole = len(text) <= limits.text
    message = ChannelMessage(session, reason.value, title, text if is_whole else shorten(text, limits.text))
    if alert.request is None or not alert.answerable or not is_whole or not limits.buttons:
        return message
    return _with_answers(message, alert.session.server, alert.request, limits)


def _text(alert: Alert) -> str:
    """Return all that the user has to see before an answer, exactly as it is, unless it contains hidden characters."""
    questions = alert.request.questions if alert.request is not None else ()
    options = [
        f"• {option.label} — {option.description}" if option.description else f"• {option.label}"
        for option in (questions[0].options if questions else ())
    ]
    text = "\n".join([alert.body, *options])
    return "\n".join(map(clean, text.splitlines())) if hides(text) else text


def _with_answers(message: ChannelMessage, server: str, request: Request, limits: Limits) -> ChannelMessage:
    answers = coded_answers(server, request)
    if len(answers) > limits.buttons or any(len(answer.label) > limits.label for answer in answers):
        answers = ()
    return replace(message, answers=answers, text_code=text_code(server, request))
