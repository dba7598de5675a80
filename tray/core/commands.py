"""What a person chose on a surface: imperative, one closed union. Surfaces post them; app carries them out."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from tray.core.answers import Answer, RequestKey
from tray.core.model import Request, SessionKey


class CommandResult(msgspec.Struct, frozen=True):
    """What came of a choice, in one line."""

    message: str
    ok: bool = True
    as_requested: bool = True  # False: something else was done than what was asked for, and the line says why
    result: Any = None  # what was asked for, as plain JSON values


class Surface(Enum):
    """Where a person chose."""

    MENU = "menu"
    NOTIFICATION = "notification"
    COMMAND = "command line"


FOREVER = 2**53  # ms since the epoch: the end of a mute without one


class MuteSpan(Enum):
    """How long a mute holds."""

    HALF_HOUR = "30 minutes"
    TWO_HOURS = "2 hours"
    TOMORROW = "until tomorrow"
    FOREVER = "until I unmute"


class OpenSession(msgspec.Struct, frozen=True):
    """Take me to this session."""

    session: SessionKey


class OpenNextSession(msgspec.Struct, frozen=True):
    """Take me to whoever has waited longest for a person."""


class AnswerRequest(msgspec.Struct, frozen=True):
    """My answer to a request. `seen` is what I was shown of it; None: I named it by its id."""

    request: RequestKey
    answer: Answer
    seen: Request | None = None


class AskForAnswer(msgspec.Struct, frozen=True):
    """Ask me for the words: of a rejection, or of my own answer to one of the questions."""

    request: RequestKey
    seen: Request
    question: int | None = None  # which question, from 0; None: a rejection


class ToggleOption(msgspec.Struct, frozen=True):
    """This label belongs, or belongs no more, to the answer that I am putting together."""

    request: RequestKey
    question: int
    label: str


class SendDraftAnswer(msgspec.Struct, frozen=True):
    """Send the answer that I put together, to what I was shown."""

    request: RequestKey
    seen: Request


class OpenInBrowser(msgspec.Struct, frozen=True):
    """Show me the session in OpenCode's web page."""

    session: SessionKey


class CopyAttachCommand(msgspec.Struct, frozen=True):
    """Put the command that opens the session on the clipboard."""

    session: SessionKey


class CopySessionID(msgspec.Struct, frozen=True):
    """Put the session's id on the clipboard."""

    session: SessionKey


class CopyText(msgspec.Struct, frozen=True):
    """Put what I read on the clipboard."""

    text: str


class ExplainIgnoredClick(msgspec.Struct, frozen=True):
    """I clicked on an answer that had only just come under the pointer."""


class InstallPlugin(msgspec.Struct, frozen=True):
    """Install the plugin for OpenCode."""


class ShowSummary(msgspec.Struct, frozen=True):
    """Nobody needs me: tell me what there is."""


class StopTurn(msgspec.Struct, frozen=True):
    """Stop the session's turn."""

    session: SessionKey


class ForkSession(msgspec.Struct, frozen=True):
    """Make a new session that begins as a copy of this one."""

    session: SessionKey


class RenameSession(msgspec.Struct, frozen=True):
    """Give the session another title; None: ask me for it."""

    session: SessionKey
    title: str | None = None


class ArchiveSession(msgspec.Struct, frozen=True):
    """Put the session away; OpenCode keeps it."""

    session: SessionKey


class DeleteSession(msgspec.Struct, frozen=True):
    """Delete the session and its subagents' for good."""

    session: SessionKey


class PromptSession(msgspec.Struct, frozen=True):
    """Send the session a prompt; None: ask me for it."""

    session: SessionKey
    text: str | None = None


class ShowMessages(msgspec.Struct, frozen=True):
    """Show me the session's newest messages."""

    session: SessionKey
    limit: int = 20


class ShowTodos(msgspec.Struct, frozen=True):
    """Show me the session's todo list."""

    session: SessionKey


class ShowDiff(msgspec.Struct, frozen=True):
    """Show me what the session changed in files."""

    session: SessionKey


class DismissSession(msgspec.Struct, frozen=True):
    """I have seen it: an error or a finished turn stops being news."""

    session: SessionKey


class Mute(msgspec.Struct, frozen=True):
    """No notifications from `scope` for a while. Scope: "" everything, "project:DIR", "session:ID"."""

    scope: str
    span: MuteSpan | int  # a number: milliseconds


class Unmute(msgspec.Struct, frozen=True):
    """Notifications from `scope` again."""

    scope: str


class StartServer(msgspec.Struct, frozen=True):
    """Start a server of OpenCode in this directory; None: ask me for it."""

    directory: str | None = None


class StopServer(msgspec.Struct, frozen=True):
    """Stop the server at this address."""

    url: str


class StopServers(msgspec.Struct, frozen=True):
    """Stop all servers that were started here."""


class RestartServer(msgspec.Struct, frozen=True):
    """Stop the server at this address, and start it as it was."""

    url: str


class PromptServer(msgspec.Struct, frozen=True):
    """Ask me for a prompt, and begin a session with it at this address."""

    url: str


class OpenServer(msgspec.Struct, frozen=True):
    """Open the web page of the server at this address."""

    url: str


class AttachServer(msgspec.Struct, frozen=True):
    """Open OpenCode's terminal UI on the server at this address."""

    url: str


class CopyServerAddress(msgspec.Struct, frozen=True):
    """Put the server's address on the clipboard."""

    url: str


class ShowServerLog(msgspec.Struct, frozen=True):
    """Open the log of the server at this address."""

    url: str


class CleanServers(msgspec.Struct, frozen=True):
    """Forget the servers that have ended, and their logs."""


class OpenSettings(msgspec.Struct, frozen=True):
    """Open the settings file in the person's editor."""


class RunDoctor(msgspec.Struct, frozen=True):
    """Check the installation and say what is wrong."""


class RotateToken(msgspec.Struct, frozen=True):
    """Make a new token, and let nobody stay who came with the old one."""


class Quit(msgspec.Struct, frozen=True):
    """Stop the tray. Agents go on."""


SessionCommand = (
    OpenSession
    | OpenInBrowser
    | CopyAttachCommand
    | CopySessionID
    | StopTurn
    | ForkSession
    | RenameSession
    | ArchiveSession
    | DeleteSession
    | PromptSession
    | ShowMessages
    | ShowTodos
    | ShowDiff
    | DismissSession
)
AppCommand = CopyText | ExplainIgnoredClick | InstallPlugin | ShowSummary | OpenSettings | RunDoctor | RotateToken
AnswerCommand = AnswerRequest | AskForAnswer | ToggleOption | SendDraftAnswer
ANSWERS = (AnswerRequest, AskForAnswer, SendDraftAnswer)  # of these, what sends an answer
ServerCommand = (
    StartServer
    | StopServer
    | StopServers
    | RestartServer
    | PromptServer
    | OpenServer
    | AttachServer
    | CopyServerAddress
    | ShowServerLog
    | CleanServers
)
Command = ServerCommand | SessionCommand | AnswerCommand | OpenNextSession | Mute | Unmute | AppCommand | Quit
