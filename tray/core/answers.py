"""Answers to requests, and whether an answer fits its request."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tray.core.errors import UserError
from tray.core.servers import Server
from tray.core.sessions import Question, Request, RequestKind
from tray.core.text import hides

SENDING, ANSWERED = "sending", "answered"  # results in the audit log, of an answer that was sent, and confirmed
LONGEST = 10_000  # characters of a message or of an answer in the user's own words


class RequestKey(NamedTuple):
    """One request of one server. OpenCode never reuses the id of a request."""

    server: str
    request: str


class Verdict(Enum):
    """OpenCode's values for an answer to a permission."""

    ONCE = "once"
    ALWAYS = "always"
    REJECT = "reject"


class Permit(msgspec.Struct, frozen=True):
    """An answer to a permission. `message` tells the agent what to do instead; only with REJECT."""

    verdict: Verdict
    message: str = ""


class Reply(msgspec.Struct, frozen=True):
    """Answers to all questions of a request, in order: the chosen labels, or the user's own text."""

    answers: tuple[tuple[str, ...], ...]


class Decline(msgspec.Struct, frozen=True):
    """Reject the questions: they stay without an answer."""


Answer = Permit | Reply | Decline


class AnswerError(UserError):
    """The answer does not fit the request. The text says which answers do."""

    is_usage = True


def read_only_reason(server: Server, request: Request) -> str:
    """Return why a request cannot be answered from here, and what to do; "" if it can be answered."""
    return server.read_only_reason or request.read_only_reason


def is_readable(request: Request) -> bool:
    """Whether the user sees all of what an answer allows or chooses: it is complete, and no character is hidden."""
    labels = [option.label for question in request.questions for option in question.options]
    questions = [question.question for question in request.questions]
    return request.complete and not any(map(hides, (request.detail, *questions, *labels)))


def may_be_always(request: Request) -> bool:
    """Whether the answer "always" may be offered: there are patterns, and no character of them is hidden."""
    return is_readable(request) and bool(request.always) and not any(map(hides, request.always))


def asks_the_same(request: Request, other: Request) -> bool:
    """Whether both requests ask for the same, so that an answer to one may be sent to the other."""
    return (request.kind, request.title, request.detail, request.always, request.questions) == (
        other.kind,
        other.title,
        other.detail,
        other.always,
        other.questions,
    )


def check(request: Request, answer: Answer) -> None:
    """Raise AnswerError if the answer does not fit the request."""
    if isinstance(answer, Permit):
        if request.kind is not RequestKind.PERMISSION:
            raise AnswerError("this is a question: answer or reject it")
        if answer.message and answer.verdict is not Verdict.REJECT:
            raise AnswerError("a message is only allowed with reject")
        _check_length(answer.message)
        return
    if request.kind is not RequestKind.QUESTION:
        raise AnswerError("this is a permission: answer once, always or reject")
    if isinstance(answer, Decline):
        return
    if len(answer.answers) != len(request.questions):
        raise AnswerError(
            f"{len(request.questions)} answers are needed, one for each question; {len(answer.answers)} were given"
        )
    for question, chosen in zip(request.questions, answer.answers, strict=True):
        _check_choice(question, chosen)


def _check_choice(question: Question, chosen: tuple[str, ...]) -> None:
    labels = [option.label for option in question.options]
    if not chosen:
        raise AnswerError(f"{question.question!r} has no answer yet")
    if len(chosen) > 1 and not question.multiple:
        raise AnswerError(f"{question.question!r} takes one answer")
    for text in chosen:
        _check_length(text)
        if text not in labels and not (question.custom and text.strip()):
            raise AnswerError(f"{question.question!r} takes one of: {', '.join(labels)}")


def _check_length(text: str) -> None:
    if len(text) > LONGEST:
        raise AnswerError(f"too long: {len(text)} characters; at most {LONGEST} are allowed")


def reply_of(request: Request, texts: Sequence[str]) -> Reply:
    """Return the answer for typed texts, one for each question. Raises AnswerError.

    A text is a label in any case, or the user's own text. For a question with several answers it may be labels
    separated by commas.
    """
    if len(texts) != len(request.questions):
        asked = "; ".join(question.question for question in request.questions)
        raise AnswerError(f"{len(texts)} answers for {len(request.questions)} questions: {asked}")
    reply = Reply(tuple(_chosen(question, text) for question, text in zip(request.questions, texts, strict=True)))
    check(request, reply)
    return reply


def _chosen(question: Question, text: str) -> tuple[str, ...]:
    labels = {option.label.casefold(): option.label for option in question.options}
    label = labels.get(text.strip().casefold())
    if label is not None:
        return (label,)
    parts = [labels.get(part.strip().casefold()) for part in text.split(",")]
    if question.multiple and all(parts):
        return tuple(dict.fromkeys(part for part in parts if part))
    return (text,) if text.strip() else ()


def drafted(request: Request, question: int, label: str) -> Request:
    """Return the request with this label added to, or removed from, the draft of its answer."""
    if not 0 <= question < len(request.questions):
        return request
    before = request.draft or tuple(() for _ in request.questions)
    chosen = before[question]
    if label in chosen:
        after = tuple(text for text in chosen if text != label)
    else:
        after = (*chosen, label) if request.questions[question].multiple else (label,)
    return replace(request, draft=(*before[:question], after, *before[question + 1 :]))
