"""What a Copilot CLI session waits for, from its events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tray.agents.copilot.events import Events, Permission
from tray.agents.tool_call import MAX_TEXT
from tray.agents.transcripts import ToolCall
from tray.core.lenient_json import decode_or
from tray.core.sessions import Option, Question, Request, RequestKind

QUESTION_TOOL = "ask_user"
TERMINAL_ONLY = "Copilot CLI takes this answer only in its terminal"
MAX_QUESTIONS, MAX_OPTIONS = 20, 50  # that are kept


def permissions_of(session_id: str, events: Events) -> tuple[Request, ...]:
    """Return the permissions that wait for the user, the oldest first."""
    return tuple(_permission(session_id, permission) for permission in events.permissions.values())


def questions_of(session_id: str, events: Events) -> tuple[Request, ...]:
    """Return the questions that wait for the user, the oldest first."""
    return tuple(_question(session_id, call) for call in events.running.values() if call.name == QUESTION_TOOL)


def _permission(session_id: str, permission: Permission) -> Request:
    asked = permission.request
    named = (asked.full_command_text, asked.file_name, asked.path, asked.url, asked.tool_name, asked.intention)
    return Request(
        id=permission.id,
        session=session_id,
        kind=RequestKind.PERMISSION,
        title=asked.kind or "permission",
        detail=next(filter(None, named), "")[:MAX_TEXT],
        complete=False,
        read_only_reason=TERMINAL_ONLY,
        asked_at=permission.asked_at,
    )


def _question(session_id: str, call: ToolCall) -> Request:
    arguments = decode_or(call.arguments, dict[str, Any], {})
    message = _text(arguments, "message")
    fields = list(_fields(arguments.get("requestedSchema")))[:MAX_QUESTIONS]
    return Request(
        id=call.id,
        session=session_id,
        kind=RequestKind.QUESTION,
        title="question",
        detail=message,
        complete=False,
        read_only_reason=TERMINAL_ONLY,
        questions=tuple(
            Question(message if len(fields) == 1 else title, title, options) for title, options in fields
        ),
        asked_at=call.called_at,
    )  # fmt: skip


def _fields(schema: object) -> Iterator[tuple[str, tuple[Option, ...]]]:
    """Yield title and options of each field of a form."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, field in properties.items() if isinstance(properties, dict) else ():
        if isinstance(field, dict):
            values = field.get("enum")
            options = [Option(str(value)[:MAX_TEXT]) for value in values] if isinstance(values, list) else []
            yield _text(field, "title") or str(name)[:MAX_TEXT], tuple(options[:MAX_OPTIONS])


def _text(fields: dict[str, Any], name: str) -> str:
    return str(fields.get(name, ""))[:MAX_TEXT]
