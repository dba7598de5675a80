"""The `Answer` submenu of a request: what it waits for in full, and the answers there are to it."""

from __future__ import annotations

from tray.core.answers import Decline, Permit, Reply, RequestKey, Verdict
from tray.core.commands import AnswerRequest, AskForAnswer, CopyText, OpenSession, SendDraftAnswer, ToggleOption
from tray.core.model import Question, Request, RequestKind, Server
from tray.core.session_index import SessionRow
from tray.core.text import hides, shorten, width, wrap
from tray.surfaces.menu.items import Entry, Item, Separator
from tray.surfaces.session_text import request_text

COLUMNS = 60  # of a line of text in a menu
LINES = 20  # of what is asked
INDENT = "      "
HIDDEN = Item("hidden", "There is more to it than can be shown here")


def answer_entry(row: SessionRow, request: Request, columns: int) -> Item:
    """The item under a session's row that says what one of its requests asks, and opens the answers to it."""
    state = " (sending…)" if request.sending else ""
    offer = "Cannot be answered here" if row.server.read_only_reason else "Answer"
    label = f"{INDENT}{offer}: {shorten(request_text(request), columns - len(INDENT) - len(offer) - len(state) - 2)}"
    return Item(f"{row.session.id}:{request.id}", label + state, children=_entries(row, request))


def _entries(row: SessionRow, request: Request) -> tuple[Entry, ...]:
    key = RequestKey(row.server.id, request.id)
    there = Item("go", "Go there", OpenSession(row.key))
    lines = _told(request)
    told = _legible("line", lines[:LINES], request.detail)
    if len(lines) > LINES:
        told.append(Item("more", "…"))
    if request.refusal:
        told.append(Item("refusal", f"⚠ {shorten(request.refusal, COLUMNS)}"))
    if row.server.url is None and row.server.opencode.startswith("1.14."):
        told.append(Item("deaf", f"OpenCode {row.server.opencode}: its terminal UI may not take answers from here"))
    if row.server.read_only_reason:
        reason = [
            Item(f"watched-{n}", line)
            for n, line in enumerate(wrap(f"Not from here: {row.server.read_only_reason}", COLUMNS))
        ]
        return (*told, Separator("answers"), *reason, there)
    if request.sending:
        return (*told, Separator("answers"), Item("sending", "Sending…"), there)
    if request.kind is RequestKind.QUESTION:
        seen = len(lines) <= LINES and _in_sight(request)
        asked = _to_questions(request, key) if seen else [Separator("answers"), HIDDEN]
        return (*told, *asked, Item("decline", "Reject", AnswerRequest(key, Decline(), request)), there)
    in_sight = request.complete and len(lines) <= LINES and not hides(request.detail)
    return (*told, Separator("answers"), *_to_permission(request, key, row.server, in_sight=in_sight), there)


def _told(request: Request) -> list[str]:
    if request.kind is RequestKind.QUESTION:
        return wrap(request.detail, COLUMNS) if len(request.questions) < 2 else []
    return [shorten(f"{request.title}:", COLUMNS), *wrap(request.detail, COLUMNS)]


def _legible(key: str, lines: list[str], text: str) -> list[Item]:
    """Rows of text in the colour of rows that can be chosen: panels draw the others too faint to read."""
    return [Item(f"{key}-{number}", line, CopyText(text)) for number, line in enumerate(lines)]


def _to_permission(request: Request, key: RequestKey, server: Server, *, in_sight: bool) -> list[Entry]:
    in_words = Item("reject-in-words", "Reject with a message…", AskForAnswer(key, request))
    if server.opencode.startswith(("0.", "1.0.")):
        in_words = Item("reject-in-words", f"OpenCode {server.opencode} takes no message with a rejection")
    reject: list[Entry] = [Item("reject", "Reject", AnswerRequest(key, Permit(Verdict.REJECT), request)), in_words]
    if not in_sight:
        return [HIDDEN, *reject]
    allow: list[Entry] = [Item("once", "Allow once", AnswerRequest(key, Permit(Verdict.ONCE), request))]
    if request.always:
        patterns = [line for pattern in request.always for line in wrap(pattern, COLUMNS)]
        shown: list[Entry] = [*_legible("pattern", patterns[:LINES], "\n".join(request.always))]
        if len(patterns) <= LINES and not any(map(hides, request.always)):
            sure: Entry = Item("sure", "Yes, always allow this", AnswerRequest(key, Permit(Verdict.ALWAYS), request))
            allow.append(Item("always", "Always allow", children=(*shown, Separator("sure"), sure)))
    return [*allow, *reject]


def _in_sight(request: Request) -> bool:
    """Whether all questions and all labels can be read whole."""
    labels = [option.label for question in request.questions for option in question.options]
    texts = [question.question for question in request.questions]
    readable = all(len(wrap(text, COLUMNS)) <= LINES for text in texts) and all(
        width(text) <= COLUMNS for text in labels
    )
    return request.complete and readable and not any(map(hides, (*texts, *labels)))


def _to_questions(request: Request, key: RequestKey) -> list[Entry]:
    if len(request.questions) == 1 and not request.questions[0].multiple:
        question = request.questions[0]
        options: list[Entry] = [
            Item(
                f"option-{number}",
                _label(option.label, option.description),
                AnswerRequest(key, Reply(((option.label,),)), request),
            )
            for number, option in enumerate(question.options)
        ]
        return [Separator("answers"), *options, *_own_words(question, 0, key, request), Separator("decline")]
    drafts = request.draft or tuple(() for _ in request.questions)
    several = len(request.questions) > 1
    entries: list[Entry] = []
    for number, (question, chosen) in enumerate(zip(request.questions, drafts, strict=True)):
        if several:
            entries.append(Separator(f"question-{number}"))
            entries += _legible(f"asked-{number}", wrap(question.question, COLUMNS), question.question)
        else:
            entries.append(Separator("answers"))
        entries += _choices(question, number, chosen, key, request)
    missing = sum(not chosen for chosen in drafts)
    ready = SendDraftAnswer(key, request) if not missing else None
    label = "Send" if not missing else f"Send ({missing} without an answer yet)"
    return [*entries, Separator("send"), Item("send", label, ready)]


def _choices(
    question: Question, number: int, chosen: tuple[str, ...], key: RequestKey, request: Request
) -> list[Entry]:
    labels = [option.label for option in question.options]
    options: list[Entry] = [
        Item(
            f"option-{number}-{position}",
            _label(option.label, option.description),
            ToggleOption(key, number, option.label),
            checked=option.label in chosen,
        )
        for position, option in enumerate(question.options)
    ]
    own: list[Entry] = [
        Item(f"own-{number}-{position}", f"“{shorten(text, 50)}”", ToggleOption(key, number, text), checked=True)
        for position, text in enumerate(text for text in chosen if text not in labels)
    ]
    return [*options, *own, *_own_words(question, number, key, request)]


def _own_words(question: Question, number: int, key: RequestKey, request: Request) -> list[Entry]:
    if not question.custom:
        return []
    return [Item(f"words-{number}", "In my own words…", AskForAnswer(key, request, number))]


def _label(label: str, description: str) -> str:
    return shorten(f"{label} — {description}" if description else label, COLUMNS)
