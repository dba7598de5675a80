"""The JSON records of permissions and questions, in the spellings of all OpenCode versions, and their core records."""

from __future__ import annotations

import msgspec

from tray.core.numbers import moment
from tray.core.opencode_ids import age
from tray.core.sessions import Option, Question, Request, RequestKind
from tray.sources.protocol.schema import LONG, SHORT, Number

MAX_QUESTIONS = 20  # of one request
MAX_OPTIONS = 50  # of one question
MAX_PATTERNS = 50  # of one permission
DAY = 24 * 3600_000  # ms

# Metadata that names the subject of a permission; the first that is present is shown first.
_SUBJECT_FIELDS = ("command", "filepath", "filePath", "url", "query", "pattern", "description")
# Metadata that repeats the subject or does not matter to the user.
_HIDDEN_FIELDS = {"patterns", "parentDir", "exists", "format", "timeout"}
# Metadata that contains whole files or changes, shown without the name of the field.
_CONTENT_FIELDS = {"diff", "content"}
# Tools of OpenCode whose metadata describes their action completely. Not `task`, and not the tools of MCP servers.
_COMPLETE_TOOLS = {
    "bash", "edit", "write", "patch", "webfetch", "websearch", "codesearch", "external_directory",
    "read", "glob", "grep", "list",
}  # fmt: skip


class _PermissionTime(msgspec.Struct):
    created: Number = 0


class PermissionInfo(msgspec.Struct):
    """`permission.asked` (1.1 and later) and `permission.updated` (1.0): one event with two names and spellings."""

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

    def to_core(self, at: int) -> Request:
        """Return the record of core. `at` is the time now, in ms since the Unix epoch."""
        patterns_1_0 = [self.pattern] if isinstance(self.pattern, str) else self.pattern
        patterns_1_0 = [pattern for pattern in patterns_1_0 if pattern]
        tool = (self.permission or self.type)[:SHORT]
        lines, is_complete = _describe(tool, self.metadata, self.title, self.patterns or patterns_1_0)
        detail, always = "\n".join(lines), self.always or patterns_1_0
        is_cut = self.more or len(always) > MAX_PATTERNS or any(len(text) > LONG for text in (detail, *always))
        return Request(
            id=self.id[:SHORT],
            session=self.sessionID[:SHORT],
            kind=RequestKind.PERMISSION,
            title=tool,
            detail=detail[:LONG],
            complete=is_complete and not is_cut,
            always=tuple(pattern[:LONG] for pattern in always[:MAX_PATTERNS]),
            asked_at=min(moment(self.time.created), at) if self.time else _id_time(self.id, at),
        )


def _describe(tool: str, metadata: dict[str, object], title: str, patterns: list[str]) -> tuple[list[str], bool]:
    """Return the lines that describe what the tool is going to do, and whether they describe all of it."""
    texts = {name: value for name, value in metadata.items() if isinstance(value, str) and value}
    subject_field = next((name for name in _SUBJECT_FIELDS if name in texts), "")
    subject = texts[subject_field] if subject_field else title or ", ".join(patterns)
    lines = [subject]
    if tool == "external_directory" and patterns and subject_field:
        lines = [", ".join(patterns), subject]
    is_complete = bool(subject) and tool in _COMPLETE_TOOLS
    if tool == "bash" and subject_field != "command":
        is_complete = False  # the patterns leave out redirections
    for name, value in metadata.items():
        if name == subject_field or name in _HIDDEN_FIELDS:
            continue
        if name in _CONTENT_FIELDS and isinstance(value, str):
            lines += value.splitlines()
        elif isinstance(value, (str, int, float)):
            lines += [f"{name}: {value}"] if value != "" else []
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            lines.append(f"{name}: {', '.join(value)}")
        else:
            is_complete = False
    return lines, is_complete


class _Option(msgspec.Struct):
    label: str
    description: str = ""


class _Question(msgspec.Struct):
    question: str
    header: str = ""
    options: list[_Option] = []
    multiple: bool = False
    custom: bool = True

    def to_core(self) -> Question:
        """Return the record of core."""
        options = tuple(Option(option.label[:LONG], option.description[:LONG]) for option in self.options[:MAX_OPTIONS])
        return Question(self.question[:LONG], self.header[:SHORT], options, self.multiple, self.custom)

    def is_cut(self) -> bool:
        """Whether the record of core does not contain all of it."""
        texts = (self.question, *(text for option in self.options for text in (option.label, option.description)))
        return len(self.options) > MAX_OPTIONS or any(len(text) > LONG for text in texts)


class QuestionInfo(msgspec.Struct):
    """`question.asked`."""

    id: str
    sessionID: str
    questions: list[_Question] = []
    more: bool = False

    def to_core(self, at: int) -> Request:
        """Return the record of core. `at` is the time now, in ms since the Unix epoch."""
        questions = tuple(question.to_core() for question in self.questions[:MAX_QUESTIONS])
        first = questions[0] if questions else Question("")
        is_cut = self.more or len(self.questions) > MAX_QUESTIONS or any(map(_Question.is_cut, self.questions))
        return Request(
            id=self.id[:SHORT],
            session=self.sessionID[:SHORT],
            kind=RequestKind.QUESTION,
            title=first.header or "question",
            detail=first.question,
            complete=not is_cut,
            questions=questions,
            asked_at=_id_time(self.id, at),
        )


def _id_time(request_id: str, at: int) -> int:
    """Return the time contained in the id, or 0 if it is not within the day before `at`."""
    elapsed = age(request_id, at)
    return at - elapsed if elapsed is not None and 0 <= elapsed < DAY else 0
