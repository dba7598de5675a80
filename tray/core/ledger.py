"""Derives what the history stores from events and from the changes that they made in the fleet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec.structs import astuple, replace

from tray.core.events import (
    Change,
    Event,
    FileEdited,
    MessageReported,
    RequestClosed,
    SessionChanged,
    SessionDeleted,
    SessionRemoved,
    StepsReported,
    TurnsReported,
)
from tray.core.fleet import Fleet
from tray.core.history import (
    EditRecord,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    StepRecord,
    TranscriptTurn,
    TurnOutcome,
    TurnRecord,
)
from tray.core.messages import Message, Tokens
from tray.core.numbers import token_count
from tray.core.opencode_ids import created_at, is_inherited
from tray.core.prices import Prices, estimate, micro_dollars, price_of
from tray.core.servers import DEMO, AgentKind, Server, Source
from tray.core.sessions import Outcome, Request, Session, SessionKey
from tray.core.timestamps import is_timestamp

MAX_TITLE, MAX_LINE, MAX_DETAIL = 200, 200, 500  # characters kept
MAX_LINES = 10**7  # that one edit adds or removes; a larger count is an error of the agent, and counts as 0
MAX_COST = 10**12  # micro-dollars of one response; a larger cost is not known
MIN_CLOCK_SKEW = 2_000  # ms; less may be the delay of the connection


class _Prompt(msgspec.Struct):
    """A prompt of the user."""

    id: str
    text: str = ""


class Ledger:
    """Lives on the event loop's thread. Only real servers that have proven the token are recorded."""

    def __init__(self, fleet: Fleet, day_of: Callable[[int], int]) -> None:
        """`day_of` returns the local date of a time (ms), in days since 1970-01-01."""
        self._fleet = fleet
        self._day_of = day_of
        self._prompts: dict[SessionKey, _Prompt] = {}  # the first prompt of each running turn
        self._outputs: dict[SessionKey, str] = {}  # the last line before each running turn
        self._turns: dict[SessionKey, TurnRecord] = {}  # the last turn of each session
        self.prices: Prices = {}
        self.keeps_text = True

    def records(self, event: Event, changes: Iterable[Change], at: int) -> list[HistoryRecord]:
        """Return what an event at time `at` (ms) adds to the history. `changes` are those that it made."""
        found: list[HistoryRecord] = []
        if isinstance(event, MessageReported):
            self._note_prompt(SessionKey(event.server_id, event.session_id), event.message)
        for change in changes:
            if isinstance(change, SessionRemoved):
                for known in (self._prompts, self._outputs, self._turns):
                    known.pop(change.before.key, None)
            if isinstance(change, SessionChanged) and (server := self._recorded(change.after.server)) is not None:
                found += self._changed(change.before, change.after, server, at)
        if isinstance(event, MessageReported | StepsReported):
            messages = event.messages if isinstance(event, StepsReported) else (event.message,)
            server = self._recorded(event.server_id)
            found += self._steps(event, messages, server) if server is not None else ()
        elif isinstance(event, TurnsReported) and self._recorded(event.server_id) is not None:
            session = self._fleet.sessions.get(SessionKey(event.server_id, event.session_id))
            if session is not None and self._is_root(session):
                found += transcript_turns(event.session_id, event.turns, self._day_of, keeps_text=self.keeps_text)
        elif isinstance(event, FileEdited) and self._recorded(event.server_id) is not None:
            counts = (count if 0 <= count <= MAX_LINES else 0 for count in (event.added, event.removed))
            edit = event.call_id, event.session_id, at, self._day_of(at), event.extension
            found.append(EditRecord(*edit, *counts))
        elif isinstance(event, SessionDeleted) and (server := self._recorded(event.server_id)) is not None:
            found.append(SessionRecord(event.session_id, server.agent_kind, is_deleted=True))
        elif isinstance(event, RequestClosed) and event.verdict and self._recorded(event.server_id) is not None:
            found.append(RequestRecord(event.request_id, event.session_id, closed=at, verdict=event.verdict))
        return found

    def _steps(
        self, event: MessageReported | StepsReported, messages: Iterable[Message], server: Server
    ) -> Iterator[StepRecord]:
        """Yield the steps among messages. OpenCode's plugin leaves out a model and an agent that are the session's."""
        session = self._fleet.sessions.get(SessionKey(event.server_id, event.session_id))
        model, agent = (session.model, session.agent) if session is not None else ("", "")
        for message in messages:
            named = replace(message, model=message.model or model, agent=message.agent or agent)
            step = step_of(event.session_id, named, self._day_of, self.prices, _clock_skew(server))
            if step is not None:
                yield step

    def _session(self, session: Session, server: Server) -> SessionRecord:
        """Return the record of a session."""
        return SessionRecord(
            session.id,
            server.agent_kind,
            parent=session.parent or "",
            host=server.host,
            directory=session.directory or server.directory,
            title=session.title[:MAX_TITLE] if self.keeps_text else "",
            created=session.created,
        )

    def _recorded(self, server_id: str) -> Server | None:
        """Return a server; None if it has not proven the token, is simulated, or is recorded by another tray."""
        server = self._fleet.servers.get(server_id)
        if server is None or not server.verified or server.plugin == DEMO or server.source is Source.TEAM:
            return None
        return server

    def _changed(self, before: Session | None, after: Session, server: Server, at: int) -> Iterator[HistoryRecord]:
        if before is None or _description(before) != _description(after):
            yield self._session(after, server)
        if before is None:
            return
        if before.requests is not after.requests:
            yield from self._requests(before, after, at)
        if before.prompt_text != after.prompt_text:
            self._note_prompt_text(after)
        if server.agent_kind.has_transcripts:
            return  # they tell the turns
        if after.turn_started and not before.turn_started:
            self._outputs[after.key] = before.last_output
        elif before.turn_started and not after.turn_started:
            turn = self._turn(before, after, _clock_skew(server), at)
            if self._is_root(after) and (turn.id or server.agent_kind is not AgentKind.OPENCODE):
                self._turns[after.key] = turn
                if _has_response(after, server):
                    yield turn
        elif _ends_otherwise(before, after) and (ended := self._turns.get(after.key)) is not None:
            yield replace(ended, outcome=_outcome(after))

    def _note_prompt(self, key: SessionKey, message: Message) -> None:
        """Keep the first prompt of a turn. OpenCode may report an older one again after the turn."""
        session = self._fleet.sessions.get(key)
        if message.role == "user" and session is not None and message.id == session.last_message:
            self._prompts.setdefault(key, _Prompt(message.id))

    def _note_prompt_text(self, session: Session) -> None:
        prompt = self._prompts.get(session.key)
        if prompt is not None and prompt.id == session.prompt:
            prompt.text = session.prompt_text

    def _turn(self, before: Session, after: Session, clock_skew: int, at: int) -> TurnRecord:
        prompt = self._prompts.pop(after.key, None) or _Prompt(after.prompt, after.prompt_text)
        output = self._outputs.pop(after.key, after.last_output)
        has_reply = after.last_output != output or after.outcome is Outcome.COMPLETED  # it may say the same again
        ended = after.turn_ended if is_timestamp(after.turn_ended) else at
        started = created_at(prompt.id, ended + clock_skew) - clock_skew if prompt.id else 0
        return TurnRecord(
            after.id,
            started if started > 0 else before.turn_started,
            ended,
            self._day_of(ended),
            _outcome(after),
            prompt.id if started > 0 else "",
            prompt=prompt.text[:MAX_LINE] if self.keeps_text else "",
            reply=after.last_output[:MAX_LINE] if self.keeps_text and has_reply else "",
        )

    def _is_root(self, session: Session) -> bool:
        return not session.is_child and self._fleet.root_of(session.key) == SessionKey(session.server, session.id)

    def _requests(self, before: Session, after: Session, at: int) -> Iterator[RequestRecord]:
        known = {request.id for request in before.requests}
        pending = {request.id for request in after.requests}
        for request in after.requests:
            if request.id not in known:
                yield self._request(request, after.id)
        for request in before.requests:
            if request.id not in pending:
                yield RequestRecord(request.id, after.id, closed=at)

    def _request(self, request: Request, session_id: str) -> RequestRecord:
        title, detail = (request.title, request.detail) if self.keeps_text else ("", "")
        return RequestRecord(
            request.id, session_id, request.kind.value, title[:MAX_TITLE], detail[:MAX_DETAIL], request.asked_at
        )


