"""Which changes show or withdraw a notification. A root session has at most one notification."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec
from msgspec.structs import replace

from tray.core.answers import read_only_reason
from tray.core.deadlines import is_before
from tray.core.session_index import SessionIndex, SessionRow, folder_of
from tray.core.sessions import Request, RequestKind, SessionKey, Status
from tray.core.transitions.user_actions import AUTO_ANSWERED_WITHIN

LOOKED_AT = 10_000  # ms that an alert is delayed while the session's terminal has the focus
ASKED_AGAIN = 1_000  # ms between two checks of the focus while an alert is delayed
ASKED_LATER = 5_000  # ms between two checks after a delay of LOOKED_AT
STALE_NEWS = 60_000  # ms; an older end or error is shown in the menu, without a notification
ABORT_HOLD = 500  # ms; when the user stops a turn, the abort follows the idle within about 150 ms


class Reason(Enum):
    """Why a notification is shown."""

    PERMISSION = "permission"
    QUESTION = "question"
    ERROR = "error"
    FINISHED = "finished"

    @property
    def is_request(self) -> bool:
        """Whether the session waits for the user."""
        return self in (Reason.PERMISSION, Reason.QUESTION)


class WhenLooking(Enum):
    """What happens to an alert while the session's terminal has the focus."""

    HOLD = "hold"  # shown after LOOKED_AT, or when the terminal loses the focus
    SHOW = "show"  # shown at once
    NEVER = "never"  # a request is shown when the terminal loses the focus, other alerts are dropped


class AlertRules(msgspec.Struct, frozen=True):
    """The settings of notifications. Times in ms."""

    reasons: frozenset[Reason] = frozenset(Reason)
    finished_after: int = 15_000  # shorter turns, counted from the user's last prompt or answer, are not announced
    hold: int = AUTO_ANSWERED_WITHIN  # a request that is answered within this time was answered by a rule
    when_looking: WhenLooking = WhenLooking.HOLD
    delay: int = 0  # before each alert
    projects: tuple[str, ...] = ()  # directories, whose sessions alone have alerts; (): all


class Alert(msgspec.Struct, frozen=True):
    """One notification. The texts are not escaped for any toolkit."""

    session: SessionKey
    reason: Reason
    identity: str  # equal for alerts about the same event, whatever their texts
    title: str
    body: str
    due: int
    request: Request | None = None  # the pending request
    answerable: bool = False  # whether an answer can be sent from here


class Notify(msgspec.Struct, frozen=True):
    """Show the alert; it replaces the notification of its session."""

    alert: Alert


class Withdraw(msgspec.Struct, frozen=True):
    """Withdraw the session's notification: it was answered, seen, or is no longer true."""

    session_id: str


class CheckFocus(msgspec.Struct, frozen=True):
    """Find out whether the session's terminal has the focus, then call `Alerts.focus_reported`."""

    session_id: str


Effect = Notify | Withdraw | CheckFocus


class _Held(msgspec.Struct, frozen=True):
    """An alert that is delayed because the session's terminal has the focus."""

    identity: str
    since: int  # when the terminal was first found to have the focus
    check_at: int  # when to check the focus again

    def is_over(self, rules: AlertRules, at: int) -> bool:
        """Whether the delay is over."""
        return rules.when_looking is WhenLooking.HOLD and not is_before(self.since + LOOKED_AT, at, LOOKED_AT)


