"""The commands that a user can give, one record for each. Surfaces post them; the app executes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec

from tray.core.answers import Answer, RequestKey
from tray.core.devices import Scope
from tray.core.phone_ways import Way
from tray.core.servers import AgentKind
from tray.core.sessions import Request, SessionKey


class CommandResult(msgspec.Struct, frozen=True):
    """The result of a command."""

    message: str  # one line for the user
    ok: bool = True
    as_requested: bool = True  # False: something other than the command was done, and the message says why
    result: Any = None  # the data that the command asked for, as plain JSON values


class Surface(Enum):
    """Where the user gave a command."""

    MENU = "menu"
    NOTIFICATION = "notification"
    COMMAND = "command line"
    PAGE = "page"
    CHANNEL = "channel"
    TEAM = "team"  # another tray


FOREVER = 2**53  # ms since the Unix epoch: the end of a mute that the user has to end


class MuteSpan(Enum):
    """The durations of a mute that the menu offers."""

    HALF_HOUR = "30 minutes"
    TWO_HOURS = "2 hours"
    TOMORROW = "until tomorrow"
    FOREVER = "until I unmute"


class OpenSession(msgspec.Struct, frozen=True):
    """Open this session."""

    session: SessionKey


class OpenNextSession(msgspec.Struct, frozen=True):
    """Open the session that has waited longest for the user."""


class AnswerRequest(msgspec.Struct, frozen=True):
    """Answer a request."""

    request: RequestKey
    answer: Answer
    seen: Request | None = None  # as the user saw it; None: the user named it by its ID
    device: str = ""  # name and address of the page's device from which it was answered


class AskForAnswer(msgspec.Struct, frozen=True):
    """Ask the user for the text of a rejection, or of a custom answer to one of the questions."""

    request: RequestKey
    seen: Request
    question: int | None = None  # index of the question; None: a rejection


class ToggleOption(msgspec.Struct, frozen=True):
    """Add this label to the draft answer, or remove it."""

    request: RequestKey
    question: int
    label: str


class SendDraftAnswer(msgspec.Struct, frozen=True):
    """Send the draft answer."""

    request: RequestKey
    seen: Request  # as the user saw it


class OpenInBrowser(msgspec.Struct, frozen=True):
    """Open the session in the browser."""

    session: SessionKey


class CopyAttachCommand(msgspec.Struct, frozen=True):
    """Copy the command that opens the session to the clipboard."""

    session: SessionKey


class CopySessionID(msgspec.Struct, frozen=True):
    """Copy the session ID to the clipboard."""

    session: SessionKey


class CopyText(msgspec.Struct, frozen=True):
    """Copy a text of the menu to the clipboard."""

    text: str


class ExplainIgnoredClick(msgspec.Struct, frozen=True):
    """Explain why a click on an answer that had just moved under the pointer was ignored."""


class InstallPlugin(msgspec.Struct, frozen=True):
    """Install the plugin into OpenCode."""


class InstallHooks(msgspec.Struct, frozen=True):
    """Install the hooks with which an agent reports to the tray."""

    agent_kind: AgentKind


class ShowSummary(msgspec.Struct, frozen=True):
    """Show a summary of all sessions, because none needs the user."""


class StopTurn(msgspec.Struct, frozen=True):
    """Stop the session's current turn."""

    session: SessionKey


class ForkSession(msgspec.Struct, frozen=True):
    """Create a new session as a copy of this one."""

    session: SessionKey


class RenameSession(msgspec.Struct, frozen=True):
    """Change the session's title."""

    session: SessionKey
    title: str | None = None  # None: ask the user for it


class ArchiveSession(msgspec.Struct, frozen=True):
    """Archive the session; OpenCode keeps it."""

    session: SessionKey


class DeleteSession(msgspec.Struct, frozen=True):
    """Permanently delete the session and its subagent sessions."""

    session: SessionKey


class PromptSession(msgspec.Struct, frozen=True):
    """Send a prompt to the session."""

    session: SessionKey
    text: str | None = None  # None: ask the user for it


