"""The commands and options of `serve`. `--help` reads this module, so it imports nothing slow."""

from __future__ import annotations

import argparse

from tray.cli.arguments import add_command, integer

# Name -> the function that runs the command, as "module:function", and the help text.
SERVE_COMMANDS = {
    "start": ("tray.cli.serve_start:start", "start one or more servers"),
    "list": ("tray.cli.serve_list:list_all", "list the OpenCode servers of this machine"),
    "status": ("tray.cli.serve_list:status", "show a server's health, and its MCP and LSP servers"),
    "stop": ("tray.cli.serve_start:stop", "stop servers"),
    "restart": ("tray.cli.serve_start:restart", "restart a server with the same options"),
    "logs": ("tray.cli.serve_logs:logs", "show the end of a server's log"),
    "events": ("tray.cli.serve_events:events", "print a server's events as they happen"),
    "send": ("tray.cli.serve_send:send_prompt", "send a prompt to a server, and print the answer"),
    "batch": ("tray.cli.serve_send:batch", "run the prompts in a file"),
    "open": ("tray.cli.serve_open:open_in_browser", "open a server in the browser"),
    "attach": ("tray.cli.serve_open:attach", "open OpenCode's terminal UI on a server, in this terminal"),
    "password": ("tray.cli.serve_open:show_password", "show a server's password"),
    "clean": ("tray.cli.serve_start:remove_ended", "remove the records and logs of servers that have ended"),
}


def add_serve_commands(serve: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    """Add the subcommands of `serve`. `as_json` has the option --json."""
    subcommands = serve.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    server_id = argparse.ArgumentParser(add_help=False)
    server_id.add_argument("server", metavar="ID", help="server ID (its port), as shown by serve list")

    def add(name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        run, about = SERVE_COMMANDS[name]
        return add_command(subcommands, name, run, about, *parents)

    _add_start(add("start", as_json))
    add("list", as_json)
    add("status", as_json).add_argument("server", nargs="?", metavar="ID", help="server ID (default: all servers)")
    stop = add("stop")
    stop.add_argument("servers", nargs="*", metavar="ID", help="server ID (its port), as shown by serve list")
    stop.add_argument("--all", action="store_true", help="all servers started by opencode-tray")
    add("restart", server_id)
    logs = add("logs", server_id)
    logs.add_argument("-f", "--follow", action="store_true", help="keep printing new lines")
    about = "number of lines (default: 40)"
    logs.add_argument("-n", "--lines", type=integer(1, 1_000_000), default=40, metavar="N", help=about)
    add("events", server_id, as_json)
    _add_send(add("send", as_json))
    batch = add("batch", as_json)
    about = (
        "one PROMPT or ID: PROMPT a line; prompts without an ID go in turn to the servers started by opencode-tray; "
        "- reads stdin"
    )
    batch.add_argument("batch_file", metavar="FILE", help=about)
    about = "how many prompts run at once (default: 4)"
    batch.add_argument("--parallel", type=integer(1, 64), default=4, metavar="N", help=about)
    for name in ("open", "attach", "password"):
        add(name, server_id)
    add("clean")


def _add_start(start: argparse.ArgumentParser) -> None:
    start.add_argument("--dir", metavar="D", help="directory of the server (default: the current one)")
    about = "port of the server (default: the first free one from 4096)"
    start.add_argument("--port", type=integer(1, 65535), metavar="N", help=about)
    start.add_argument("--hostname", metavar="H", help="address to listen on (default: 127.0.0.1, with --mdns 0.0.0.0)")
    about = "number of servers (default: 1)"
    start.add_argument("--count", type=integer(1, 50), default=1, metavar="K", help=about)
    about = "auto (generate one), none, ask, or env:NAME (default: auto)"
    start.add_argument("--password", default="auto", metavar="P", help=about)
    about = "allow this web origin; repeatable"
    start.add_argument("--cors", action="append", default=[], metavar="ORIGIN", help=about)
    start.add_argument("--mdns", action="store_true", help="announce the server on the local network")


def _add_send(send: argparse.ArgumentParser) -> None:
    send.set_defaults(takes_words=True)
    about = "server ID and prompt; with --all the prompt only; - reads the prompt from stdin"
    send.add_argument("words", nargs="*", metavar="ID PROMPT", help=about)
    send.add_argument("--all", action="store_true", help="send it to all servers started by opencode-tray")
    send.add_argument("--file", action="append", default=[], metavar="F", help="attach a file; repeatable")
    send.add_argument("--session", metavar="SESSION", help="continue this session")
    send.add_argument("--dir", metavar="D", help="working directory (default: the server's)")
