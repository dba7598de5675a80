"""The words of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tray import __version__
from tray.core import durations

BARS = ("waybar", "polybar", "swiftbar")
DEEDS = {
    "stop": "stop the turn (asks again)",
    "prompt": "send a prompt: the words that follow",
    "rename": "give another title: the words that follow",
    "fork": "begin a new session as a copy of this one",
    "archive": "put it away; OpenCode keeps it",
    "delete": "delete it and its subagents' for good (asks again)",
    "dismiss": "its error or finished turn is no news any more",
    "browser": "open its web page",
    "copy-command": "put the command that opens it on the clipboard",
    "copy-id": "put its id on the clipboard",
}
SURE = {"stop": "Stop the turn of {session}?", "delete": "Delete {session} for good?"}
WORDED = {"prompt": "Prompt", "rename": "Title"}
READS = {"messages": "its newest messages", "todos": "its todo list", "diff": "what it changed in files"}
COMMANDS = (
    "run", "status", "watch", "reply", "attach", "next", "session", *READS, "mute", "unmute", "token", "serve",
    "install", "uninstall", "install-command", "install-plugin", "uninstall-plugin", "demo", "doctor", "config", "stop",
)  # fmt: skip


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return number


def _span(text: str) -> str:
    if text not in durations.UNTIL:
        try:
            durations.milliseconds(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{durations.ALLOWED}, not {text!r}") from None
    return text


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
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
    bars = argparse.ArgumentParser(add_help=False)
    for bar in BARS:
        bars.add_argument(f"--{bar}", dest="bar", action="store_const", const=bar, help=f"for {bar.capitalize()}")

    run = commands.add_parser("run", parents=[port], help="start the tray (the default)")
    run.add_argument("--host", metavar="H", help="where to listen (127.0.0.1)")
    run.add_argument("--headless", action="store_true", help="no icon; everything else works")
    run.add_argument("--no-notify", action="store_true", help="no notifications")
    run.add_argument("--mdns", action="store_true", help="find servers that announce themselves on the network")
    run.add_argument("--debug", action="store_true", help="a detailed log")
    commands.add_parser("status", parents=[port, as_json, bars], help="what the running tray knows")
    commands.add_parser("watch", parents=[port, bars], help="a live table of all sessions")
    _add_answers(commands, port, as_json)
    _add_sessions(commands, port, as_json)
    _add_servers(commands, as_json)
    token = commands.add_parser("token", parents=[port], help="show or replace the secret of plugins and tray")
    token.add_argument("deed", choices=("show", "rotate"))
    install = commands.add_parser("install", help="put the plugin into OpenCode, and start the tray at login")
    install.add_argument("--no-autostart", action="store_true", help="do not start it at login, not even any more")
    commands.add_parser("uninstall", help="undo that; says what is kept")
    commands.add_parser("install-command", help="put opencode-tray on the PATH, where run.py installed it")
    commands.add_parser("install-plugin", help="put the plugin into OpenCode's configuration")
    commands.add_parser("uninstall-plugin", help="take the plugin out again")
    demo = commands.add_parser("demo", parents=[port], help="a simulated fleet; no OpenCode needed")
    demo.add_argument("--tray", action="store_true", help="feed a tray that runs already instead of starting one")
    demo.add_argument("--headless", action="store_true", help="no icon")
    doctor = commands.add_parser("doctor", parents=[port, as_json], help="check the installation")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    doctor.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)  # in a terminal opened by the menu
    doctor.add_argument("--test-notification", action="store_true", help="show a notification")
    doctor.add_argument("--test-attach", action="store_true", help="open a terminal, as for a session")
    commands.add_parser("config", parents=[port, as_json], help="every setting, its value and where it came from")
    commands.add_parser("stop", parents=[port], help="stop the running tray")
    return parser


def _add_answers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], *common: argparse.ArgumentParser
) -> None:
    reply = commands.add_parser("reply", parents=common, help="answer a permission or a question")
    reply.add_argument("request", metavar="REQUEST", help="its id, or the beginning of it")
    reply.add_argument("verdict", nargs="?", choices=("once", "always", "reject"))
    reply.add_argument("--message", metavar="TEXT", help="with reject: what the agent should do instead")
    reply.add_argument(
        "--answer",
        action="append",
        metavar="TEXT",
        help="to a question, once for each: a label, several with commas between them, or your own words",
    )
    mute = commands.add_parser("mute", parents=common, help="no notifications for a while")
    mute.add_argument("span", nargs="?", default="30m", type=_span, metavar="SPAN", help=f"{durations.ALLOWED} (30m)")
    unmute = commands.add_parser("unmute", parents=common, help="notifications again")
    for one in (mute, unmute):
        scope = one.add_mutually_exclusive_group()
        scope.add_argument("--session", metavar="SESSION", help="of this session alone")
        scope.add_argument("--project", metavar="SESSION", help="of the project that this session is in")


def _add_sessions(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], *common: argparse.ArgumentParser
) -> None:
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("session", metavar="SESSION", help="its id, or the beginning of it")
    commands.add_parser("attach", parents=[named, *common], help="go to a session")
    commands.add_parser("next", parents=common, help="go to whoever has waited longest for you")
    session = commands.add_parser("session", help="do something with a session")
    deeds = session.add_subparsers(dest="deed", required=True, metavar="COMMAND")
    for deed, about in DEEDS.items():
        one = deeds.add_parser(deed, parents=[named, *common], help=about)
        one.set_defaults(words=[], yes=False, takes_words=deed in WORDED)
        if deed in SURE:
            one.add_argument("--yes", action="store_true", help="do not ask again")
        if deed in WORDED:
            one.add_argument("words", nargs="*", metavar="WORD", help="none: asked for in the terminal")
    for what, about in READS.items():
        one = commands.add_parser(what, parents=[named, *common], help=about)
        if what == "messages":
            one.add_argument("--limit", type=_between(1, 1000), default=20, metavar="N", help="how many (20)")


def _add_servers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], as_json: argparse.ArgumentParser
) -> None:
    serve = commands.add_parser("serve", help="OpenCode's servers in the background")
    deeds = serve.add_subparsers(dest="deed", required=True, metavar="COMMAND")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("server", metavar="ID", help="its port, as `serve list` shows it")
    start = deeds.add_parser("start", parents=[as_json], help="start one, or several")
    start.add_argument("--dir", metavar="D", help="where it works (here)")
    start.add_argument("--port", type=_between(1, 65535), metavar="N", help="its port (the first free one from 4096)")
    start.add_argument("--hostname", metavar="H", help="where it binds (127.0.0.1)")
    start.add_argument("--count", type=_between(1, 50), default=1, metavar="K", help="how many (1)")
    start.add_argument("--password", default="auto", metavar="P", help="auto (one is made), none, ask, or env:NAME")
    start.add_argument("--cors", action="append", default=[], metavar="ORIGIN", help="a web page that may use it")
    start.add_argument("--mdns", action="store_true", help="tell the local network of it")
    deeds.add_parser("list", parents=[as_json], help="every OpenCode server of this machine")
    status = deeds.add_parser("status", parents=[as_json], help="how it is, and its MCP and LSP servers")
    status.add_argument("server", nargs="?", metavar="ID", help="none: all of them")
    stop = deeds.add_parser("stop", help="stop servers")
    stop.add_argument("servers", nargs="*", metavar="ID")
    stop.add_argument("--all", action="store_true", help="all that were started here")
    deeds.add_parser("restart", parents=[one], help="stop it, and start it as it was")
    logs = deeds.add_parser("logs", parents=[one], help="the end of its log")
    logs.add_argument("-f", "--follow", action="store_true", help="and what is added to it")
    logs.add_argument("-n", "--lines", type=_between(1, 1_000_000), default=40, metavar="N", help="how many lines (40)")
    deeds.add_parser("events", parents=[one, as_json], help="what happens in it, as it happens")
    send = deeds.add_parser("send", parents=[as_json], help="prompt a server, and wait for the answer")
    send.set_defaults(takes_words=True)
    send.add_argument("words", nargs="*", metavar="ID PROMPT", help="the server, and what to tell it; - reads stdin")
    send.add_argument("--all", action="store_true", help="tell all that were started here; then no ID")
    send.add_argument("--file", action="append", default=[], metavar="F", help="a file that goes along; repeatable")
    send.add_argument("--session", metavar="SESSION", help="go on in this one")
    send.add_argument("--dir", metavar="D", help="where it works, if not where the server was started")
    batch = deeds.add_parser("batch", parents=[as_json], help="run a file of prompts")
    batch.add_argument(
        "batch_file",
        metavar="FILE",
        help="a prompt a line, or ID: PROMPT; - reads stdin; without ID to those started here, in turn",
    )
    batch.add_argument("--parallel", type=_between(1, 64), default=4, metavar="N", help="how many at once (4)")
    deeds.add_parser("open", parents=[one], help="open its web page")
    deeds.add_parser("attach", parents=[one], help="OpenCode's terminal UI on it, in this terminal")
    deeds.add_parser("password", parents=[one], help="show its password")
    deeds.add_parser("clean", help="forget those that have ended, and their logs")
