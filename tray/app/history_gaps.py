"""Reads the responses that ended while no source was connected, such as during a restart of the tray."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tray.core.events import Event, SnapshotTaken, SourceEvent, StepsReported
from tray.core.fleet import Fleet
from tray.core.servers import AgentKind, Source
from tray.core.sessions import Session
from tray.core.source_calls import CallError, SourceCall
from tray.sources.protocol.digest import messages_of
from tray.sources.protocol.events import FrameError
from tray.storage.history.usage import stored_tokens
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

MESSAGES = 200  # that are read of a session: the most that the plugin returns
SETTLE_TIME = 1.0  # s after a snapshot in which events about the same messages arrive and are stored


class HistoryGaps:
    """After a snapshot, compares the tokens of each session with the history, and reads messages if they differ.

    Agents other than OpenCode, and OpenCode's files, report their responses whenever they are read.
    """

    def __init__(
        self, path: Path, fleet: Fleet, call: SourceCall, report: Callable[[SourceEvent], None], tasks: TaskSet
    ) -> None:
        self._path = path
        self._fleet = fleet
        self._call = call
        self._report = report
        self._tasks = tasks
        self._waiting: set[str] = set()  # ids of servers whose sessions are compared soon
        self._read: dict[str, int] = {}  # the tokens of sessions that were read, by session id

    def on_event(self, event: Event) -> None:
        """Compare the sessions of a server after its snapshot."""
        if not isinstance(event, SnapshotTaken) or not event.sessions or event.server_id in self._waiting:
            return
        server = self._fleet.servers.get(event.server_id)
        reports_events = server is not None and server.source in (Source.PLUGIN, Source.HTTP)
        if server is not None and reports_events and server.verified and server.agent_kind is AgentKind.OPENCODE:
            self._waiting.add(event.server_id)
            self._tasks.spawn(self._compare(event.server_id), "gaps of the history")

    async def _compare(self, server_id: str) -> None:
        await asyncio.sleep(SETTLE_TIME)
        self._waiting.discard(server_id)
        self._read = {name: tokens for name, tokens in self._read.items() if self._fleet.keys_of(name)}
        sessions = [self._fleet.sessions[key] for key in self._fleet.keys(server_id)]
        used = {session.id: session for session in sessions if session.tokens.total > self._read.get(session.id, 0)}
        if not used:
            return
        try:
            stored = await asyncio.to_thread(stored_tokens, self._path, list(used))
        except sqlite3.Error as error:
            log.debug("cannot read the history: %s", error)
            return
        for session in used.values():
            if session.tokens.total > stored.get(session.id, 0):
                await self._read_messages(session)

    async def _read_messages(self, session: Session) -> None:
        tokens = session.tokens.total
        try:
            answer = await self._call(session.server, "session.messages", {"sessionID": session.id, "limit": MESSAGES})
            messages = messages_of(answer)
        except (CallError, FrameError) as error:
            log.debug("cannot read the messages of a session: %s", error)
            return
        self._read[session.id] = tokens
        if messages:
            self._report(StepsReported(session.server, session.id, messages))
