"""Short codes for the answers that a channel offers as buttons. Pure.

A code contains a digest of the request: it finds the request also after a restart of the tray, and has no effect if the
request has changed. It allows nothing by itself: who may send one is decided by the channel.
"""

from __future__ import annotations

from typing import NamedTuple

from tray.core.answers import Answer, Permit, Reply, RequestKey, Verdict, is_readable
from tray.core.fleet import Fleet
from tray.core.request_digest import digest
from tray.core.sessions import Request, RequestKind
from tray.core.text import clean

DIGEST_LENGTH = 32  # hexadecimal digits, 128 bits
ONCE, REJECT, TEXT = "o", "r", "t"
MAX_OPTIONS = 10  # that have a code


class CodedAnswer(NamedTuple):
    """An answer that can be given with one press."""

    label: str
    code: str


class FoundAnswer(NamedTuple):
    """What a code stands for."""

    key: RequestKey
    request: Request
    answer: Answer


def coded_answers(server_id: str, request: Request) -> tuple[CodedAnswer, ...]:
    """Return the answers that buttons can give; () if the user cannot see all of the request, or has to choose more.

    A permission can be allowed always only where its patterns are shown: not here.
    """
    if not is_readable(request):
        return ()
    mark = _mark(server_id, request)
    if request.kind is RequestKind.PERMISSION:
        return CodedAnswer("Allow once", ONCE + mark), CodedAnswer("Reject", REJECT + mark)
    if len(request.questions) != 1 or request.questions[0].multiple:
        return ()
    options = request.questions[0].options
    if len(options) > MAX_OPTIONS:
        return ()
    return tuple(CodedAnswer(clean(option.label), f"{number}{mark}") for number, option in enumerate(options))


def text_code(server_id: str, request: Request) -> str:
    """Return the code for an answer in the user's own words; "" if there is none.

    For a permission it is a rejection that tells the agent what to do instead.
    """
    if not is_readable(request):
        return ""
    is_question = request.kind is RequestKind.QUESTION
    takes_text = len(request.questions) == 1 and request.questions[0].custom if is_question else True
    return TEXT + _mark(server_id, request) if takes_text else ""


def find_answer(fleet: Fleet, code: str, text: str = "") -> FoundAnswer | None:
    """Return what a code stands for; None if its request is not pending any more, or has changed."""
    verb, mark = code[:1], code[1:]
    for row_key in fleet.sessions:
        for request in fleet.sessions[row_key].requests:
            if len(mark) == DIGEST_LENGTH and _mark(row_key.server, request) == mark:
                answer = _answer(request, verb, text)
                return FoundAnswer(RequestKey(row_key.server, request.id), request, answer) if answer else None
    return None


def _mark(server_id: str, request: Request) -> str:
    return digest(server_id, request)[:DIGEST_LENGTH]


def _answer(request: Request, verb: str, text: str) -> Answer | None:
    if request.kind is RequestKind.PERMISSION:
        if verb == TEXT:
            return Permit(Verdict.REJECT, text)
        return {ONCE: Permit(Verdict.ONCE), REJECT: Permit(Verdict.REJECT)}.get(verb)
    if verb == TEXT:
        return Reply(((text,),)) if text.strip() else None
    options = request.questions[0].options if request.questions else ()
    number = int(verb) if verb.isascii() and verb.isdigit() else len(options)
    return Reply(((options[number].label,),)) if number < len(options) else None