class Alerts:
    """Compares the wanted alert of each session with the one that is shown."""

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.rules = rules or AlertRules()
        self._handled: dict[str, Alert] = {}  # shown, or silently recorded
        self._live: set[str] = set()  # sessions whose notification is shown
        self._due: dict[str, int] = {}  # session id -> when to update it again
        self._held: dict[str, _Held] = {}
        self._checking: set[str] = set()  # sessions whose focus is being checked

    def update(self, session_ids: Iterable[str], index: SessionIndex, at: int, *, silent: bool) -> tuple[Effect, ...]:
        """Return what to do for these sessions and for those that are due.

        While `silent` (everything is muted, or quiet hours), a finished turn or an error is recorded without a
        notification; a request is announced when the silence ends and it is still pending.
        """
        longest = self._longest_wait
        due = {session_id for session_id, when in self._due.items() if not is_before(when, at, longest)}
        effects: list[Effect] = []
        for session_id in due.union(session_ids):
            effects += self._effects(session_id, index, at, silent=silent)
        return tuple(effects)

    def focus_reported(
        self, session_id: str, index: SessionIndex, at: int, *, looking: bool | None, silent: bool
    ) -> tuple[Effect, ...]:
        """Handle the result of a CheckFocus. `looking` is None if the focus is not known."""
        self._checking.discard(session_id)
        return self._effects(session_id, index, at, silent=silent, looking=looking is True)

    def restore(self, session_id: str, identity: str, reason: Reason) -> None:
        """Take over a notification of an earlier run: it is not shown again, and is withdrawn when it ends."""
        self._handled[session_id] = Alert(SessionKey("", session_id), reason, identity, "", "", 0)
        self._live.add(session_id)

    def next_deadline(self) -> int | None:
        """Return when `update` has to be called even if nothing changes, or None."""
        return min(self._due.values(), default=None)

    @property
    def _longest_wait(self) -> int:
        return self.rules.delay + max(self.rules.hold, LOOKED_AT)

    def _effects(
        self, session_id: str, index: SessionIndex, at: int, *, silent: bool, looking: bool | None = None
    ) -> tuple[Effect, ...]:
        """Return what to do for this session. `looking` is None where the focus was not checked."""
        row = index.row(session_id)
        self._due.pop(session_id, None)
        held = self._held.pop(session_id, None)
        handled = self._handled.get(session_id)
        if (
            handled is not None
            and row is not None
            and row.status is Status.DISCONNECTED
            and not handled.reason.is_request
        ):
            return self._withdraw(session_id)  # it is not shown again when the connection is back
        wanted = wanted_alert(row, self.rules, index.project(row)) if row is not None else None
        if wanted is not None and self.rules.delay:
            wanted = replace(wanted, due=wanted.due + self.rules.delay)
        if wanted is not None and handled is not None and handled.identity == wanted.identity:
            return ()
        self._handled.pop(session_id, None)
        effect: Effect | None = None
        if wanted is not None and is_before(wanted.due, at, self._longest_wait):
            self._due[session_id] = wanted.due
        elif wanted is not None and not wanted.reason.is_request and (silent or at - wanted.due > STALE_NEWS):
            self._handled[session_id] = wanted
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
            self._handled[session_id] = wanted
            self._live.add(session_id)
            return Notify(wanted)
        if looking:
            self._hold(wanted, at if held is None else held.since, at)
            return None
        if held is not None:
            self._held[session_id] = held
            if is_before(held.check_at, at, LOOKED_AT):
                self._due[session_id] = held.check_at
                return None
        if session_id in self._checking:
            return None
        self._checking.add(session_id)
        return CheckFocus(session_id)

    def _hold(self, wanted: Alert, since: int, at: int) -> None:
        session_id = wanted.session.session
        if self.rules.when_looking is WhenLooking.NEVER and not wanted.reason.is_request:
            self._handled[session_id] = wanted
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
    """Return the alert that this row should have, or None."""
    if row.muted or not _is_in(folder_of(row).directory, rules.projects):
        return None
    if row.status.needs_user:
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


def _is_in(directory: str, projects: tuple[str, ...]) -> bool:
    """Whether a directory is one of the projects, or in one of them."""
    return not projects or any(_with_end(directory).startswith(_with_end(project)) for project in projects)


def _with_end(path: str) -> str:
    return path.replace("\\", "/").rstrip("/") + "/"


def _unattended_for(row: SessionRow) -> int:
    """Return the time in ms from the user's last prompt or answer in the last turn to its end."""
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
    return Alert(
        row.key, reason, identity, _name(row, project), body, due, first, not read_only_reason(row.server, first)
    )


def _name(row: SessionRow, project: str) -> str:
    name = f"{project} — {row.session.title or row.session.id}"
    return name if row.server.verified else f"(read-only) {name}"