class NewSession(msgspec.Struct, frozen=True):
    """Start a new session with a prompt, on the server and in the project of the session."""

    session: SessionKey
    text: str | None = None  # None: ask the user for it


class ShowMessages(msgspec.Struct, frozen=True):
    """Return the session's newest messages."""

    session: SessionKey
    limit: int = 20


class ShowTodos(msgspec.Struct, frozen=True):
    """Return the session's todo list."""

    session: SessionKey


class ShowDiff(msgspec.Struct, frozen=True):
    """Return the session's file changes."""

    session: SessionKey


class DismissSession(msgspec.Struct, frozen=True):
    """Mark the session's error or finished turn as seen."""

    session: SessionKey


class Mute(msgspec.Struct, frozen=True):
    """Show no notifications of `scope` for a while."""

    scope: str  # "": everything; "project:DIR"; "session:ID"
    span: MuteSpan | int  # int: ms


class Unmute(msgspec.Struct, frozen=True):
    """Show the notifications of `scope` again."""

    scope: str


class StartServer(msgspec.Struct, frozen=True):
    """Start an OpenCode server."""

    directory: str | None = None  # None: ask the user for it


class StopServer(msgspec.Struct, frozen=True):
    """Stop the server at this URL."""

    url: str


class StopServers(msgspec.Struct, frozen=True):
    """Stop all servers that were started by opencode-tray."""


class RestartServer(msgspec.Struct, frozen=True):
    """Restart the server at this URL with the same options."""

    url: str


class PromptServer(msgspec.Struct, frozen=True):
    """Ask the user for a prompt, and start a session with it on the server at this URL."""

    url: str


class OpenServer(msgspec.Struct, frozen=True):
    """Open the server at this URL in the browser."""

    url: str


class AttachServer(msgspec.Struct, frozen=True):
    """Open OpenCode's terminal UI on the server at this URL."""

    url: str


class CopyServerAddress(msgspec.Struct, frozen=True):
    """Copy the server's URL to the clipboard."""

    url: str


class ShowServerLog(msgspec.Struct, frozen=True):
    """Open the log of the server at this URL."""

    url: str


class CleanServers(msgspec.Struct, frozen=True):
    """Remove the records and logs of servers that have ended."""


class OpenSettings(msgspec.Struct, frozen=True):
    """Open the settings file in the user's editor."""


class RunDoctor(msgspec.Struct, frozen=True):
    """Check the installation and show the findings."""


class ShowAbout(msgspec.Struct, frozen=True):
    """Show the version of the tray, and how and where it is installed."""


class OpenReleases(msgspec.Struct, frozen=True):
    """Open the page of the project's releases in the browser."""


class RotateToken(msgspec.Struct, frozen=True):
    """Create a new token and close all connections that used the old one."""


class OpenDashboard(msgspec.Struct, frozen=True):
    """Open the page in the user's browser and pair it; without `in_browser`, only return the address."""

    in_browser: bool = True
    scope: Scope = Scope.ACT  # of the browser that pairs


class ListDevices(msgspec.Struct, frozen=True):
    """Return the devices that are paired with the page."""


class PairPhone(msgspec.Struct, frozen=True):
    """Return the address with which a phone begins its pairing, and the way to it."""

    way: Way | None = None  # None: the best one that is open


class ShowPhoneCode(msgspec.Struct, frozen=True):
    """Show this address as a QR code in a window."""


class OpenTunnel(msgspec.Struct, frozen=True):
    """Expose the page to the internet for some hours."""

    program: str = ""  # its name; "": the first one that is installed


class ServeOnTailnet(msgspec.Struct, frozen=True):
    """Let the devices of the user's tailnet reach the page."""


class CloseWays(msgspec.Struct, frozen=True):
    """Close the tunnel, or take the page out of the tailnet."""

    way: Way | None = None  # None: both


class ListPairings(msgspec.Struct, frozen=True):
    """Return the phones that wait for a decision."""


