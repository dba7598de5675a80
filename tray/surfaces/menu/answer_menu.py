"""The `Answer` submenu of a pending request: its full text and the possible answers."""

from __future__ import annotations

from tray.core.answers import (
    Decline,
    Permit,
    Reply,
    RequestKey,
    Verdict,
    is_readable,
    may_be_always,
    read_only_reason,
)
from tray.core.commands import AnswerRequest, AskForAnswer, CopyText, SendDraftAnswer, ToggleOption
from tray.core.servers import Server
from tray.core.session_index import SessionRow
from tray.core.sessions import Question, Request, RequestKind
from tray.core.text import shorten, width, wrap
from tray.surfaces.menu.items import Entry, Item, Separator
from tray.surfaces.menu.session_menu import command_item
from tray.surfaces.session_text import request_text

COLUMNS = 60  # of a line of text in a menu
MAX_LINES = 20  # of a request's text, of one question, of a list of patterns
INDENT = "      "
NOT_SHOWN_IN_FULL = Item("hidden", "Cannot be shown in full here")


def answer_entry(row: SessionRow, request: Request, columns: int) -> Item:
    """Return the item below a session's row that shows one of its requests and opens the answers to it."""
    state = " (sending…)" if request.sending else ""
    prefix = "Read-only" if read_only_reason(row.server, request) else "Answer"
    room = columns - len(INDENT) - len(prefix) - len(state) - 2
    label = f"{INDENT}{prefix}: {shorten(request_text(request), room)}{state}"
    return Item(f"{row.session.id}:{request.id}", label, children=_entries(row, request))


def _entries(row: SessionRow, request: Request) -> tuple[Entry, ...]:
    server = row.server
    key = RequestKey(server.id, request.id)
    lines = _text_lines(request)
    entries: list[Entry] = [*_text_items("line", lines[:MAX_LINES], request.detail)]
    if len(lines) > MAX_LINES:
        entries.append(Item("more", "…"))
    if request.refusal:
        entries.append(Item("refusal", f"⚠ {shorten(request.refusal, COLUMNS)}"))
    if server.ignores_answers:
        entries.append(Item("unreliable", f"OpenCode {server.version}: its terminal UI may ignore answers sent here"))
    entries.append(Separator("answers"))
    if reason := read_only_reason(server, request):
        lines = wrap(f"Read-only: {reason}", COLUMNS)
        entries += [Item(f"read-only-{number}", line) for number, line in enumerate(lines)]
    elif request.sending:
        entries.append(Item("sending", "Sending…"))
    elif request.kind is RequestKind.QUESTION:
        readable = len(lines) <= MAX_LINES and _questions_readable(request)
        entries += _question_answers(request, key) if readable else [NOT_SHOWN_IN_FULL]
        entries.append(Item("decline", "Reject", AnswerRequest(key, Decline(), request)))
    else:
        readable = len(lines) <= MAX_LINES and is_readable(request)
        entries += _permission_answers(request, key, server, readable=readable)
    return (*entries, command_item("attach", row.key))


def _text_lines(request: Request) -> list[str]:
    if request.kind is RequestKind.QUESTION:
        return wrap(request.detail, COLUMNS) if len(request.questions) < 2 else []
    return [shorten(f"{request.title}:", COLUMNS), *wrap(request.detail, COLUMNS)]


def _text_items(key: str, lines: list[str], text: str) -> list[Item]:
    """Return an item for each line. A click copies the text: panels draw disabled items too faint to read."""
    return [Item(f"{key}-{number}", line, CopyText(text)) for number, line in enumerate(lines)]


def _permission_answers(request: Request, key: RequestKey, server: Server, *, readable: bool) -> list[Entry]:
    with_message = Item("reject-with-message", "Reject with a message…", AskForAnswer(key, request))
    if not server.takes_rejection_messages:
        label = f"OpenCode {server.version} does not support rejection messages"
        with_message = Item("reject-with-message", label)
    reject: list[Entry] = [Item("reject", "Reject", AnswerRequest(key, Permit(Verdict.REJECT), request)), with_message]
    if not readable:
        return [NOT_SHOWN_IN_FULL, *reject]
    allow: list[Entry] = [Item("once", "Allow once", AnswerRequest(key, Permit(Verdict.ONCE), request))]
    patterns = [line for pattern in request.always for line in wrap(pattern, COLUMNS)]
    if len(patterns) <= MAX_LINES and may_be_always(request):
        confirm = Item("confirm", "Confirm: always allow", AnswerRequest(key, Permit(Verdict.ALWAYS), request))
        shown = _text_items("pattern", patterns, "\n".join(request.always))
        allow.append(Item("always", "Always allow", children=(*shown, Separator("confirm"), confirm)))
    return [*allow, *reject]


def _questions_readable(request: Request) -> bool:
    """Return whether the menu shows all questions and all option labels in full."""
    labels = [option.label for question in request.questions for option in question.options]
    questions = [question.question for question in request.questions]
    fits = all(len(wrap(text, COLUMNS)) <= MAX_LINES for text in questions) and all(
        width(label) <= COLUMNS for label in labels
    )
    return fits and is_readable(request)


def _question_answers(request: Request, key: RequestKey) -> list[Entry]:
    """Return the options. A single choice is sent with one click; other answers are collected and sent together."""
    if len(request.questions) == 1 and not request.questions[0].multiple:
        question = request.questions[0]
        options: list[Entry] = [
            Item(
                f"option-{number}",
                _option_label(option.label, option.description),
                AnswerRequest(key, Reply(((option.label,),)), request),
            )
            for number, option in enumerate(question.options)
        ]
        return [*options, *_own_answer(question, 0, key, request), Separator("decline")]
    drafts = request.draft or tuple(() for _ in request.questions)
    entries: list[Entry] = []
    for number, (question, chosen) in enumerate(zip(request.questions, drafts, strict=True)):
        if len(request.questions) > 1:
            if number:
                entries.append(Separator(f"question-{number}"))
            entries += _text_items(f"question-{number}", wrap(question.question, COLUMNS), question.question)
        entries += _draft_options(question, number, chosen, key, request)
    unanswered = sum(not chosen for chosen in drafts)
    send = SendDraftAnswer(key, request) if not unanswered else None
    label = "Send" if not unanswered else f"Send ({unanswered} unanswered)"
    return [*entries, Separator("send"), Item("send", label, send)]


def _draft_options(
    question: Question, number: int, chosen: tuple[str, ...], key: RequestKey, request: Request
) -> list[Entry]:
    labels = [option.label for option in question.options]
    options: list[Entry] = [
        Item(
            f"option-{number}-{position}",
            _option_label(option.label, option.description),
            ToggleOption(key, number, option.label),
            checked=option.label in chosen,
        )
        for position, option in enumerate(question.options)
    ]
    typed: list[Entry] = [
        Item(f"typed-{number}-{position}", f"“{shorten(text, 50)}”", ToggleOption(key, number, text), checked=True)
        for position, text in enumerate(text for text in chosen if text not in labels)
    ]
    return [*options, *typed, *_own_answer(question, number, key, request)]


def _own_answer(question: Question, number: int, key: RequestKey, request: Request) -> list[Entry]:
    if not question.custom:
        return []
    return [Item(f"own-answer-{number}", "Type your own answer…", AskForAnswer(key, request, number))]


def _option_label(label: str, description: str) -> str:
    return shorten(f"{label} — {description}" if description else label, COLUMNS)
