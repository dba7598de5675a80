"""A stored session, and where stored sessions are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tray.core.history import SessionRecord, TranscriptTurn
from tray.core.messages import Message


class ImportedSession(NamedTuple):
    """A session with its messages."""

    session: SessionRecord
    messages: tuple[Message, ...]
    turns: tuple[TranscriptTurn, ...] = ()  # of an agent whose messages do not tell them


class ChangedSession(NamedTuple):
    """A stored session that has not been read."""

    name: str  # for `StoredSource.read`
    changed: int  # ms since the Unix epoch


class StoredSource(NamedTuple):
    """A place with stored sessions. If it cannot be read, `find` and `read` raise OSError or sqlite3.Error."""

    name: str  # the path of its folder or database
    find: Callable[[int], Iterable[ChangedSession]]  # returns those that changed since a time (ms), the oldest first
    read: Callable[[str], ImportedSession | None]  # returns the session with a name; None if it has gone