def step_of(
    session_id: str, message: Message, day_of: Callable[[int], int], prices: Prices, clock_skew: int = 0
) -> StepRecord | None:
    """Return a message as a step; None if it is not a response that has ended. `clock_skew` is that of its machine."""
    created, ended = created_at(message.id, message.completed), message.completed
    if message.role != "assistant" or not is_timestamp(ended - clock_skew):
        return None
    tokens = Tokens(*map(token_count, astuple(message.tokens)))
    price = price_of(message.model, prices)
    is_reported = message.cost > 0
    return StepRecord(
        message.id,
        session_id,
        ended - clock_skew,
        day_of(ended - clock_skew),
        created=created - clock_skew if created else 0,
        model=message.model,
        agent=message.agent,
        tokens=tokens,
        reported=_known(micro_dollars(message.cost)) if is_reported else None,
        estimated=_known(estimate(tokens, price)) if price is not None and not is_reported else None,
        failed=bool(message.error),
        inherited=is_inherited(message),
    )


def transcript_turns(
    session_id: str, turns: Iterable[TranscriptTurn], day_of: Callable[[int], int], *, keeps_text: bool
) -> Iterator[TurnRecord]:
    """Yield the turns of a transcript, without those whose times are not possible."""
    for turn in turns:
        if is_timestamp(turn.started) and is_timestamp(turn.ended):
            texts = (turn.prompt[:MAX_LINE], turn.reply[:MAX_LINE]) if keeps_text else ("", "")
            yield TurnRecord(session_id, turn.started, turn.ended, day_of(turn.ended), turn.outcome, "", *texts)


def _known(cost: int) -> int | None:
    return cost if cost <= MAX_COST else None


def _clock_skew(server: Server) -> int:
    return server.clock_skew if abs(server.clock_skew) >= MIN_CLOCK_SKEW else 0


def _description(session: Session) -> tuple[object, ...]:
    return session.title, session.parent, session.directory, session.created


def _has_response(session: Session, server: Server) -> bool:
    """Whether a model has answered. OpenCode's sessions also work on shell commands of the user."""
    last = session.last
    if server.agent_kind is not AgentKind.OPENCODE or session.failure is not None:
        return True
    has_tokens = last is not None and (last.tokens.total > 0 or bool(last.error))
    return has_tokens or session.outcome is Outcome.ABORTED


def _ends_otherwise(before: Session, after: Session) -> bool:
    """Whether the end of the last turn is reported again: OpenCode 1.0 and 1.1 report an error after the end."""
    if before.turn_started or after.turn_started:
        return False
    is_aborted = after.outcome is Outcome.ABORTED and before.outcome is not Outcome.ABORTED
    return is_aborted or (after.failure is not None and before.failure is None)


def _outcome(session: Session) -> TurnOutcome:
    if session.failure is not None:
        return TurnOutcome.FAILED
    return TurnOutcome.COMPLETED if session.outcome is Outcome.COMPLETED else TurnOutcome.ABORTED
