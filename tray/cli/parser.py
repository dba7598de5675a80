"""The commands and options of the command line. `--help` reads this module, so it imports nothing slow."""

from __future__ import annotations

import argparse

from tray import __version__
from tray.cli.arguments import Commands, add_command, day, duration, integer
from tray.cli.serve_parser import add_serve_commands
from tray.core import durations
from tray.core.phone_ways import TUNNEL_PROGRAMS
from tray.core.session_commands import ATTACH, READ_COMMANDS, SESSION_SUBCOMMANDS

# Name -> the function that runs the command, as "module:function", and the help text.
COMMANDS = {
    "run": ("tray.cli.run:run", "start the tray (default)"),
    "status": ("tray.cli.status:status", "show the sessions of the running tray"),
    "watch": ("tray.cli.watch:watch", "show a live table of all sessions"),
    "next": ("tray.cli.session:open_next", "open the session that has waited longest for you"),
    "attach": ("tray.cli.session:attach", ATTACH.help),
    "open": ("tray.cli.page:open_dashboard", "open the dashboard in the browser"),
    "devices": ("tray.cli.page:devices", "list or revoke the browsers that may use the dashboard"),
    "channels": ("tray.cli.channels:channels", "list, test or pair the services that bring alerts to where you are"),
    "phone": ("tray.cli.phone:phone", "pair a phone with the page, by a QR code"),
    "remote": ("tray.cli.remote:remote", "show the sessions of other machines, through a tunnel of ssh"),
    "team": ("", "share sessions with other trays, through a broker"),
    "reply": ("tray.cli.session:reply", "answer a permission or a question"),
    "session": (
        "tray.cli.session:session",
        "control a session: prompt, stop, rename, archive, delete, start a new one …",
    ),
    **{info.name: ("tray.cli.show:show", info.help) for info in READ_COMMANDS},
    "usage": ("tray.cli.usage:show_usage", "show tokens and cost of today, a week, a month or any days"),
    "history": ("", "search, import, export, back up or delete what is recorded"),
    "mute": ("tray.cli.session:mute", "mute notifications"),
    "unmute": ("tray.cli.session:unmute", "unmute notifications"),
    "report": ("tray.cli.report:report", "show a session of any program"),
    "run-with": ("tray.cli.report:run_with", "run a command, and show it as a session"),
    "serve": ("", "manage OpenCode servers in the background"),
    "demo": ("tray.cli.demo:demo", "simulate sessions; works without OpenCode"),
    "doctor": ("tray.cli.doctor:doctor", "check the installation"),
    "config": ("tray.cli.config:config", "show all settings, their values and their sources"),
    "token": ("tray.cli.token:token", "show or replace the token that the tray and its plugins share"),
    "install": ("tray.cli.install:install", "install the OpenCode plugin and hooks, and start the tray at login"),
    "uninstall": ("tray.cli.install:uninstall", "undo install, and list the files that are kept"),
    "install-command": ("tray.cli.install:install_command", "link the command into ~/.local/bin (only for run.py)"),
    "install-plugin": ("tray.cli.install:install_plugin_only", "install the OpenCode plugin only"),
    "uninstall-plugin": ("tray.cli.install:uninstall_plugin_only", "remove the OpenCode plugin only"),
    "install-hooks": ("tray.cli.install_hooks:install_hooks", "install the hooks of other agents only"),
    "uninstall-hooks": ("tray.cli.install_hooks:uninstall_hooks", "remove the hooks of other agents only"),
    "stop": ("tray.cli.status:stop", "stop the running tray"),
}
BARS = {"waybar": "Waybar", "polybar": "Polybar", "swiftbar": "SwiftBar"}

REMOTE_COMMANDS = {
    "add": "install the plugin there, and keep a tunnel from it",
    "list": "list the machines, and whether their tunnels are open",
    "doctor": "find out why a machine does not report",
    "remove": "close the tunnel, and revoke the token of the machine",
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="opencode-tray",
        description="Show coding-agent sessions in the system tray, and answer their requests.",
        epilog="Without a command, opencode-tray starts the tray.",
    )
    parser.add_argument("--version", action="version", version=f"opencode-tray {__version__}")
    parser.add_argument("--verbose", action="store_true", help="with --version: also how and where it is installed")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    port = _port_option("port of the tray (default: the running tray's)")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON")
    _add_tray_commands(commands, port, as_json)
    _add_session_commands(commands, port, as_json)
    _add_usage(commands, as_json)
    _add_history(commands, as_json)
    _add_mute_commands(commands, port, as_json)
    _add_reports(commands)
    add_serve_commands(_add(commands, "serve"), as_json)
    _add_setup_commands(commands, port, as_json)
    _add(commands, "stop", port)
    return parser


def _port_option(about: str) -> argparse.ArgumentParser:
    port = argparse.ArgumentParser(add_help=False)
    port.add_argument("--port", type=int, metavar="N", help=about)
    port.add_argument("--ws-port", dest="port", type=int, help=argparse.SUPPRESS)  # opencode-monitor's name for it
    return port


