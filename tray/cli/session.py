"""The commands that the running tray executes: `reply`, `attach`, `next`, `session …`, `mute` and `unmute`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from tray.cli import ask_user
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED
from tray.cli.results import print_result
from tray.core.session_commands import SESSION_COMMANDS
from tray.core.text import clean, counted


def reply(options: argparse.Namespace) -> int:
    """Answer a request; without an answer on the command line, ask for it. Raises UserError."""
    if options.verdict or options.answer or not ask_user.can_ask():
        params = {
            "request": options.request,
            "verdict": options.verdict or "",
            "message": options.message or "",
            "answers": options.answer or [],
        }
        return _execute(options, "reply", params)
    answer = ask_user.answer(options.port, options.request)
    return _cancelled() if answer is None else _execute(options, "reply", answer)


def attach(options: argparse.Namespace) -> int:
    """Open a session. Raises UserError."""
    return _execute(options, "attach", {"session": options.session})


def open_next(options: argparse.Namespace) -> int:
    """Open the session that has waited longest for the user. Raises UserError."""
    return _execute(options, "next", {})


def mute(options: argparse.Namespace) -> int:
    """Mute all notifications, or those of a session or project. Raises UserError."""
    return _execute(options, "mute", {**_mute_scope(options), "duration": options.duration})


def unmute(options: argparse.Namespace) -> int:
    """Undo `mute` for the same scope. Raises UserError."""
    return _execute(options, "unmute", _mute_scope(options))


def session(options: argparse.Namespace) -> int:
    """Run a subcommand of `session`. Raises UserError."""
    info = SESSION_COMMANDS[options.subcommand]
    params = {"session": options.session}
    if info.input_label:
        text = " ".join(options.words)
        if not text and ask_user.can_ask():
            text = ask_user.line(info.input_label)
            if not text:
                return _cancelled()
        params[info.parameter] = text
    if (
        info.confirmation
        and not options.yes
        and not ask_user.confirmed(info.confirmation.format(session=_described(options)))
    ):
        return _cancelled()
    return _execute(options, info.name, params)


def _execute(options: argparse.Namespace, method: str, params: Mapping[str, Any]) -> int:
    """Have the tray execute the command, and print the result. Exit code 1 if it failed."""
    return print_result(options, call_tray(options.port, method, params))


def _cancelled() -> int:
    print("Cancelled.", file=sys.stderr)
    return FAILED


def _described(options: argparse.Namespace) -> str:
    """Return the title of the session, and how many subagent sessions it has."""
    sessions = call_tray(options.port, "status")["sessions"]
    found = [session for session in sessions if session["id"].startswith(options.session)]
    if len(found) != 1:
        return str(options.session)  # the tray will refuse it with the reason
    children = sum(session["parent"] == found[0]["id"] for session in sessions)
    also = f" and {counted(children, 'subagent session', 'subagent sessions')}" if children else ""
    return f"“{clean(found[0]['title']) or found[0]['id']}”{also}"


def _mute_scope(options: argparse.Namespace) -> dict[str, str]:
    scope = "project" if options.project else "session" if options.session else "everything"
    return {"scope": scope, "session": options.project or options.session or ""}
