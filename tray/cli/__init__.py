"""The command line. Heavy imports stand inside the commands, so that `--help` and `--version` answer at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tray import __version__
from tray.core.problem import Problem

OK, FAILED, USAGE, PORT_TAKEN = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 not running or failed, 2 usage, 3 the port is taken."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(_with_command(given))
    try:
        return _run(options)
    except Problem as problem:
        print(f"opencode-tray: {problem}", file=sys.stderr)
        return USAGE if problem.is_usage else FAILED
    except KeyboardInterrupt:
        return OK if options.command in ("run", "watch", "demo") else 130
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return OK


COMMANDS = ("run", "status", "watch", "install-plugin", "uninstall-plugin", "demo", "doctor", "config", "stop")
SEED_FLAGS = {"--install-plugin": "install-plugin", "--uninstall-plugin": "uninstall-plugin"}


def _with_command(given: list[str]) -> list[str]:
    """`run` is what is meant without a command; opencode-monitor's flags that are commands become them."""
    for flag, command in SEED_FLAGS.items():
        if flag in given:
            return [command]
    named = next((word for word in given if word in COMMANDS), None)
    if named is not None:
        given.remove(named)
        return [named, *given]  # wherever it stands
    if {"-h", "--help", "--version"} & set(given):
        return given
    return ["run", *given]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opencode-tray",
        description="One glance says whether a coding agent needs you. Without a command: run.",
    )
    parser.add_argument("--version", action="version", version=f"opencode-tray {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    port = argparse.ArgumentParser(add_help=False)
    port.add_argument("--port", "--ws-port", type=int, metavar="N", help="the listener's port (41235)")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="for scripts")

    run = commands.add_parser("run", parents=[port], help="start the tray (the default)")
    run.add_argument("--host", metavar="H", help="where to listen (127.0.0.1)")
    run.add_argument("--headless", action="store_true", help="no icon; everything else works")
    run.add_argument("--no-notify", action="store_true", help="no notifications")
    run.add_argument("--debug", action="store_true", help="a detailed log")
    commands.add_parser("status", parents=[port, as_json], help="what the running tray knows")
    commands.add_parser("watch", parents=[port], help="a live table of all sessions")
    commands.add_parser("install-plugin", help="put the plugin into OpenCode's configuration")
    commands.add_parser("uninstall-plugin", help="take the plugin out again")
    demo = commands.add_parser("demo", parents=[port], help="a simulated fleet; no OpenCode needed")
    demo.add_argument("--tray", action="store_true", help="feed a tray that runs already instead of starting one")
    demo.add_argument("--headless", action="store_true", help="no icon")
    commands.add_parser("doctor", parents=[port, as_json], help="check the installation")
    commands.add_parser("config", parents=[port, as_json], help="every setting, its value and where it came from")
    commands.add_parser("stop", parents=[port], help="stop the running tray")
    return parser


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
        case _:
            from tray.cli.setup import SETUP

            return SETUP[options.command](options)
