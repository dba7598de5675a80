"""The message for an alert: as much of it as the channel's settings allow. Pure."""

from __future__ import annotations

from hashlib import sha256

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
    """Return the message. It has buttons only if it shows the whole request, as it is."""
    session, reason = alert.session.session, alert.reason
    occasion = "" if reason.is_request else str(alert.due)  # the same error may come again
    identity = "\n".join((*alert.session, alert.identity, occasion))
    identifier = sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]
    if detail is Detail.NOTHING:
        return ChannelMessage(session, identifier, reason, HIDDEN[reason])
    title = shorten(f"{NAMES[reason]} · {alert.title}", MAX_TITLE)
    if detail is Detail.TITLE:
        tool = clean(alert.request.title) if alert.request is not None else ""
        return ChannelMessage(session, identifier, reason, title, tool)
    text = _text(alert)
    is_exact = not hides(text)
    shown = text if is_exact else "\n".join(map(clean, text.splitlines()))
    is_whole = limits.measure(shown) <= limits.text
    message = ChannelMessage(session, identifier, reason, title, shown if is_whole else _cut(shown, limits))
    if alert.request is None or not alert.answerable or not is_exact or not is_whole or not limits.buttons:
        return message
    return _with_answers(message, alert.session.server, alert.request, limits)


def _text(alert: Alert) -> str:
    """Return all that the user has to see before an answer."""
    questions = alert.request.questions if alert.request is not None else ()
    options = [
        f"• {option.label} — {option.description}" if option.description else f"• {option.label}"
        for option in (questions[0].options if questions else ())
    ]
    return "\n".join([alert.body, *options])


def _cut(text: str, limits: Limits) -> str:
    """Return the beginning of a text that is too long."""
    shortened = shorten(text, limits.text)
    while limits.measure(shortened) > limits.text:
        shortened = shorten(shortened, len(shortened) // 2)
    return shortened


def _with_answers(message: ChannelMessage, server: str, request: Request, limits: Limits) -> ChannelMessage:
    answers = coded_answers(server, request)
    if len(answers) > limits.buttons or any(len(answer.label) > limits.label for answer in answers):
        answers = ()
    return replace(message, answers=answers, text_code=text_code(server, request))
