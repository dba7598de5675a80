"""The words of the command line."""

from __future__ import annotations

import argparse

from tray import __version__

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
    "run", "status", "watch", "reply", "attach", "next", "session", *READS, "mute", "unmute", "token",
    "install-plugin", "uninstall-plugin", "demo", "doctor", "config", "stop",
)  # fmt: skip


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
    run.add_argument("--debug", action="store_true", help="a detailed log")
    commands.add_parser("status", parents=[port, as_json, bars], help="what the running tray knows")
    commands.add_parser("watch", parents=[port, bars], help="a live table of all sessions")
    _add_answers(commands, port, as_json)
    _add_sessions(commands, port, as_json)
    token = commands.add_parser("token", parents=[port], help="show or replace the secret of plugins and tray")
    token.add_argument("deed", choices=("show", "rotate"))
    commands.add_parser("install-plugin", help="put the plugin into OpenCode's configuration")
    commands.add_parser("uninstall-plugin", help="take the plugin out again")
    demo = commands.add_parser("demo", parents=[port], help="a simulated fleet; no OpenCode needed")
    demo.add_argument("--tray", action="store_true", help="feed a tray that runs already instead of starting one")
    demo.add_argument("--headless", action="store_true", help="no icon")
    commands.add_parser("doctor", parents=[port, as_json], help="check the installation")
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
    mute.add_argument("span", nargs="?", default="30m", choices=("30m", "2h", "tomorrow", "forever"))
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
    deeds = session.add_subparsers(dest="deed", required=True, metavar="DEED")
    for deed, about in DEEDS.items():
        one = deeds.add_parser(deed, parents=[named, *common], help=about)
        one.set_defaults(words=[], yes=False)
        if deed in SURE:
            one.add_argument("--yes", action="store_true", help="do not ask again")
        if deed in WORDED:
            one.add_argument("words", nargs="*", metavar="WORD", help="none: asked for in the terminal")
    for what, about in READS.items():
        one = commands.add_parser(what, parents=[named, *common], help=about)
        if what == "messages":
            one.add_argument("--limit", type=int, default=20, metavar="N", help="how many (20)")
