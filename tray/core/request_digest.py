"""What a request asks, as plain JSON values, and a digest of it: an answer names what the user saw."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tray.core.sessions import Request


def asked(server_id: str, request: Request) -> dict[str, Any]:
    """Return everything of a request that the user has to see before an answer, and where it was asked."""
    return {"server": server_id, **content_of(request)}


def content_of(request: Request) -> dict[str, Any]:
    """Return what a request asks."""
    return {
        "session": request.session,
        "id": request.id,
        "kind": request.kind.value,
        "title": request.title,
        "detail": request.detail,
        "complete": request.complete,
        "always": list(request.always),
        "questions": [
            {
                "question": question.question,
                "header": question.header,
                "options": [{"label": o.label, "description": o.description} for o in question.options],
                "multiple": question.multiple,
                "custom": question.custom,
            }
            for question in request.questions
        ],
    }


def digest(server_id: str, request: Request) -> str:
    """Return the SHA-256 of the canonical JSON of `asked`."""
    text = json.dumps(asked(server_id, request), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