def _add(commands: Commands, name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
    run, about = COMMANDS[name]
    return add_command(commands, name, run, about, *parents)


def _add_tray_commands(commands: Commands, port: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    bars = argparse.ArgumentParser(add_help=False)
    for name, title in BARS.items():
        bars.add_argument(f"--{name}", dest="bar", action="store_const", const=name, help=f"print for {title}")
    run = _add(commands, "run", _port_option("port to listen on (default: 41235, or a free one)"))
    run.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    run.add_argument("--headless", action="store_true", help="run without an icon")
    run.add_argument("--no-notify", action="store_true", help="show no notifications")
    run.add_argument("--mdns", action="store_true", help="find servers that are announced on the local network")
    run.add_argument("--debug", action="store_true", help="write a detailed log")
    _add(commands, "status", port, as_json, bars)
    _add(commands, "watch", port, bars)
    dashboard = _add(commands, "open", port, as_json)
    dashboard.add_argument("--print", action="store_true", help="print its address, which works once, within a minute")
    about = "what the browser may do: watch, answer requests, or act (default)"
    dashboard.add_argument("--scope", choices=("watch", "answer", "act"), default="act", help=about)
    devices = _add(commands, "devices", port, as_json)
    devices.add_argument("action", nargs="?", choices=("list", "revoke"), default="list", help="list (default), revoke")
    devices.add_argument("device", nargs="?", metavar="ID", help="with revoke: a device's ID, or the start of one")
    devices.add_argument("--all", action="store_true", help="with revoke: all devices")
    phone = _add(commands, "phone", port, as_json).add_mutually_exclusive_group()
    about = "serve the page to your tailnet first"
    phone.add_argument("--tailscale", action="store_true", help=about)
    about = "expose the page to the internet first, with cloudflared or ngrok"
    phone.add_argument("--tunnel", nargs="?", const="", choices=("", *TUNNEL_PROGRAMS), metavar="PROGRAM", help=about)
    phone.add_argument("--stop", action="store_true", help="close the tunnel, and take the page out of the tailnet")
    remote = _add(commands, "remote").add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name, about in REMOTE_COMMANDS.items():
        parser = add_command(remote, name, COMMANDS["remote"][0], about, port, as_json)
        if name != "list":
            parser.add_argument("destination", metavar="USER@HOST", help="as for ssh; USER@ may be left out")
    team = _add(commands, "team").add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    add_command(team, "key", "tray.cli.team:key", "make a key for a team, and show what to do with it")
    about = "print the name and the public key of this tray, for team.answers of another one"
    add_command(team, "identity", "tray.cli.team:identity", about)
    channels = _add(commands, "channels", port, as_json)
    actions = ("list", "test", "pair")
    channels.add_argument("action", nargs="?", choices=actions, default="list", help="list (default), test or pair")
    channels.add_argument("channel", nargs="?", metavar="NAME", help="with test and pair: the channel")


def _add_session_commands(commands: Commands, *common: argparse.ArgumentParser) -> None:
    session_id = argparse.ArgumentParser(add_help=False)
    session_id.add_argument("session", metavar="SESSION", help="session ID, or the start of one")
    _add(commands, "next", *common)
    _add(commands, "attach", session_id, *common)
    _add_reply(commands, *common)
    session = _add(commands, "session")
    subcommands = session.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for info in SESSION_SUBCOMMANDS:
        parser = add_command(subcommands, info.name, COMMANDS["session"][0], info.help, session_id, *common)
        parser.set_defaults(words=[], yes=False, takes_words=bool(info.input_label))
        if info.confirmation:
            parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        if info.input_label:
            about = f"{info.input_label.lower()} (default: ask in the terminal)"
            parser.add_argument("words", nargs="*", metavar="TEXT", help=about)
    for info in READ_COMMANDS:
        parser = _add(commands, info.name, session_id, *common)
        if info.parameter == "limit":
            about = "maximum number of messages (default: 20)"
            parser.add_argument("--limit", type=integer(1, 1000), default=20, metavar="N", help=about)


def _add_usage(commands: Commands, as_json: argparse.ArgumentParser) -> None:
    usage = _add(commands, "usage", as_json)
    about = "today, this week (from Monday) or this month (default: today)"
    usage.add_argument("period", nargs="?", choices=("today", "week", "month"), default="today", help=about)
    usage.add_argument("--from", dest="first", type=day, metavar="DAY", help="first day, such as 2026-11-01")
    usage.add_argument("--to", dest="last", type=day, metavar="DAY", help="last day (default: today)")
    groups = ("day", "model", "project", "agent", "program", "host")
    usage.add_argument("--by", choices=groups, help=f"one line for each: {', '.join(groups)}")


def _add_history(commands: Commands, as_json: argparse.ArgumentParser) -> None:
    subcommands = _add(commands, "history").add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    about = "import the sessions that agents have stored on this machine"
    add_command(subcommands, "import", "tray.cli.history:import_history", about)
    about = "list the sessions with these words in a title, prompt, reply, request or note, the most recent first"
    find = add_command(subcommands, "search", "tray.cli.history:search_history", about, as_json)
    find.add_argument(
        "words", nargs="*", metavar="WORD", help="words that all occur in one text (default: all sessions)"
    )
    find.add_argument("--project", metavar="DIR", help="only sessions of this directory")
    find.add_argument("--tag", metavar="TAG", help="only sessions with this tag, which you set on the page")
    find.add_argument("--pinned", action="store_true", help="only sessions that are pinned on the page")
    about = "print each recorded response as CSV, or with --json as one JSON object for each line"
    export = add_command(subcommands, "export", "tray.cli.history:export_history", about, as_json)
    export.add_argument("--from", dest="first", type=day, metavar="DAY", help="first day, such as 2026-11-01")
    export.add_argument("--to", dest="last", type=day, metavar="DAY", help="last day")
    about = "remove a session, or those of a project, with their subagents"
    delete = add_command(subcommands, "delete", "tray.cli.history:delete_history", about)
    delete.add_argument("session", nargs="?", metavar="SESSION", help="session ID, or the start of one")
    delete.add_argument("--project", metavar="DIR", help="all sessions of this directory")
    delete.add_argument("--numbers", action="store_true", help="take their usage out of all sums as well")
    delete.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    about = "give the space of removed rows back"
    add_command(subcommands, "vacuum", "tray.cli.history:compact_history", about)
    backup = add_command(subcommands, "backup", "tray.cli.history:back_up_history", "copy the database to a file")
    backup.add_argument("file", metavar="FILE", help="file that does not exist yet")


def _add_reports(commands: Commands) -> None:
    report = _add(commands, "report")
    report.add_argument("--id", required=True, metavar="ID", help="any text; reports with the same ID are one session")
    states = ("busy", "waiting", "completed", "error")
    report.add_argument("--status", required=True, choices=states, help=f"its state: {', '.join(states)}")
    report.add_argument("--title", metavar="TEXT", help="its title (default: the ID)")
    report.add_argument("--detail", metavar="TEXT", help="what it does, waits for or failed with")
    about = "process with which the session ends; 0: none (default: the program that runs this command)"
    report.add_argument("--pid", type=integer(0, 2**31 - 1), metavar="N", help=about)
    run_with = _add(commands, "run-with")
    run_with.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="command and its arguments")


def _add_reply(commands: Commands, *common: argparse.ArgumentParser) -> None:
    reply = _add(commands, "reply", *common)
    reply.add_argument("request", metavar="REQUEST", help="request ID, or the start of one")
    reply.add_argument(
        "verdict",
        nargs="?",
        choices=("once", "always", "reject"),
        help="answer to a permission; reject is for questions too (default: ask in the terminal)",
    )
    reply.add_argument("--message", metavar="TEXT", help="with reject: what the agent should do instead")
    reply.add_argument(
        "--answer",
        action="append",
        metavar="TEXT",
        help="answer to a question: a label, several labels separated by commas, or your own text; repeat it for each "
        "question of the request",
    )


def _add_mute_commands(commands: Commands, *common: argparse.ArgumentParser) -> None:
    mute = _add(commands, "mute", *common)
    about = f"{durations.ALLOWED} (default: 30m)"
    mute.add_argument("duration", nargs="?", default="30m", type=duration, metavar="DURATION", help=about)
    for parser in (mute, _add(commands, "unmute", *common)):
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--session", metavar="SESSION", help="only this session")
        scope.add_argument("--project", metavar="SESSION", help="only the project of this session")


def _add_setup_commands(commands: Commands, port: argparse.ArgumentParser, as_json: argparse.ArgumentParser) -> None:
    demo = _add(commands, "demo", _port_option("port to listen on, or with --tray the port of the running tray"))
    demo.add_argument("--tray", action="store_true", help="send the sessions to the running tray")
    demo.add_argument("--headless", action="store_true", help="run without an icon")
    doctor = _add(commands, "doctor", port, as_json)
    doctor.add_argument("--fix", action="store_true", help="fix what can be fixed safely")
    doctor.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)  # in a terminal opened by the menu
    doctor.add_argument("--test-notification", action="store_true", help="show a test notification")
    doctor.add_argument("--test-attach", action="store_true", help="open a test terminal")
    _add(commands, "config", port, as_json)
    token = _add(commands, "token", port)
    token.add_argument("action", choices=("show", "rotate"), help="print the token, or replace it with a new one")
    install = _add(commands, "install")
    about = "do not start at login; remove an existing autostart entry"
    install.add_argument("--no-autostart", action="store_true", help=about)
    about = "start at login with a unit of systemd instead of an autostart entry (Linux)"
    install.add_argument("--systemd", action="store_true", help=about)
    about = "install the hooks of these agents: claude,codex,qwen,gemini; all (that are found); none (default: ask)"
    install.add_argument("--agents", metavar="NAMES", help=about)
    install.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    for name in ("install-hooks", "uninstall-hooks"):
        hooks = _add(commands, name)
        hooks.add_argument("names", nargs="*", metavar="AGENT", help="claude, codex, qwen, gemini (default: all)")
        hooks.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    for name in ("uninstall", "install-command", "install-plugin", "uninstall-plugin"):
        _add(commands, name)
