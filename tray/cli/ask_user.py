"""Ask the user in the terminal for what the command line left out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tray.cli.client import RefusedError, call_tray
from tray.core.errors import UserError
from tray.core.text import clean

VERDICTS = {"o": "once", "a": "always", "r": "reject", "m": "reject"}  # by the key that the user types
MAX_LISTED = 5  # IDs in an error message


class NoConfirmationError(UserError):
    """A destructive command has to be confirmed, and there is no terminal to ask in."""


def can_ask() -> bool:
    """Return whether stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def line(label: str) -> str:
    """Return a line that the user types, stripped; "" if they type nothing or Ctrl-D."""
    try:
        return input(f"{label}: ").strip()
    except EOFError:
        return ""


def confirmed(question: str) -> bool:
    """Ask the user to confirm a destructive command. Raises NoConfirmationError."""
    if not can_ask():  # on Windows, the null device is a terminal for isatty()
        raise NoConfirmationError("not a terminal; pass --yes to confirm")
    return line(f"{question}? [y/N]").lower() in ("y", "yes")


def answer(port: int | None, request_id: str) -> dict[str, Any] | None:
    """Show a request and ask for the answer: the parameters of `reply`, or None if cancelled. Raises UserError."""
    request = _find_request(call_tray(port, "status"), request_id)
    print(f"{clean(request['title'])}:")
    params = _answers(request) if request["kind"] == "question" else _verdict(request)
    return None if params is None else {"request": request["id"], **params}


def _find_request(report: Mapping[str, Any], text: str) -> dict[str, Any]:
    roots = [session for session in report["sessions"] if session["parent"] is None]  # with their subagents' requests
    pending: list[dict[str, Any]] = [request for session in roots for request in session["requests"]]
    matches = [request for request in pending if request["id"].startswith(text)]
    if not matches:
        raise RefusedError(f"no pending request {text!r}; list the pending requests with: opencode-tray status")
    if len(matches) > 1:
        ids = ", ".join(clean(request["id"]) for request in matches[:MAX_LISTED])
        raise RefusedError(f"{len(matches)} pending requests start with {text!r}: {ids}; type more of the ID")
    return matches[0]


def _verdict(request: Mapping[str, Any]) -> dict[str, Any] | None:
    for text in request["detail"].splitlines():
        print(f"  {clean(text)}")
    if not request["complete"]:
        print("  (too long to show in full here)")
    for pattern in request["always"]:
        print(f"  always: {clean(pattern)}")
    letter = line("[o]nce, [a]lways, [r]eject, reject with a [m]essage").lower()[:1]
    if letter not in VERDICTS:
        return None
    return {"verdict": VERDICTS[letter], "message": line("What should the agent do instead") if letter == "m" else ""}


def _answers(request: Mapping[str, Any]) -> dict[str, Any] | None:
    answers = [_answer(question) for question in request["questions"]]
    return {"answers": answers} if all(answers) else None


def _answer(question: Mapping[str, Any]) -> str:
    """Ask one question. Numbers, separated by commas, stand for labels; any other text is the answer itself."""
    print(f"  {clean(question['question'])}")
    labels = [option["label"] for option in question["options"]]
    for number, option in enumerate(question["options"], 1):
        print(f"  {number}. {clean(option['label'])}  {clean(option['description'])}".rstrip())
    typed = line("Your answer")
    numbers = [part.strip() for part in typed.split(",")]
    if all(part.isascii() and part.isdigit() and 0 < int(part) <= len(labels) for part in numbers):
        return ", ".join(labels[int(part) - 1] for part in numbers)
    return typed
