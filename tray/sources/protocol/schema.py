"""The shapes of OpenCode's JSON, in every spelling of every version, and what core makes of each.

What is not named in these records is skipped unread, so a noisy event costs a few microseconds. Sizes are cut where
text enters: nothing behind this module meets a title of 10 MB.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tray.core.events import SessionFacts
from tray.core.model import Activity, Failure, Message, Option, Question, Request, RequestKind, Retry, Todo, Tokens
from tray.core.opencode_ids import age
from tray.core.text import last_line
from tray.core.timestamps import is_timestamp

LONG = 2_000  # characters kept of a command, a question, an error
SHORT = 500  # characters kept of a title, a name, an id
OUTPUT = 200  # characters kept of the last line of output
MAX_QUESTIONS = 20  # of one request
LARGEST = 2**53  # the largest number that JSON carries exactly


Number = int | float


class _Time(msgspec.Struct):
    created: Number = 0
    updated: Number = 0
    completed: Number | None = None
    archived: Number | None = None


class _Cache(msgspec.Struct):
    read: Number = 0
    write: Number = 0


class TokensInfo(msgspec.Struct):
    """A token count."""

    input: Number = 0
    output: Number = 0
    reasoning: Number = 0
    cache: _Cache = msgspec.field(default_factory=_Cache)

    def known(self) -> Tokens:
        """The record of core."""
        counts = (self.input, self.output, self.reasoning, self.cache.read, self.cache.write)
        return Tokens(*(whole(count) for count in counts))


class _Model(msgspec.Struct):
    id: str = ""
    providerID: str = ""
    modelID: str = ""


class _Summary(msgspec.Struct):
    additions: Number = 0
    deletions: Number = 0
    files: Number = 0


class _ErrorText(msgspec.Struct):
    message: str = ""


class ErrorInfo(msgspec.Struct):
    """Why a turn or a message failed."""

    name: str = "UnknownError"
    data: _ErrorText = msgspec.field(default_factory=_ErrorText)

    def known(self) -> Failure:
        """The record of core."""
        return Failure(self.name[:SHORT], self.data.message[:LONG])


class MessageInfo(msgspec.Struct):
    """`message.updated` and the `info` of a listed message."""

    id: str
    role: str
    sessionID: str = ""
    agent: str = ""
    mode: str = ""
    modelID: str = ""
    providerID: str = ""
    model: _Model | None = None
    finish: str = ""
    error: ErrorInfo | None = None
    cost: Number = 0
    tokens: TokensInfo | None = None
    time: _Time = msgspec.field(default_factory=_Time)
    completed: Number | None = None
    summary: object = None
    output: str = ""

    def known(self) -> Message:
        """The record of core."""
        model, failure = self.model, self.error.known() if self.error else None
        return Message(
            id=self.id[:SHORT],
            role=self.role,
            finish=self.finish[:SHORT],
            error=failure.name if failure else "",
            error_text=failure.message if failure else "",
            agent=(self.agent or self.mode)[:SHORT],
            model=_model(self.providerID, self.modelID) or (_model(model.providerID, model.modelID) if model else ""),
            tokens=self.tokens.known() if self.tokens else Tokens(),
            cost=money(self.cost),
            completed=whole(self.time.completed or self.completed or 0),
            summary=self.summary is True,
            output=last_line(self.output, OUTPUT),
        )


class SessionInfo(msgspec.Struct):
    """A session as OpenCode lists it, whole or in part."""

    id: str
    parentID: str | None = None
    title: str | None = None
    directory: str | None = None
    agent: str | None = None
    model: _Model | None = None
    cost: Number | None = None
    tokens: TokensInfo | None = None
    time: _Time | None = None
    summary: _Summary | None = None

    def known(self) -> SessionFacts:
        """The record of core; what is absent stays None."""
        time, summary, model = self.time, self.summary, self.model
        return SessionFacts(
            id=self.id[:SHORT],
            parent=_cut(self.parentID) or None,
            title=_cut(self.title),
            directory=_cut(self.directory, 4096),
            agent=_cut(self.agent),
            model=_model(model.providerID, model.id or model.modelID) if model else None,
            created=(moment(time.created) if time else 0) or None,
            updated=(moment(time.updated) if time else 0) or None,
            archived=None if time is None else bool(time.archived),
            cost=None if self.cost is None else money(self.cost),
            tokens=self.tokens.known() if self.tokens else None,
            additions=whole(summary.additions) if summary else None,
            deletions=whole(summary.deletions) if summary else None,
            files=whole(summary.files) if summary else None,
        )


class StatusInfo(msgspec.Struct):
    """`session.status`."""

    type: Literal["idle", "busy", "retry"]
    attempt: Number = 0
    message: str = ""
    next: Number = 0

    def known(self) -> tuple[Activity, Retry | None]:
        """The records of core."""
        if self.type != "retry":
            return Activity(self.type), None
        return Activity.RETRY, Retry(whole(self.attempt), self.message[:LONG], moment(self.next))


class TodoInfo(msgspec.Struct):
    """One todo."""

    content: str
    status: str = "pending"


class _PermissionTime(msgspec.Struct):
    created: Number = 0


class PermissionInfo(msgspec.Struct):
    """`permission.asked` (1.1 and later) and `permission.updated` (1.0): the same event, spelled twice."""

    id: str
    sessionID: str
    permission: str = ""
    type: str = ""
    patterns: list[str] = []
    pattern: str | list[str] = ""
    title: str = ""
    metadata: dict[str, object] = {}
    always: list[str] = []
    more: bool = False
    time: _PermissionTime | None = None

    def known(self, at: int) -> Request:
        """The record of core."""
        spelled = [self.pattern] if isinstance(self.pattern, str) else self.pattern
        old = [pattern for pattern in spelled if pattern]
        kind = (self.permission or self.type)[:SHORT]
        lines, shown = _permission_lines(kind, self.metadata, self.title, self.patterns or old)
        detail = "\n".join(lines)
        return Request(
            id=self.id[:SHORT],
            session=self.sessionID[:SHORT],
            kind=RequestKind.PERMISSION,
            title=kind,
            detail=detail[:LONG],
            complete=shown and not self.more and len(detail) <= LONG,
            always=tuple(pattern[:LONG] for pattern in (self.always or old)[:50]),
            asked_at=min(moment(self.time.created), at) if self.time else id_time(self.id, at),
        )


# The metadata that says what is asked, best first; and what only repeats that, or changes nothing for the person.
_SUBJECTS = ("command", "filepath", "filePath", "url", "query", "pattern", "description")
_REPEATS = {"patterns", "parentDir", "exists", "format", "timeout"}
# The permissions of OpenCode's own tools that tell all that the tool is going to do; not so `task` and MCP's.
_TELLING = {
    "bash", "edit", "write", "patch", "webfetch", "websearch", "codesearch", "external_directory",
    "read", "glob", "grep", "list",
}  # fmt: skip
_TEXTS = {"diff", "content"}  # whole files and changes: shown as they are


def _permission_lines(
    kind: str, metadata: dict[str, object], title: str, patterns: list[str]
) -> tuple[list[str], bool]:
    """What is asked, line by line, and whether that is all of it."""
    subject = next((name for name in _SUBJECTS if isinstance(metadata.get(name), str) and metadata[name]), None)
    about = str(metadata[subject]) if subject else title or ", ".join(patterns)
    lines = [about]
    if kind == "external_directory" and patterns:
        lines = [", ".join(patterns), *lines] if subject else lines
    told = True
    for name, value in metadata.items():
        if name == subject or name in _REPEATS:
            continue
        if name in _TEXTS and isinstance(value, str):
            lines += value.splitlines()
        elif isinstance(value, (str, int, float)):
            lines += [f"{name}: {value}"] if value != "" else []
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            lines.append(f"{name}: {', '.join(value)}")
        else:
            told = False
    if kind not in _TELLING or (kind == "bash" and subject != "command"):
        told = False  # a tool of whatever kind; or only the patterns, which leave out what is redirected where
    return lines, told and bool(about)


class _Option(msgspec.Struct):
    label: str
    description: str = ""


class _Question(msgspec.Struct):
    question: str
    header: str = ""
    options: list[_Option] = []
    multiple: bool = False
    custom: bool = True

    def known(self) -> Question:
        """The record of core."""
        options = tuple(Option(o.label[:LONG], o.description[:LONG]) for o in self.options[:50])
        return Question(self.question[:LONG], self.header[:SHORT], options, self.multiple, self.custom)


class QuestionInfo(msgspec.Struct):
    """`question.asked`."""

    id: str
    sessionID: str
    questions: list[_Question] = []
    more: bool = False

    def known(self, at: int) -> Request:
        """The record of core."""
        questions = tuple(question.known() for question in self.questions[:MAX_QUESTIONS])
        first = questions[0] if questions else Question("")
        return Request(
            id=self.id[:SHORT],
            session=self.sessionID[:SHORT],
            kind=RequestKind.QUESTION,
            title=first.header or "question",
            detail=first.question,
            complete=not self.more and len(self.questions) <= MAX_QUESTIONS,
            questions=questions,
            asked_at=id_time(self.id, at),
        )


def todos_known(todos: list[TodoInfo]) -> tuple[Todo, ...]:
    """The records of core, 100 of them at most."""
    return tuple(Todo(todo.content[:SHORT], todo.status[:SHORT]) for todo in todos[:100])


def id_time(identifier: str, at: int) -> int:
    """When OpenCode made this id; 0 where it tells no time within a day before `at`."""
    told = age(identifier, at)
    return at - told if told is not None and 0 <= told < 24 * 3600_000 else 0


def whole(number: Number) -> int:
    """A count, or that something has ended at all; 0 for what can be neither."""
    return int(number) if 0 <= number <= LARGEST else 0


def moment(number: Number) -> int:
    """A time that is shown or sorted by, ms since the Unix epoch; 0, unknown, for what can be none."""
    return int(number) if is_timestamp(number) else 0


def money(number: Number) -> float:
    """A cost; 0 for what can be none."""
    return float(number) if 0 <= number <= LARGEST else 0.0


def _cut(text: str | None, limit: int = SHORT) -> str | None:
    return None if text is None else text[:limit]


def _model(provider: str, model: str) -> str:
    return f"{provider}/{model}"[:SHORT] if model else ""


class _ToolState(msgspec.Struct):
    status: str = ""


class PartInfo(msgspec.Struct):
    """A message part, as far as it shows what the agent is doing."""

    type: str
    sessionID: str = ""
    messageID: str = ""
    text: str = ""
    tool: str = ""
    state: _ToolState | None = None
    synthetic: bool = False

    @property
    def running(self) -> bool:
        """Whether this is a tool that has not ended."""
        return self.state is not None and self.state.status in ("pending", "running")
