"""What a person chose on a surface: imperative, one closed union. Surfaces post them; app carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tray.core.answers import Answer, RequestKey
from tray.core.model import Request, SessionKey


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a choice, in one line."""

    line: str
    ok: bool = True
    as_asked: bool = True  # False: something else was done than what was asked for, and the line says why
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


@dataclass(frozen=True, slots=True)
class GoTo:
    """Take me to this session."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class GoToNext:
    """Take me to whoever has waited longest for a person."""


@dataclass(frozen=True, slots=True)
class Respond:
    """My answer to a request. `seen` is what I was shown of it; None: I named it by its id."""

    request: RequestKey
    answer: Answer
    seen: Request | None = None


@dataclass(frozen=True, slots=True)
class RespondInWords:
    """Ask me for the words: of a rejection, or of my own answer to one of the questions."""

    request: RequestKey
    seen: Request
    question: int | None = None  # which question, from 0; None: a rejection


@dataclass(frozen=True, slots=True)
class ChooseLabel:
    """This label belongs, or belongs no more, to the answer that I am putting together."""

    request: RequestKey
    question: int
    label: str


@dataclass(frozen=True, slots=True)
class SendDraft:
    """Send the answer that I put together, to what I was shown."""

    request: RequestKey
    seen: Request


@dataclass(frozen=True, slots=True)
class OpenInBrowser:
    """Show me the session in OpenCode's web page."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class CopyAttachCommand:
    """Put the command that opens the session on the clipboard."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class CopySessionID:
    """Put the session's id on the clipboard."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the session's turn."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Fork:
    """Make a new session that begins as a copy of this one."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the session another title; None: ask me for it."""

    session: SessionKey
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """Put the session away; OpenCode keeps it."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the session and its subagents' for good."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Prompt:
    """Send the session a prompt; None: ask me for it."""

    session: SessionKey
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ShowMessages:
    """Show me the session's newest messages."""

    session: SessionKey
    limit: int = 20


@dataclass(frozen=True, slots=True)
class ShowTodos:
    """Show me the session's todo list."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class ShowDiff:
    """Show me what the session changed in files."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Dismiss:
    """I have seen it: an error or a finished turn stops being news."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Mute:
    """No notifications from `scope` for a while. Scope: "" everything, "project:DIR", "session:ID"."""

    scope: str
    span: MuteSpan


@dataclass(frozen=True, slots=True)
class Unmute:
    """Notifications from `scope` again."""

    scope: str


@dataclass(frozen=True, slots=True)
class StartServer:
    """Start a server of OpenCode in this directory; None: ask me for it."""

    directory: str | None = None


@dataclass(frozen=True, slots=True)
class StopServer:
    """Stop the server at this address."""

    url: str


@dataclass(frozen=True, slots=True)
class StopServers:
    """Stop all servers that were started here."""


@dataclass(frozen=True, slots=True)
class RestartServer:
    """Stop the server at this address, and start it as it was."""

    url: str


@dataclass(frozen=True, slots=True)
class PromptServer:
    """Ask me for a prompt, and begin a session with it at this address."""

    url: str


@dataclass(frozen=True, slots=True)
class OpenServer:
    """Open the web page of the server at this address."""

    url: str


@dataclass(frozen=True, slots=True)
class AttachServer:
    """Open OpenCode's terminal UI on the server at this address."""

    url: str


@dataclass(frozen=True, slots=True)
class CopyServerAddress:
    """Put the server's address on the clipboard."""

    url: str


@dataclass(frozen=True, slots=True)
class ShowServerLog:
    """Open the log of the server at this address."""

    url: str


@dataclass(frozen=True, slots=True)
class CleanServers:
    """Forget the servers that have ended, and their logs."""


@dataclass(frozen=True, slots=True)
class OpenSettings:
    """Open the settings file in the person's editor."""


@dataclass(frozen=True, slots=True)
class RunDoctor:
    """Check the installation and say what is wrong."""


@dataclass(frozen=True, slots=True)
class RotateToken:
    """Make a new token, and let nobody stay who came with the old one."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Stop the tray. Agents go on."""


SessionChoice = (
    GoTo
    | OpenInBrowser
    | CopyAttachCommand
    | CopySessionID
    | Stop
    | Fork
    | Rename
    | Archive
    | Delete
    | Prompt
    | ShowMessages
    | ShowTodos
    | ShowDiff
    | Dismiss
)
OwnChoice = OpenSettings | RunDoctor | RotateToken
AnswerChoice = Respond | RespondInWords | ChooseLabel | SendDraft
ServerChoice = (
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
Choice = ServerChoice | SessionChoice | AnswerChoice | GoToNext | Mute | Unmute | OwnChoice | Quit
