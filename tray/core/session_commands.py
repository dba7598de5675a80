"""The table of the commands on one session. The parser, the menu, the control API and the session actions read it.

The parser needs it for `--help`, so this module imports nothing that is slow to load. `SESSION_COMMAND_RECORDS` in
`tray.core.commands` has the record of each command.
"""

from __future__ import annotations

from typing import NamedTuple


class SessionCommandInfo(NamedTuple):
    """How a command on one session is named, described, confirmed and carried out."""

    name: str  # on the command line, and the method of the control API
    help: str
    menu_label: str = ""  # empty: not in the menu
    confirmation: str = ""  # what a destructive command asks before it runs, without "?"; empty: not destructive
    parameter: str = ""  # the record's field after `session`, and the parameter of the control API
    input_label: str = ""  # what the terminal asks the user for if the text is missing; empty: takes no text
    method: str = ""  # the method that OpenCode is called with (plugin/PROTOCOL.md); empty: the tray does it itself
    done: str = ""  # the result's message; "{id}" is the ID of a new session
    failed: str = ""  # the start of the error message


ATTACH = SessionCommandInfo("attach", "open a session in its terminal, a new terminal or the browser", "Open session")
SESSION_SUBCOMMANDS = (  # opencode-tray session NAME SESSION
    SessionCommandInfo(
        "stop",
        "stop the current turn (asks for confirmation)",
        "Stop",
        confirmation="Stop the current turn of {session}",
        method="session.abort",
        done="Stopped",
        failed="Could not stop the session",
    ),
    SessionCommandInfo(
        "prompt",
        "send a prompt to the session",
        "Send a prompt…",
        parameter="text",
        input_label="Prompt",
        method="session.prompt",
        done="Sent",
        failed="Could not send the prompt",
    ),
    SessionCommandInfo(
        "new",
        "start a new session with a prompt, in the OpenCode and the project of this one",
        "New session…",
        parameter="text",
        input_label="Prompt",
        method="session.create",
        done="Started: {id}",
        failed="Could not start a session",
    ),
    SessionCommandInfo(
        "rename",
        "change the title of the session",
        "Rename…",
        parameter="title",
        input_label="Title",
        method="session.update",
        done="Renamed",
        failed="Could not rename the session",
    ),
    SessionCommandInfo(
        "fork",
        "create a new session as a copy of this one",
        "Fork",
        method="session.fork",
        done="Forked: {id}",
        failed="Could not fork the session",
    ),
    SessionCommandInfo(
        "archive",
        "archive the session; OpenCode keeps it",
        "Archive",
        method="session.update",
        done="Archived",
        failed="Could not archive the session",
    ),
    SessionCommandInfo(
        "delete",
        "permanently delete the session and its subagent sessions (asks for confirmation)",
        "Delete",
        confirmation="Permanently delete {session}",
        method="session.delete",
        done="Deleted",
        failed="Could not delete the session",
    ),
    SessionCommandInfo("dismiss", "mark the session's error or finished turn as seen", "Dismiss"),
    SessionCommandInfo("browser", "open the session in the browser", "Open in browser"),
    SessionCommandInfo(
        "copy-command", "copy the command that opens the session to the clipboard", "Copy attach command"
    ),
    SessionCommandInfo("copy-id", "copy the session ID to the clipboard", "Copy session ID"),
)
READ_COMMANDS = (  # opencode-tray NAME SESSION
    SessionCommandInfo(
        "messages",
        "show the newest messages of a session",
        parameter="limit",
        method="session.messages",
        failed="Could not read the messages",
    ),
    SessionCommandInfo(
        "todos", "show the todo list of a session", method="session.todo", failed="Could not read the todo list"
    ),
    SessionCommandInfo(
        "diff", "show the file changes of a session", method="session.diff", failed="Could not read the file changes"
    ),
)
SESSION_COMMANDS = {info.name: info for info in (ATTACH, *SESSION_SUBCOMMANDS, *READ_COMMANDS)}
