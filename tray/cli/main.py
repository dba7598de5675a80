"""The entry point of the command line. Modules of commands are imported when a command runs: `--help` stays fast."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Coroutine, Sequence

from tray.cli.exit_codes import FAILED, OK, USAGE
from tray.cli.parser import COMMANDS, make_parser
from tray.cli.streams import take_any_text
from tray.core.errors import UserError
from tray.core.text import clean

OPTIONS_WITH_VALUE = ("--port", "--ws-port", "--host")  # of `run`: the word after them is not a command
MONITOR_FLAGS = {"--install-plugin": "install-plugin", "--uninstall-plugin": "uninstall-plugin"}  # opencode-monitor's
UNTIL_CTRL_C = ("run", "watch", "demo")  # commands that the user ends with Ctrl-C
LAUNCHD_LABEL = "opencode-tray"  # of the launch agent that system/autostart.py writes
INTERRUPTED = 130  # exit code of a shell command that SIGINT ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. `arguments` are those after the program name (default: sys.argv).

    If launchd has started the tray, only a crash or a kill is a failure: launchd would start it again every ten
    seconds, although only the user can correct a setting.
    """
    code = _main(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    return OK if os.environ.get("XPC_SERVICE_NAME") == LAUNCHD_LABEL and list(words[:1]) == ["run"] else code


def _main(arguments: Sequence[str] | None) -> int:
    _keep_others_from_writing()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        take_any_text(stream)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sorted(words) == ["--verbose", "--version"]:
        return _run("tray.cli.version:print_details", None)
    if (unknown := _unknown_command(words)) is not None:
        print(f"opencode-tray: {unknown}", file=sys.stderr)
        return USAGE
    parser = make_parser()
    options, rest = parser.parse_known_args(_command_first(words))
    if rest:  # argparse ends a list of words at the first option; `session prompt ID --json do it` has some left
        if not getattr(options, "takes_words", False) or any(word.startswith("-") and word != "-" for word in rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        options.words = [*options.words, *rest]
    try:
        _check_home()
        return _run(options.run, options)
    except UserError as error:
        if getattr(options, "json", False):
            print(json.dumps({"ok": False, "message": str(error)}, ensure_ascii=False))
        _report(error, options)
        return USAGE if error.is_usage else FAILED
    except KeyboardInterrupt:
        return OK if options.command in UNTIL_CTRL_C else INTERRUPTED
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return OK


def _keep_others_from_writing() -> None:
    """Let no user of the machine write to what is created: plugins, hooks and entries for the login run as this one."""
    umask = os.umask(0o022)
    os.umask(umask if umask & 0o002 else umask | 0o022)


class NoHomeError(UserError):
    """The user has no home folder, as in a container with a user ID that the system does not know."""


def _check_home() -> None:
    if os.path.expanduser("~") == "~":  # noqa: PTH111  # Path.home raises an error without a class of its own
        raise NoHomeError("this user has no home folder; set HOME to a folder that only this user can write")


def _report(error: UserError, options: argparse.Namespace) -> None:
    message = "\n    ".join(map(clean, str(error).splitlines()))
    if options.command == "run":
        from tray.cli.start_failure import report_before_the_log

        report_before_the_log(message, headless=options.headless)
    else:
        print(f"opencode-tray: {message}", file=sys.stderr)


def _run(target: str, options: object) -> int:
    """Import and call the function "module:name". A command may be a coroutine function."""
    from importlib import import_module

    module, _, name = target.partition(":")
    result: int | Coroutine[object, object, int] = getattr(import_module(module), name)(options)
    if isinstance(result, int):
        return result
    import asyncio

    return asyncio.run(result)


def _unknown_command(words: list[str]) -> str | None:
    """Return the error message if the first word should be a command and is not."""
    if not words or words[0].startswith("-") or "run" in words or _command_first(words)[0] != "run":
        return None
    from difflib import get_close_matches

    name = words[0]
    similar = get_close_matches(name, COMMANDS, 1)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    return f"unknown command {clean(name[:80])!r}{hint}\n    commands: {', '.join(COMMANDS)}"


def _command_first(words: list[str]) -> list[str]:
    """Move the command to the front, where argparse expects it: options may precede it. Without a command: `run`."""
    if words and words[0] in MONITOR_FLAGS:
        return [MONITOR_FLAGS[words[0]]]
    for number, word in enumerate(words):
        if word in COMMANDS and (number == 0 or words[number - 1] not in OPTIONS_WITH_VALUE):
            return [word, *words[:number], *words[number + 1 :]]
    if {"-h", "--help", "--version"} & set(words):
        return words
    return ["run", *words]
