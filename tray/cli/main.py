"""The command line. Heavy imports stand inside the commands, so that `--help` and `--version` answer at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from tray.cli.exit_codes import FAILED, OK, USAGE
from tray.cli.parser import COMMANDS, READS, make_parser
from tray.cli.streams import take_any_text
from tray.core.errors import UserError
from tray.core.text import clean


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 not running or failed, 2 usage, 3 the port is taken."""
    for stream in (sys.stdout, sys.stderr):
        take_any_text(stream)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if (unknown := _unknown(given)) is not None:
        print(f"opencode-tray: {_no_command(unknown)}", file=sys.stderr)
        return USAGE
    parser = make_parser()
    options, more = parser.parse_known_args(_with_command(given))
    if more:  # argparse does not go on with a list of words after an option
        if not getattr(options, "takes_words", False) or any(word.startswith("-") and word != "-" for word in more):
            parser.error(f"unrecognized arguments: {' '.join(more)}")
        options.words = [*options.words, *more]
    try:
        return _run(options)
    except UserError as problem:
        if getattr(options, "json", False):
            print(json.dumps({"ok": False, "message": str(problem)}, ensure_ascii=False))
        told = "\n    ".join(map(clean, str(problem).splitlines()))
        print(f"opencode-tray: {told}", file=sys.stderr)
        return USAGE if problem.is_usage else FAILED
    except KeyboardInterrupt:
        return OK if options.command in ("run", "watch", "demo") else 130
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return OK


VALUED = ("--port", "--ws-port", "--host")  # what follows them is no command
SEED_FLAGS = {"--install-plugin": "install-plugin", "--uninstall-plugin": "uninstall-plugin"}


def _unknown(given: list[str]) -> str | None:
    """The first word, where it should be a command and is none."""
    if not given or given[0].startswith("-") or _with_command(given)[0] != "run" or "run" in given:
        return None
    return given[0]


def _no_command(word: str) -> str:
    from difflib import get_close_matches  # for the one who mistypes

    near = get_close_matches(word, COMMANDS, 1)
    meant = f"; did you mean `{near[0]}`?" if near else ""
    return f"there is no command {clean(word[:80])!r}{meant}\n    commands: {', '.join(COMMANDS)}"


def _with_command(given: list[str]) -> list[str]:
    """`run` is what is meant without a command; opencode-monitor's flags that are commands become them."""
    if given and given[0] in SEED_FLAGS:
        return [SEED_FLAGS[given[0]]]
    before = ["", *given]
    named = next((n for n, word in enumerate(given) if word in COMMANDS and before[n] not in VALUED), None)
    if named is not None:
        return [given[named], *given[:named], *given[named + 1 :]]  # wherever it stands
    if {"-h", "--help", "--version"} & set(given):
        return given
    return ["run", *given]


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "run":
            from tray.cli.run import run

            return run(options)
        case "status":
            from tray.cli.status import status

            return status(options)
        case "watch":
            from tray.cli.watch import watch

            return watch(options)
        case "demo":
            from tray.cli.demo import demo

            return demo(options)
        case "stop":
            from tray.cli.status import stop

            return stop(options)
        case "reply" | "attach" | "next" | "session" | "mute" | "unmute":
            from tray.cli.session import act

            return act(options)
        case read if read in READS:
            from tray.cli.show import READERS

            return READERS[read](options)
        case "serve" if options.deed == "send":
            from tray.cli.serve_send import send_prompt

            return send_prompt(options)
        case "serve" if options.deed == "batch":
            from tray.cli.serve_send import batch

            return batch(options)
        case "serve" if options.deed == "events":
            from tray.cli.serve_events import events

            return events(options)
        case "serve":
            from tray.cli.serve import serve

            return serve(options)
        case "doctor":
            from tray.cli.doctor import doctor

            return doctor(options)
        case "token":
            from tray.cli.token import token

            return token(options)
        case _:
            from tray.cli.install import SETUP

            return SETUP[options.command](options)
