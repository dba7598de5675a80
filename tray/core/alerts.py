"""Which changes become a notification, and which withdraw one. At most one live notification a root session."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from tray.core.board import Board, Row
from tray.core.model import Request, RequestKind, SessionKey, Status

STALE_NEWS = 60_000  # ms; an end or an error older than this when first seen is shown, but not announced
ABORT_HOLD = 500  # ms; a stop by the person follows the idle within about 150 ms


class Reason(Enum):
    """Why a person is told."""

    PERMISSION = "permission"
    QUESTION = "question"
    ERROR = "error"
    FINISHED = "finished"

    @property
    def is_request(self) -> bool:
        """Whether somebody is waited for."""
        return self in (Reason.PERMISSION, Reason.QUESTION)


class AlertRules(msgspec.Struct, frozen=True):
    """What a person may set about notifications. Times in ms."""

    reasons: frozenset[Reason] = frozenset(Reason)
    finished_after: int = 15_000  # a shorter turn is no news
    hold: int = 1_000  # an ask that is answered by a rule within this time was never a person's


class Alert(msgspec.Struct, frozen=True):
    """One notification: who, why, and the words. Not yet escaped for any toolkit."""

    session: SessionKey
    reason: Reason
    identity: str  # the same news has the same identity, whatever its words
    title: str
    body: str
    due: int
    request: Request | None = None  # what is asked
    answerable: bool = False  # whether an answer can be sent from here


class Notify(msgspec.Struct, frozen=True):
    """Show the alert in place of whatever is shown for its session."""

    alert: Alert


class Withdraw(msgspec.Struct, frozen=True):
    """Take the session's notification away: it was answered, seen, or is no longer true."""

    session_id: str


Effect = Notify | Withdraw


class Alerts:
    """Compares what should be announced with what is, session by session."""

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.rules = rules or AlertRules()
        self._told: dict[str, Alert] = {}  # announced, or silently taken note of
        self._live: set[str] = set()  # of these, whose notification is shown
        self._held: dict[str, int] = {}  # session id -> when to look again

    def update(self, session_ids: Iterable[str], board: Board, at: int, *, silent: bool) -> tuple[Effect, ...]:
        """Look at these sessions and at those whose hold has run out.

        `silent` (everything is muted, or quiet hours): a finished turn or an error is taken note of and never
        announced; a request is announced when the silence ends and it still waits.
        """
        due = {session_id for session_id, when in self._held.items() if when <= at}
        effects: list[Effect] = []
        for session_id in due.union(session_ids):
            effect = self._look(session_id, board.row(session_id), at, silent=silent)
            if effect is not None:
                effects.append(effect)
        return tuple(effects)

    def next_deadline(self) -> int | None:
        """When `update` has to be called even if nothing changes, or None."""
        return min(self._held.values(), default=None)

    def _look(self, session_id: str, row: Row | None, at: int, *, silent: bool) -> Effect | None:
        self._held.pop(session_id, None)
        told = self._told.get(session_id)
        if told is not None and row is not None and row.status is Status.DISCONNECTED and not told.reason.is_request:
            return self._withdraw(session_id)  # old news when the link is back
        wanted = wanted_alert(row, self.rules) if row is not None else None
        if wanted is not None and told is not None and told.identity == wanted.identity:
            return None
        self._told.pop(session_id, None)
        if wanted is None:
            return self._withdraw(session_id)
        if at < wanted.due:
            self._held[session_id] = wanted.due
            return self._withdraw(session_id)
        if silent and wanted.reason.is_request:
            return self._withdraw(session_id)
        self._told[session_id] = wanted
        if not wanted.reason.is_request and (silent or at - wanted.due > STALE_NEWS):
            return self._withdraw(session_id)
        self._live.add(session_id)
        return Notify(wanted)

    def _withdraw(self, session_id: str) -> Withdraw | None:
        if session_id not in self._live:
            return None
        self._live.discard(session_id)
        return Withdraw(session_id)


def wanted_alert(row: Row, rules: AlertRules) -> Alert | None:
    """What should be announced of this row, or None."""
    if row.muted:
        return None
    if row.status.needs_person:
        alert = _request_alert(row, rules)
    elif row.status is Status.ERROR and row.session.failure is not None and not row.session.is_child:
        failure = row.session.failure
        body = failure.message or failure.name
        identity = f"error {failure.name} {failure.message}"
        alert = Alert(row.key, Reason.ERROR, identity, _name(row), body, row.since + ABORT_HOLD)
    elif row.status is Status.COMPLETED and row.session.turn_length >= rules.finished_after:
        body = row.session.last_output or "Finished"
        alert = Alert(row.key, Reason.FINISHED, f"finished {row.since}", _name(row), body, row.since + ABORT_HOLD)
    else:
        return None
    return alert if alert is not None and alert.reason in rules.reasons else None


def _request_alert(row: Row, rules: AlertRules) -> Alert | None:
    waiting = [request for request in row.requests if not request.sending]
    if not waiting:
        return None
    first = min(waiting, key=lambda r: (r.kind is not RequestKind.PERMISSION, r.asked_at))
    reason = Reason.PERMISSION if first.kind is RequestKind.PERMISSION else Reason.QUESTION
    body = first.detail if first.detail.startswith(first.title) else f"{first.title}: {first.detail}"
    if first.refusal:
        body += f"\n{first.refusal}"
    if len(waiting) > 1:
        body += f"\n(and {len(waiting) - 1} more)"
    identity = f"request {first.id} {first.whole} {first.refusal}"
    due = first.asked_at + rules.hold
    return Alert(row.key, reason, identity, _name(row), body, due, first, not row.server.watched)


def _name(row: Row) -> str:
    title = row.session.title or row.session.id
    name = f"{row.server.name} — {title}" if row.server.name else title
    return name if row.server.verified else f"(watch only) {name}"
