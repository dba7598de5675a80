"""Which changes become a notification, and which withdraw one. At most one live notification a root session."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from tray.core.model import Request, RequestKind, SessionKey, Status
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.transitions.user_actions import AUTO_ANSWERED_WITHIN

LOOKED_AT = 10_000  # ms that an alert is held back while the person looks at its session's terminal
ASKED_AGAIN = 1_000  # ms between two looks at the focus while an alert is held back
ASKED_LATER = 5_000  # ms; the same once it has been held back for LOOKED_AT
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


class WhenLooking(Enum):
    """What becomes of an alert while the person looks at its session's terminal."""

    HOLD = "hold"  # it comes after LOOKED_AT, or once the person looks away
    SHOW = "show"  # it comes at once
    NEVER = "never"  # an ask comes once the person looks away, other news not at all


class AlertRules(msgspec.Struct, frozen=True):
    """What a person may set about notifications. Times in ms."""

    reasons: frozenset[Reason] = frozenset(Reason)
    finished_after: int = 15_000  # the end of a turn is no news this soon after its begin or the person's last act
    hold: int = AUTO_ANSWERED_WITHIN  # an ask that is answered within this time was never a person's
    when_looking: WhenLooking = WhenLooking.HOLD


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


class CheckFocus(msgspec.Struct, frozen=True):
    """Find out whether the person looks at the session's terminal, then call `Alerts.focus_reported`."""

    session_id: str


Effect = Notify | Withdraw | CheckFocus


class _Held(msgspec.Struct, frozen=True):
    """An alert that is held back because the person looks at its session's terminal."""

    identity: str
    since: int  # when the person was first found to look
    check_at: int  # when to ask for the focus again

    def is_over(self, rules: AlertRules, at: int) -> bool:
        """Whether it comes now, wherever the person looks."""
        return rules.when_looking is WhenLooking.HOLD and at >= self.since + LOOKED_AT


