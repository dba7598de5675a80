"""What a Claude Code session waits for, from its registry entry, its transcript and the hook that waits. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tray.agents.claude.hooks import HookPayload
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.transcript import Transcript
from tray.agents.tool_call import MAX_TEXT, describe, subject_of
from tray.agents.transcripts import ToolCall
from tray.core.lenient_json import decode_or
from tray.core.sessions import Option, Question, Request, RequestKind

QUESTION_TOOL = "AskUserQuestion"
PLAN_TOOL = "ExitPlanMode"
INPUT_NEEDED = "input needed"  # the registry's `waitingFor` of a question; all others are permissions
MAX_QUESTIONS, MAX_OPTIONS = 20, 50  # that are kept
HIDDEN_PLAN = "read the plan in its terminal"
TERMINAL_ONLY = "Claude Code takes this answer only in its terminal"


def asking_call(entry: RegistryEntry, transcript: Transcript, hook: HookPayload | None) -> ToolCall | None:
    """Return the tool call that waits for the user, or None if the transcript does not contain it (yet).

    The registry does not say which of several: without a hook, it is the first one.
    """
    calls = transcript.running.values()
    if hook is not None:
        asked = hook.arguments
        return next((call for call in calls if call.name == hook.tool_name and _arguments(call) == asked), None)
    is_question = entry.waiting_for == INPUT_NEEDED
    return next((call for call in calls if (call.name == QUESTION_TOOL) == is_question), None)


def request_of(entry: RegistryEntry, transcript: Transcript, hook: HookPayload | None) -> Request:
    """Return what the session waits for. Only with a hook that waits can it be answered, and is it complete."""
    call = asking_call(entry, transcript, hook)
    name = hook.tool_name if hook is not None else call.name if call is not None else ""
    arguments = hook.arguments if hook is not None else _arguments(call) if call is not None else {}
    is_question = name == QUESTION_TOOL or (not name and entry.waiting_for == INPUT_NEEDED)
    request = Request(
        id=call.id if call is not None else f"{entry.pid}-{entry.status_updated_at}",
        session=entry.session_id,
        kind=RequestKind.QUESTION if is_question else RequestKind.PERMISSION,
        title="question" if is_question else "plan" if name == PLAN_TOOL else name or entry.waiting_for,
        detail=subject_of(arguments) if name else entry.waiting_for,
        complete=False,
        read_only_reason=TERMINAL_ONLY if hook is None else "",
        always=hook.always if hook is not None else (),
        asked_at=entry.status_updated_at,
    )
    if is_question:
        return _with_questions(request, arguments, is_held=hook is not None)
    if hook is None:
        return request
    detail, is_complete = describe(arguments)
    if name == PLAN_TOOL and not detail:  # Claude Code reads the plan from a file of its own
        return replace(request, detail=HIDDEN_PLAN)
    return replace(request, detail=detail, complete=is_complete)


def _with_questions(request: Request, arguments: dict[str, Any], *, is_held: bool) -> Request:
    listed = arguments.get("questions")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if not entries:
        return replace(request, detail=request.detail or "question")
    questions = tuple(map(_question, entries[:MAX_QUESTIONS]))
    first = questions[0]
    return replace(
        request,
        title=first.header or "question",
        detail=first.question,
        complete=is_held and len(entries) <= MAX_QUESTIONS and not any(map(_is_cut, entries)),
        questions=questions,
    )


def _question(entry: dict[str, Any]) -> Question:
    return Question(
        _text(entry, "question"),
        _text(entry, "header"),
        tuple(Option(_text(option, "label"), _text(option, "description")) for option in _options(entry)[:MAX_OPTIONS]),
        multiple=entry.get("multiSelect") is True,
    )


def _is_cut(entry: dict[str, Any]) -> bool:
    """Whether the record of core does not contain all of a question."""
    options = _options(entry)
    texts = [entry.get("question"), *(option.get(name) for option in options for name in ("label", "description"))]
    return len(options) > MAX_OPTIONS or any(len(str(text)) > MAX_TEXT for text in texts)


def _options(entry: dict[str, Any]) -> list[dict[str, Any]]:
    listed = entry.get("options")
    return [option for option in listed if isinstance(option, dict)] if isinstance(listed, list) else []


def _text(entry: dict[str, Any], name: str) -> str:
    return str(entry.get(name, ""))[:MAX_TEXT]


def _arguments(call: ToolCall) -> dict[str, Any]:
    return decode_or(call.arguments, dict[str, Any], {})
