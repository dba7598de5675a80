"""What a person can answer to a request, and whether that fits what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tray.core.errors import UserError
from tray.core.model import Question, Request, RequestKind

LONGEST = 10_000  # characters of a message or of an answer in a person's own words


class RequestKey(NamedTuple):
    """One request of one server. OpenCode never uses a request's id again."""

    server: str
    request: str


class Verdict(Enum):
    """OpenCode's own words for an answer to a permission."""

    ONCE = "once"
    ALWAYS = "always"
    REJECT = "reject"


class Permit(msgspec.Struct, frozen=True):
    """An answer to a permission. `message` tells the agent what to do instead; only with REJECT."""

    verdict: Verdict
    message: str = ""


class Reply(msgspec.Struct, frozen=True):
    """Answers to all questions of a request, in order: the labels chosen, or a text of one's own."""

    answers: tuple[tuple[str, ...], ...]


class Decline(msgspec.Struct, frozen=True):
    """The questions stay without an answer; the agent is told so."""


Answer = Permit | Reply | Decline


class AnswerError(UserError):
    """The answer does not fit the request; the text says what would."""

    is_usage = True


def asks_the_same(one: Request, other: Request) -> bool:
    """Whether a person who saw the one knows what the other asks."""
    return (one.kind, one.title, one.detail, one.always, one.questions) == (
        other.kind,
        other.title,
        other.detail,
        other.always,
        other.questions,
    )


def check(request: Request, answer: Answer) -> None:
    """Raises AnswerError if the answer does not fit what was asked."""
    if isinstance(answer, Permit):
        if request.kind is not RequestKind.PERMISSION:
            raise AnswerError("this is a question: answer it, or reject it")
        if answer.message and answer.verdict is not Verdict.REJECT:
            raise AnswerError("a message can only go with a rejection")
        _check_length(answer.message)
        return
    if request.kind is not RequestKind.QUESTION:
        raise AnswerError("this is a permission: once, always or reject")
    if isinstance(answer, Decline):
        return
    if len(answer.answers) != len(request.questions):
        raise AnswerError(f"{len(request.questions)} questions want as many answers; {len(answer.answers)} were given")
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
        raise AnswerError(f"at most {LONGEST} characters; this has {len(text)}")


def reply_of(request: Request, texts: Sequence[str]) -> Reply:
    """What a person typed, one text a question, as an answer. Raises AnswerError.

    A text is a label, whatever its case, or words of one's own; for a question that takes several, labels with commas
    between them.
    """
    if len(texts) != len(request.questions):
        asked = "; ".join(question.question for question in request.questions)
        raise AnswerError(f"{len(texts)} answers for {len(request.questions)} questions: {asked}")
    reply = Reply(tuple(_chosen(question, text) for question, text in zip(request.questions, texts, strict=True)))
    check(request, reply)
    return reply


def _chosen(question: Question, text: str) -> tuple[str, ...]:
    labels = {option.label.casefold(): option.label for option in question.options}
    whole = labels.get(text.strip().casefold())
    if whole is not None:
        return (whole,)
    parts = [labels.get(part.strip().casefold()) for part in text.split(",")]
    if question.multiple and all(parts):
        return tuple(dict.fromkeys(part for part in parts if part))
    return (text,) if text.strip() else ()


def drafted(request: Request, question: int, label: str) -> Request:
    """The request with this label chosen, or chosen no more, in the draft of its answer."""
    if not 0 <= question < len(request.questions):
        return request
    before = request.draft or tuple(() for _ in request.questions)
    chosen = before[question]
    if label in chosen:
        after = tuple(text for text in chosen if text != label)
    else:
        after = (*chosen, label) if request.questions[question].multiple else (label,)
    return replace(request, draft=(*before[:question], after, *before[question + 1 :]))
