"""Every choice of a person, carried out. What could not be done as asked is said, with what to do instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from tray.actions.mute import end_of, when
from tray.actions.reply import Replies
from tray.actions.session_actions import run_session_command
from tray.core.answers import Answer, Permit, Reply, Verdict, asks_the_same
from tray.core.click_guard import REFUSED, ClickGuard
from tray.core.commands import (
    AnswerCommand,
    AnswerRequest,
    AskForAnswer,
    CommandResult,
    CopyAttachCommand,
    CopySessionID,
    DismissSession,
    Mute,
    OpenInBrowser,
    OpenNextSession,
    OpenSession,
    PromptSession,
    RenameSession,
    SendDraftAnswer,
    SessionCommand,
    Surface,
    ToggleOption,
    Unmute,
)
from tray.core.events import AnswerDrafted, Event, MuteCleared, MuteSet, SessionSeen
from tray.core.fleet import Fleet
from tray.core.model import Server, Session, SessionKey
from tray.core.session_index import SessionIndex
from tray.core.source_calls import SourceCall
from tray.core.summary import next_waiting
from tray.core.text import clean, shorten
from tray.system.text_dialog import Ask, NoDialogError

NOT_SENT = CommandResult("Nothing was sent")

Deed = SessionCommand | AnswerCommand | OpenNextSession | Mute | Unmute


class Going(Protocol):
    """The ways to a session."""

    async def go(self, session: Session, server: Server) -> CommandResult:
        """Take the person there, by the best way there is."""

    async def browse(self, session: Session, server: Server) -> CommandResult:
        """Open its web page."""

    async def copy_command(self, session: Session, server: Server) -> CommandResult:
        """Put the command that opens it on the clipboard."""

    async def copy(self, text: str) -> CommandResult:
        """Put a text on the clipboard."""

    async def run_in_terminal(self, words: Sequence[str], name: str) -> str | None:
        """Run one of our own commands, about this id, in a new terminal; its name, or None where none can be opened."""


class Actions:
    """Carries choices out; lives on the loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        replies: Replies,
        going: Going,
        call: SourceCall,
        ask: Ask,
        apply: Callable[[Event], None],
        now: Callable[[], int],
    ) -> None:
        self._fleet = fleet
        self._index = index
        self._replies = replies
        self._going = going
        self._call = call
        self._ask = ask
        self._apply = apply
        self._now = now
        self._guard = ClickGuard()

    async def carry_out(self, choice: Deed, surface: Surface) -> CommandResult:
        """Do it; what came of it, once that is known."""
        try:
            return await self._carry_out(choice, surface)
        except NoDialogError:
            if not isinstance(choice, (AskForAnswer, RenameSession, PromptSession)):
                raise  # the others ask for no words
            words, name = _by_hand(choice)
            opened = await self._going.run_in_terminal(words, name)
            if opened is not None:
                return CommandResult(f"Opened {opened} to ask for it")
            told = "No dialog program found: install zenity or kdialog, or run in a terminal:"
            return CommandResult(f"{told} opencode-tray {' '.join(words)} {name}", ok=False)

    async def _carry_out(self, choice: Deed, surface: Surface) -> CommandResult:
        match choice:
            case AnswerRequest() | AskForAnswer() | SendDraftAnswer() | ToggleOption():
                return await self._answer(choice, surface)
            case OpenNextSession():
                return await self._go_to_next(surface)
            case Mute(scope, span):
                at = self._now()
                until = end_of(span, at)
                self._apply(MuteSet(scope, until))
                return CommandResult(f"Muted {when(until, at)}")
            case Unmute(scope):
                self._apply(MuteCleared(scope))
                return CommandResult("Unmuted")
            case _:
                return await self._on_session(choice)

    async def _go_to_next(self, surface: Surface) -> CommandResult:
        following = next_waiting(self._index)
        if following is None:
            return CommandResult("No session needs you")
        if not self._guard.may_go(surface, self._now()):
            return CommandResult("A double click opens only one session")
        return await self._on_session(OpenSession(following.key))

    # ------------------------------------------------------------------ answers

    async def _answer(self, choice: AnswerCommand, surface: Surface) -> CommandResult:
        if not isinstance(choice, ToggleOption) and not self._guard.may_answer(surface, choice.request, self._now()):
            return CommandResult(REFUSED, ok=False)
        match choice:
            case AnswerRequest(key, answer, seen):
                return await self._replies.send(key, answer, surface, seen)
            case ToggleOption(key, question, label):
                self._apply(AnswerDrafted(key, question, label))
                return CommandResult("Chosen")
            case SendDraftAnswer(key, seen):
                request = self._fleet.request(key)
                return await self._replies.send(key, Reply(request.draft if request else ()), surface, seen)
            case AskForAnswer(key, seen):
                words = await self._in_words(choice)
                return NOT_SENT if words is None else await self._replies.send(key, words, surface, seen)
            case _:
                assert_never(choice)

    async def _in_words(self, choice: AskForAnswer) -> Answer | None:
        """Ask for the words; None: the person thought better of it, or they are part of an answer to be sent later."""
        request = choice.seen
        if choice.question is None:
            asked = f"Reject “{shorten(request.detail, 80)}”. What should the agent do instead?"
            words = await self._ask("Reject with a message", asked, "")
            return Permit(Verdict.REJECT, words) if words else None
        if not 0 <= choice.question < len(request.questions):
            return None
        words = await self._ask("Your answer", request.questions[choice.question].question, "")
        if not words:
            return None
        if len(request.questions) == 1 and not request.questions[0].multiple:
            return Reply(((words,),))
        current = self._fleet.request(choice.request)
        if current is not None and asks_the_same(choice.seen, current):
            self._apply(AnswerDrafted(choice.request, choice.question, words))
        return None

    # ------------------------------------------------------------------ sessions

    async def _on_session(self, choice: SessionCommand) -> CommandResult:
        session, server = self._found(choice.session)
        if session is None or server is None:
            return CommandResult("This session no longer exists, or its server has disconnected", ok=False)
        match choice:
            case OpenSession(key) | OpenInBrowser(key):
                way = self._going.go if isinstance(choice, OpenSession) else self._going.browse
                done = await way(session, server)
                if done.ok:
                    self._apply(SessionSeen(key))
                return done
            case CopyAttachCommand():
                return await self._going.copy_command(session, server)
            case CopySessionID():
                return await self._going.copy(clean(session.id))
            case DismissSession(key):
                self._apply(SessionSeen(key))
                return CommandResult("Dismissed")
            case RenameSession(key, None):
                title = await self._ask("Rename", "The session's title:", session.title)
                if not title:
                    return CommandResult("Not renamed")
                return await run_session_command(self._call, RenameSession(key, title), self._now())
            case PromptSession(key, None):
                text = await self._ask("Prompt", f"Tell “{shorten(session.title or session.id, 60)}”:", "")
                if not text:
                    return NOT_SENT
                return await run_session_command(self._call, PromptSession(key, text), self._now())
            case _:
                return await run_session_command(self._call, choice, self._now())

    def _found(self, key: SessionKey) -> tuple[Session | None, Server | None]:
        return self._fleet.sessions.get(key), self._fleet.servers.get(key.server)


def _by_hand(choice: AskForAnswer | RenameSession | PromptSession) -> tuple[list[str], str]:
    """Our own command that asks in a terminal, and the id that it is about."""
    match choice:
        case AskForAnswer(key):
            return ["reply"], key.request
        case RenameSession(key):
            return ["session", "rename"], key.session
        case PromptSession(key):
            return ["session", "prompt"], key.session
        case _:
            assert_never(choice)
