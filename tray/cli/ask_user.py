"""Asking the person in the terminal for what the command line did not say."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tray.cli.client import RefusedError, call_tray
from tray.core.text import clean

VERDICTS = {"o": "once", "a": "always", "r": "reject", "m": "reject"}


def can_ask() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def words(what: str) -> str:
    """A line that the person types; "" if they leave it."""
    try:
        return input(f"{what}: ").strip()
    except EOFError:
        return ""


def answer(port: int | None, name: str) -> dict[str, Any] | None:
    """The parameters of `reply`, asked for; None if the person leaves it. Raises Problem."""
    request = _request(call_tray(port, "status"), name)
    print(f"{clean(request['title'])}:")
    return {"request": request["id"], **told} if (told := _told(request)) else None


def _request(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    roots = [session for session in report["sessions"] if session["parent"] is None]
    found: list[dict[str, Any]] = [request for session in roots for request in session["requests"]]
    alike = [request for request in found if request["id"].startswith(name)]
    if not alike:
        raise RefusedError({"message": f"no request {name!r} waits; `opencode-tray status` shows those that do"})
    if len(alike) > 1:
        told = ", ".join(clean(request["id"]) for request in alike[:5])
        raise RefusedError({"message": f"{len(alike)} requests begin with {name!r}: {told}; give more of the id"})
    return alike[0]


def _told(request: Mapping[str, Any]) -> dict[str, Any] | None:
    if request["kind"] == "question":
        answers = [_chosen(question) for question in request["questions"]]
        return {"answers": answers} if all(answers) else None
    for line in request["detail"].splitlines():
        print(f"  {clean(line)}")
    if not request["complete"]:
        print("  (there is more to it than can be shown here)")
    for pattern in request["always"]:
        print(f"  always: {clean(pattern)}")
    letter = words("[o]nce, [a]lways, [r]eject, reject with a [m]essage").lower()[:1]
    if letter not in VERDICTS:
        return None
    return {"verdict": VERDICTS[letter], "message": words("What should the agent do instead") if letter == "m" else ""}


def _chosen(question: Mapping[str, Any]) -> str:
    """A label by its number, several with commas between them, or the person's own words."""
    print(f"  {clean(question['question'])}")
    labels = [option["label"] for option in question["options"]]
    for number, option in enumerate(question["options"], 1):
        print(f"  {number}. {clean(option['label'])}  {clean(option['description'])}".rstrip())
    typed = words("Your answer")
    numbers = [part.strip() for part in typed.split(",")]
    if all(part.isascii() and part.isdigit() and 0 < int(part) <= len(labels) for part in numbers):
        return ", ".join(labels[int(part) - 1] for part in numbers)
    return typed