class Alerts:
    """Compares what should be announced with what is, session by session."""

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.rules = rules or AlertRules()
        self._told: dict[str, Alert] = {}  # announced, or silently taken note of
        self._live: set[str] = set()  # of these, whose notification is shown
        self._due: dict[str, int] = {}  # session id -> when to look again
        self._held: dict[str, _Held] = {}
        self._checking: set[str] = set()  # the sessions whose focus is being asked for

    def update(self, session_ids: Iterable[str], index: SessionIndex, at: int, *, silent: bool) -> tuple[Effect, ...]:
        """Look at these sessions and at those whose time has come.

        `silent` (everything is muted, or quiet hours): a finished turn or an error is taken note of and never
        announced; a request is announced when the silence ends and it still waits.
        """
        due = {session_id for session_id, when in self._due.items() if when <= at}
        effects: list[Effect] = []
        for session_id in due.union(session_ids):
            effects += self._look(session_id, index, at, silent=silent)
        return tuple(effects)

    def focus_reported(
        self, session_id: str, index: SessionIndex, at: int, *, looking: bool | None, silent: bool
    ) -> tuple[Effect, ...]:
        """Take the answer to a CheckFocus: whether the session's terminal has the focus. None: unknown."""
        self._checking.discard(session_id)
        return self._look(session_id, index, at, silent=silent, looking=looking is True)

    def next_deadline(self) -> int | None:
        """When `update` has to be called even if nothing changes, or None."""
        return min(self._due.values(), default=None)

    def _look(
        self, session_id: str, index: SessionIndex, at: int, *, silent: bool, looking: bool | None = None
    ) -> tuple[Effect, ...]:
        """What follows for this session. `looking` is None where the focus has not been asked for."""
        row = index.row(session_id)
        self._due.pop(session_id, None)
        held = self._held.pop(session_id, None)
        told = self._told.get(session_id)
        if told is not None and row is not None and row.status is Status.DISCONNECTED and not told.reason.is_request:
            return self._withdraw(session_id)  # old news when the link is back
        wanted = wanted_alert(row, self.rules, index.project(row)) if row is not None else None
        if wanted is not None and told is not None and told.identity == wanted.identity:
            return ()
        self._told.pop(session_id, None)
        effect: Effect | None = None
        if wanted is not None and at < wanted.due:
            self._due[session_id] = wanted.due
        elif wanted is not None and not wanted.reason.is_request and (silent or at - wanted.due > STALE_NEWS):
            self._told[session_id] = wanted
        elif wanted is not None and not silent:
            held = held if held is not None and held.identity == wanted.identity else None
            effect = self._show_unless_looked_at(wanted, held, at, looking=looking)
        if isinstance(effect, Notify):
            return (effect,)
        withdrawn = self._withdraw(session_id)
        return withdrawn if effect is None else (*withdrawn, effect)

    def _show_unless_looked_at(
        self, wanted: Alert, held: _Held | None, at: int, *, looking: bool | None
    ) -> Notify | CheckFocus | None:
        session_id = wanted.session.session
        is_over = held is not None and held.is_over(self.rules, at)
        if looking is False or is_over or self.rules.when_looking is WhenLooking.SHOW:
            self._told[session_id] = wanted
            self._live.add(session_id)
            return Notify(wanted)
        if looking:
            self._hold(wanted, at if held is None else held.since, at)
            return None
        if held is not None:
            self._held[session_id] = held
            if at < held.check_at:
                self._due[session_id] = held.check_at
                return None
        if session_id in self._checking:
            return None
        self._checking.add(session_id)
        return CheckFocus(session_id)

    def _hold(self, wanted: Alert, since: int, at: int) -> None:
        session_id = wanted.session.session
        if self.rules.when_looking is WhenLooking.NEVER and not wanted.reason.is_request:
            self._told[session_id] = wanted
            return
        check_at = at + (ASKED_AGAIN if at < since + LOOKED_AT else ASKED_LATER)
        if self.rules.when_looking is WhenLooking.HOLD:
            check_at = min(check_at, since + LOOKED_AT)
        self._held[session_id] = _Held(wanted.identity, since, check_at)
        self._due[session_id] = check_at

    def _withdraw(self, session_id: str) -> tuple[Effect, ...]:
        if session_id not in self._live:
            return ()
        self._live.discard(session_id)
        return (Withdraw(session_id),)


def wanted_alert(row: SessionRow, rules: AlertRules, project: str) -> Alert | None:
    """What should be announced of this row, or None."""
    if row.muted:
        return None
    if row.status.needs_person:
        alert = _request_alert(row, rules, project)
    elif row.status is Status.ERROR and row.session.failure is not None and not row.session.is_child:
        failure = row.session.failure
        body = failure.message or failure.name
        identity = f"error {failure.name} {failure.message}"
        alert = Alert(row.key, Reason.ERROR, identity, _name(row, project), body, row.since + ABORT_HOLD)
    elif row.status is Status.COMPLETED and _unattended_for(row) >= rules.finished_after:
        body = row.session.last_output or "Finished"
        alert = Alert(
            row.key, Reason.FINISHED, f"finished {row.since}", _name(row, project), body, row.since + ABORT_HOLD
        )
    else:
        return None
    return alert if alert is not None and alert.reason in rules.reasons else None


def _unattended_for(row: SessionRow) -> int:
    """Return the time in ms from the person's last prompt or answer in the last turn to its end."""
    return min(row.session.turn_length, row.session.turn_ended - row.user_acted_at)


def _request_alert(row: SessionRow, rules: AlertRules, project: str) -> Alert | None:
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
    identity = f"request {first.id} {first.complete} {first.refusal}"
    due = first.asked_at + rules.hold
    return Alert(row.key, reason, identity, _name(row, project), body, due, first, not row.server.read_only_reason)


def _name(row: SessionRow, project: str) -> str:
    name = f"{project} — {row.session.title or row.session.id}"
    return name if row.server.verified else f"(watch only) {name}"
