"""What a person wants done by the running tray: `reply`, `attach`, `next`, `session …`, `mute` and the like."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tray.cli import ask_user
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.cli.parser import SURE, WORDED
from tray.core.text import clean, counted


def act(options: argparse.Namespace) -> int:
    """Have it done; print what came of it. Exit code 1 if it was not done."""
    method, params = _call(options)
    if params is None:
        print("Nothing was done.", file=sys.stderr)
        return FAILED
    if options.command == "session" and method in SURE and not _is_sure(options):
        print("Nothing was done.", file=sys.stderr)
        return FAILED
    done = call_tray(options.port, method, params)
    if options.json:
        print(json.dumps(done, ensure_ascii=False))
    else:
        print(clean(done["message"]), file=sys.stdout if done["ok"] else sys.stderr)
    return OK if done["ok"] else FAILED


def _is_sure(options: argparse.Namespace) -> bool:
    """Ask again, naming what goes, unless --yes said so; where nobody can be asked, --yes has to."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        print("Add --yes: nobody is here to be asked.", file=sys.stderr)
        return False
    question = SURE[options.deed].format(session=_named(options))
    return ask_user.words(f"{question} [y/N]").lower() in ("y", "yes")


def _named(options: argparse.Namespace) -> str:
    """The session by its title, and how many of its subagents go with it."""
    sessions = call_tray(options.port, "status")["sessions"]
    found = [session for session in sessions if session["id"].startswith(options.session)]
    if len(found) != 1:
        return str(options.session)  # the tray will say what is wrong with that
    below = sum(session["parent"] == found[0]["id"] for session in sessions)
    also = f" and {counted(below, 'subagent session', 'subagent sessions')}" if below else ""
    return f"“{clean(found[0]['title']) or found[0]['id']}”{also}"


def _call(options: argparse.Namespace) -> tuple[str, dict[str, Any] | None]:
    """The method of `/client` and its parameters; None: the person thought better of it."""
    match options.command:
        case "reply" if not options.verdict and not options.answer and ask_user.can_ask():
            return "reply", ask_user.answer(options.port, options.request)
        case "reply":
            told = {"verdict": options.verdict or "", "message": options.message or "", "answers": options.answer or []}
            return "reply", {"request": options.request, **told}
        case "next":
            return "next", {}
        case "attach":
            return "attach", {"session": options.session}
        case "mute" | "unmute":
            scope = "project" if options.project else "session" if options.session else "everything"
            span = options.span if options.command == "mute" else ""
            return options.command, {"scope": scope, "session": options.project or options.session or "", "span": span}
        case _:
            words = " ".join(options.words)
            if options.deed in WORDED and not words and ask_user.can_ask():
                words = ask_user.words(WORDED[options.deed])
                return options.deed, {"session": options.session, "title": words, "text": words} if words else None
            return options.deed, {"session": options.session, "title": words, "text": words}
