"""The files of a Claude Code session: its transcript, those of its subagents, and others with the same messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from tray.agents.claude.forks import related_files
from tray.agents.claude.transcript import Transcript, TranscriptFile
from tray.agents.claude.usage import FileUsage, SessionUsage, session_usage
from tray.agents.transcripts import GrowingFile
from tray.core.history import TranscriptTurn
from tray.core.messages import Message

MAX_SUBAGENTS = 2000  # whose files are read; more are ignored


class SessionFiles:
    """Reads what was added to the files of a session."""

    def __init__(self, path: Path) -> None:
        """`path` is that of the transcript. Subagents have a folder beside it."""
        self.path = path
        self._transcript = TranscriptFile(path)
        self._subagents: dict[str, GrowingFile[FileUsage]] = {}
        self._used_by_subagents = FileUsage()
        self._related: tuple[FileUsage, ...] | None = None  # None: not looked for yet

    @property
    def usage(self) -> SessionUsage:
        """The sums of what was read so far."""
        return session_usage(self._transcript.content.usage, self._used_by_subagents, self._related or ())

    def take_turns(self, *, has_ended: bool = False) -> tuple[TranscriptTurn, ...]:
        """Return the turns that ended since the last call, without those of the session of which this is a fork.

        `has_ended`: the process has ended, and with it the turn that is running.
        """
        own = self._transcript.content
        if has_ended:
            own.turns.abandon()
        turns = own.turns.take()
        parents = self._parents() if turns else []
        return tuple(turn for turn in turns if not any(turn.line in parent.user_lines for parent in parents))

    def take_steps(self) -> tuple[Message, ...]:
        """Return the responses that were read since the last call, without those that the session inherited."""
        own = self._transcript.content.usage
        steps = (*own.steps.take(), *self._used_by_subagents.steps.take())
        parents = self._parents() if steps else []
        return tuple(step for step in steps if not any(step.id in parent.messages for parent in parents))

    def _parents(self) -> list[FileUsage]:
        own = self._transcript.content.usage
        return [file for file in self._related or () if own.inherits_from(file)]

    def read(self) -> Transcript:
        """Read what was added, and return the content of the transcript. Blocks."""
        with suppress(OSError):  # the first prompt creates it
            self._transcript.read()
        self._read_subagents()
        if self._related is None and self._transcript.content.usage.messages:
            self._related = related_files(self.path)
        return self._transcript.content

    def _read_subagents(self) -> None:
        for path in islice(_files_below(str(self.path.with_suffix("") / "subagents")), MAX_SUBAGENTS):
            if path not in self._subagents:
                self._subagents[path] = GrowingFile(Path(path), lambda: self._used_by_subagents)
            with suppress(OSError):
                self._subagents[path].read()


def _files_below(folder: str) -> Iterator[str]:
    """Yield the transcripts in a folder and in those below it, such as the ones of workflows."""
    for path, _, names in os.walk(folder):
        yield from (os.path.join(path, name) for name in names if name.endswith(".jsonl"))  # noqa: PTH118  # fast
