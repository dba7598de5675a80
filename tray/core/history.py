"""What the history stores: sessions, steps, turns and requests. Times are in ms since the Unix epoch.

Storing a record again changes nothing. A record that says more than an earlier one completes it, in any order.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tray.core.messages import Tokens
from tray.core.servers import AgentKind


class SessionRecord(msgspec.Struct, frozen=True):
    """A session. An empty value is not known."""

    id: str
    agent_kind: AgentKind = AgentKind.OPENCODE
    parent: str = ""  # id of the session that started it as a subagent
    host: str = ""
    directory: str = ""
    title: str = ""
    created: int = 0
    is_deleted: bool = False


class StepRecord(msgspec.Struct, frozen=True):
    """One response of a model that has ended: the unit of usage. Its id is that of the message.

    Money is in micro-dollars. `reported` is what the agent says, `estimated` is computed from the price of the model;
    at most one of them is known. A free model has 0.
    """

    id: str
    session: str
    ended: int
    day: int  # local date of its end, in days since 1970-01-01
    created: int = 0  # 0: not known
    model: str = ""  # "provider/model"
    agent: str = ""  # name of the agent inside the program, such as "build"
    tokens: Tokens = Tokens()
    reported: int | None = None
    estimated: int | None = None
    failed: bool = False
    inherited: bool = False  # a fork's copy of another session's step: in no sum


class UsageToday(msgspec.Struct, frozen=True):
    """What was used since local midnight. The two amounts are in micro-dollars, and are never added."""

    sessions: int = 0  # root sessions that worked, or whose subagents did
    tokens: int = 0  # without those that were read from the cache
    reported: int = 0
    estimated: int = 0
    unpriced: int = 0  # steps whose cost is not known


class TurnOutcome(Enum):
    """How a turn ended."""

    COMPLETED = "completed"
    ABORTED = "aborted"
    FAILED = "failed"


class TranscriptTurn(msgspec.Struct, frozen=True):
    """A turn as the transcript of an agent tells it."""

    started: int
    ended: int
    outcome: TurnOutcome
    prompt: str = ""  # its beginning; "": the agent began by itself
    reply: str = ""  # the last line of the reply
    line: str = ""  # id of the line that began it; "": the transcript's lines have none


class TurnRecord(msgspec.Struct, frozen=True):
    """One turn of a root session, with the work of its subagents."""

    session: str
    started: int
    ended: int
    day: int  # local date of its end, in days since 1970-01-01
    outcome: TurnOutcome = TurnOutcome.COMPLETED
    id: str = ""  # of its first prompt; "": the agent has no ids, and `started` identifies the turn
    prompt: str = ""  # the beginning of the first prompt; "": not known, or `history.text` is "off"
    reply: str = ""  # the last line of the reply; the same


class RequestRecord(msgspec.Struct, frozen=True):
    """A permission or question. The text is empty if `history.text` is "off"."""

    id: str
    session: str
    kind: str = ""  # "permission" or "question"
    title: str = ""
    detail: str = ""
    asked: int = 0
    closed: int = 0  # 0: it is open
    verdict: str = ""  # the agent's value of the answer, if it reports one
    surface: str = ""  # where it was answered in the tray; "": elsewhere, or not answered


class EditRecord(msgspec.Struct, frozen=True):
    """A tool has changed a file. Its id is that of the call."""

    id: str
    session: str
    ended: int
    day: int  # local date, in days since 1970-01-01
    extension: str
    added: int  # lines
    removed: int


class Annotation(msgspec.Struct, frozen=True):
    """What the user has added to a session in the history. None: not changed."""

    session: str
    at: int  # ms since the Unix epoch
    note: str | None = None  # Markdown; "": none
    pinned: bool | None = None
    tags: tuple[str, ...] | None = None


class SessionsRemoved(msgspec.Struct, frozen=True):
    """The user has removed the texts of sessions and of their subagents, with or without their steps."""

    sessions: tuple[str, ...]
    with_steps: bool


class ImportRecord(msgspec.Struct, frozen=True):
    """The stored sessions of a program have been imported up to a time."""

    source: str  # the folder or database that was read
    until: int


class BudgetNotice(msgspec.Struct, frozen=True):
    """The user was notified that a budget has reached a threshold (%) in the period that began on a day."""

    budget: str
    start: int  # days since 1970-01-01
    threshold: int


class StepsExpired(msgspec.Struct, frozen=True):
    """The steps of the days before a day are not needed any more: they stay in the sums."""

    day: int  # days since 1970-01-01


HistoryRecord = (
    SessionRecord
    | StepRecord
    | TurnRecord
    | RequestRecord
    | EditRecord
    | Annotation
    | SessionsRemoved
    | ImportRecord
    | BudgetNotice
    | StepsExpired
)