class DecidePairing(msgspec.Struct, frozen=True):
    """Allow a phone a scope, or refuse it."""

    pairing: str  # its ID
    scope: Scope | None  # None: refuse


class RevokeDevice(msgspec.Struct, frozen=True):
    """Revoke the device with this ID, or with the only ID that starts with it."""

    device: str


class RevokeDevices(msgspec.Struct, frozen=True):
    """Revoke all devices."""


class ListChannels(msgspec.Struct, frozen=True):
    """Return the channels of the settings, and whether they work."""


class SendTestMessage(msgspec.Struct, frozen=True):
    """Send a message that says that it is a test."""

    channel: str  # its name


class PressButton(msgspec.Struct, frozen=True):
    """Give the answer that a button of a notification stands for (`core.answer_codes`)."""

    channel: str  # name of the channel that has sent it
    code: str
    origin: str  # for the audit log: which device, and from where


class PairChannel(msgspec.Struct, frozen=True):
    """Return what the user has to do so that a channel knows whom it talks to."""

    channel: str  # its name


class AddRemote(msgspec.Struct, frozen=True):
    """Install the plugin on another machine, and keep a tunnel from it."""

    ssh: str  # HOST or USER@HOST


class ListRemotes(msgspec.Struct, frozen=True):
    """Return the machines with a tunnel, and whether it is open."""


class CheckRemote(msgspec.Struct, frozen=True):
    """Find out why a machine does not report."""

    ssh: str


class RemoveRemote(msgspec.Struct, frozen=True):
    """Close the tunnel of a machine, and revoke its token."""

    ssh: str


class Quit(msgspec.Struct, frozen=True):
    """Stop the tray. Agents keep running."""


OpenCodeCommand = (  # on a session, carried out by OpenCode
    StopTurn
    | ForkSession
    | RenameSession
    | ArchiveSession
    | DeleteSession
    | PromptSession
    | NewSession
    | ShowMessages
    | ShowTodos
    | ShowDiff
)
SessionCommand = OpenSession | OpenInBrowser | CopyAttachCommand | CopySessionID | DismissSession | OpenCodeCommand
SESSION_COMMAND_RECORDS: Mapping[str, Callable[..., SessionCommand]] = {  # by their names in tray.core.session_commands
    "attach": OpenSession,
    "browser": OpenInBrowser,
    "copy-command": CopyAttachCommand,
    "copy-id": CopySessionID,
    "dismiss": DismissSession,
    "stop": StopTurn,
    "fork": ForkSession,
    "rename": RenameSession,
    "archive": ArchiveSession,
    "delete": DeleteSession,
    "prompt": PromptSession,
    "new": NewSession,
    "messages": ShowMessages,
    "todos": ShowTodos,
    "diff": ShowDiff,
}
PhoneCommand = PairPhone | ShowPhoneCode | OpenTunnel | ServeOnTailnet | CloseWays | ListPairings | DecidePairing
PageCommand = OpenDashboard | ListDevices | RevokeDevice | RevokeDevices
ChannelCommand = ListChannels | SendTestMessage | PressButton | PairChannel
RemoteCommand = AddRemote | ListRemotes | CheckRemote | RemoveRemote
AppCommand = (
    CopyText
    | ExplainIgnoredClick
    | InstallPlugin
    | InstallHooks
    | ShowSummary
    | OpenSettings
    | RunDoctor
    | ShowAbout
    | OpenReleases
    | RotateToken
    | PageCommand
)
AnswerCommand = AnswerRequest | AskForAnswer | ToggleOption | SendDraftAnswer
ANSWERS = (AnswerRequest, AskForAnswer, SendDraftAnswer)  # those that send an answer
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
Command = (
    ServerCommand
    | SessionCommand
    | AnswerCommand
    | OpenNextSession
    | Mute
    | Unmute
    | AppCommand
    | PhoneCommand
    | ChannelCommand
    | RemoteCommand
    | Quit
)
