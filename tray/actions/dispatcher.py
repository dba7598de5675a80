"""Execute the user's commands on sessions, requests and mutes, and name each command for the title of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from tray.actions.attach.opener import SessionOpener
from tray.actions.mute import mute_end, mute_end_text
from tray.actions.reply import Replies
from tray.actions.session_actions import run_session_command
from tray.core.answers import Answer, Permit, Reply, Verdict, asks_the_same
from tray.core.click_guard import REFUSED, ClickGuard
from tray.core.commands import (
    AnswerCommand,
    AnswerRequest,
    AskForAnswer,
    CloseWays,
    Command,
    CommandResult,
    CopyAttachCommand,
    CopySessionID,
    CopyText,
    DecidePairing,
    DismissSession,
    ExplainIgnoredClick,
    InstallHooks,
    InstallPlugin,
    Mute,
    NewSession,
    OpenDashboard,
    OpenInBrowser,
    OpenNextSession,
    OpenReleases,
    OpenSession,
    OpenSettings,
    OpenTunnel,
    PairChannel,
    PromptSession,
    RenameSession,
    RunDoctor,
    SendDraftAnswer,
    SendTestMessage,
    ServeOnTailnet,
    ServerCommand,
    SessionCommand,
    ShowAbout,
    ShowPhoneCode,
    ShowSummary,
    Surface,
    ToggleOption,
    Unmute,
)
from tray.core.events import AnswerDrafted, Event, MuteCleared, MuteSet, SessionSeen
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.session_index import SessionIndex
from tray.core.sessions import Session, SessionKey
from tray.core.source_calls import SourceCall
from tray.core.summary import next_waiting
from tray.core.text import clean, shorten
from tray.system.text_dialog import Ask, NoDialogError

NOT_SENT = CommandResult("Nothing was sent")

DispatchedCommand = SessionCommand | AnswerCommand | OpenNextSession | Mute | Unmute

_TITLES: Mapping[type, str] = {
    OpenSession: "Open session",
    OpenNextSession: "Open session",
    OpenInBrowser: "Open session",
    CopyAttachCommand: "Copy",
    CopySessionID: "Copy",
    CopyText: "Copy",
    ExplainIgnoredClick: "Your answer",
    InstallPlugin: "Plugin",
    InstallHooks: "Agents",
    ShowSummary: "OpenCode Tray",
    OpenSettings: "Settings",
    OpenDashboard: "Dashboard",
    DecidePairing: "Phone",
    ShowPhoneCode: "Phone",
    OpenTunnel: "Tunnel to the page",
    ServeOnTailnet: "Tailscale",
    CloseWays: "Phone",
    SendTestMessage: "Channels",
    PairChannel: "Channels",
    RunDoctor: "Doctor",
    ShowAbout: "OpenCode Tray",
    OpenReleases: "OpenCode Tray",
}


def title_of(command: Command) -> str:
    """Return the title of the notification that shows a command's result."""
    if isinstance(command, AnswerCommand):
        return "Your answer"
    if isinstance(command, ServerCommand):
        return "OpenCode's servers"
    return _TITLES.get(type(command), "Your session")


class Dispatcher:
    """Executes commands on the event loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        replies: Replies,
        opener: SessionOpener,
        call: SourceCall,
        ask: Ask,
        apply: Callable[[Event], None],
        now: Callable[[], int],
    ) -> None:
        """`ask` asks the user for a text; `apply` applies an event to the fleet; `now` returns ms since 1970."""
        self._fleet = fleet
        self._index = index
        self._replies = replies
        self._opener = opener
        self._call = call
        self._ask = ask
        self._apply = apply
        self._now = now
        self._guard = ClickGuard()

    async def execute(self, command: DispatchedCommand, surface: Surface) -> CommandResult:
        """Execute a command and return its result. Without a dialog program, a terminal asks the user for texts."""
        try:
            return await self._execute(command, surface)
        except NoDialogError:
            if not isinstance(command, (AskForAnswer, RenameSession, PromptSession, NewSession)):
                raise  # no other command asks for a text
            words, argument = _in_terminal(command)
            opened = await self._opener.run_in_terminal(words, argument)
            if opened is not None:
                return CommandResult(f"Opened {opened}, which asks for the text")
            advice = "No dialog program found: install zenity or kdialog, or run in a terminal:"
            return CommandResult(f"{advice} opencode-tray {' '.join(words)} {argument}", ok=False)

    async def _execute(self, command: DispatchedCommand, surface: Surface) -> CommandResult:
        match command:
            case AnswerRequest() | AskForAnswer() | SendDraftAnswer() | ToggleOption():
                return await self._answer(command, surface)
            case OpenNextSession():
                return await self._open_next(surface)
            case Mute(scope, span):
                now = self._now()
                end = mute_end(span, now)
                self._apply(MuteSet(scope, end))
                return CommandResult(f"Muted {mute_end_text(end, now)}")
            case Unmute(scope):
                self._apply(MuteCleared(scope))
                return CommandResult("Unmuted")
            case _:
                return await self._on_session(command)

    async def _open_next(self, surface: Surface) -> CommandResult:
        waiting = next_waiting(self._index)
        if waiting is None:
            return CommandResult("No session needs you")
        if not self._guard.may_go(surface, self._now()):
            return CommandResult("A double click opens only one session")
        return await self._on_session(OpenSession(waiting.key))

    # ------------------------------------------------------------------ answers

    async def _answer(self, command: AnswerCommand, surface: Surface) -> CommandResult:
        device = command.device if isinstance(command, AnswerRequest) else ""
        if not isinstance(command, ToggleOption) and not self._guard.may_answer(
            surface, command.request, self._now(), device
        ):
            return CommandResult(REFUSED, ok=False)
        match command:
            case AnswerRequest(key, answer, seen):
                return await self._replies.send(key, answer, surface, seen, device)
            case ToggleOption(key, question, label):
                self._apply(AnswerDrafted(key, question, label))
                return CommandResult("Chosen")
            case SendDraftAnswer(key, seen):
                request = self._fleet.request(key)
                return await self._replies.send(key, Reply(request.draft if request else ()), surface, seen)
            case AskForAnswer(key, seen):
                typed = await self._ask_for_answer(command)
                return NOT_SENT if typed is None else await self._replies.send(key, typed, surface, seen)
            case _:
                assert_never(command)

    async def _ask_for_answer(self, command: AskForAnswer) -> Answer | None:
        """Ask the user for a text. Return the answer to send; None if they cancelled, or if it only adds to the draft.

        A text for one of several questions is added to the draft answer.
        """
        request = command.seen
        if command.question is None:
            prompt = f"Reject “{shorten(request.detail, 80)}”. What should the agent do instead?"
            text = await self._ask("Reject with a message", prompt, "")
            return Permit(Verdict.REJECT, text) if text else None
        if not 0 <= command.question < len(request.questions):
            return None
        text = await self._ask("Your answer", request.questions[command.question].question, "")
        if not text:
            return None
        if len(request.questions) == 1 and not request.questions[0].multiple:
            return Reply(((text,),))
        current = self._fleet.request(command.request)
        if current is not None and asks_the_same(command.seen, current):
            self._apply(AnswerDrafted(command.request, command.question, text))
        return None

    # ------------------------------------------------------------------ sessions

    async def _on_session(self, command: SessionCommand) -> CommandResult:
        session, server = self._find(command.session)
        if session is None or server is None:
            return CommandResult("This session no longer exists, or its server has disconnected", ok=False)
        match command:
            case OpenSession(key) | OpenInBrowser(key):
                is_open = isinstance(command, OpenSession)
                result = await (self._opener.open if is_open else self._opener.open_in_browser)(session, server)
                if result.ok:
                    self._apply(SessionSeen(key))
                return result
            case CopyAttachCommand():
                return await self._opener.copy_command(session, server)
            case CopySessionID():
                return await self._opener.copy(clean(session.id))
            case DismissSession(key):
                self._apply(SessionSeen(key))
                return CommandResult("Dismissed")
            case RenameSession(key, None):
                title = await self._ask("Rename", "The session's title:", session.title)
                if not title:
                    return CommandResult("Not renamed")
                return await run_session_command(self._call, RenameSession(key, title), self._now())
            case PromptSession(key, None):
                text = await self._ask("Prompt", f"Prompt for “{shorten(session.title or session.id, 60)}”:", "")
                if not text:
                    return NOT_SENT
                return await run_session_command(self._call, PromptSession(key, text), self._now())
            case NewSession(key, None):
                text = await self._ask("New session", "Its first prompt:", "")
                if not text:
                    return NOT_SENT
                return await run_session_command(self._call, NewSession(key, text), self._now())
            case _:
                return await run_session_command(self._call, command, self._now())

    def _find(self, key: SessionKey) -> tuple[Session | None, Server | None]:
        return self._fleet.sessions.get(key), self._fleet.servers.get(key.server)


def _in_terminal(command: AskForAnswer | RenameSession | PromptSession | NewSession) -> tuple[list[str], str]:
    """Return the `opencode-tray` subcommand that asks for the text in a terminal, and the ID that it takes."""
    match command:
        case AskForAnswer(key):
            return ["reply"], key.request
        case RenameSession(key):
            return ["session", "rename"], key.session
        case PromptSession(key):
            return ["session", "prompt"], key.session
        case NewSession(key):
            return ["session", "new"], key.session
        case _:
            assert_never(command)
