"""The open sessions of Copilot CLI whose process runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

import msgspec
import psutil

from tray.agents.copilot.events import Events, EventsFile
from tray.agents.copilot.open_sessions import EVENTS, OpenSession
from tray.core.servers import AgentKind, Server
from tray.sources.process_server import process_server, runs_with_prompt

CLOCK_CHANGE = 10.0  # s by which the clock may have been set back since a session was opened


class RunningSession(msgspec.Struct, frozen=True):
    """A session, and the process that has it open."""

    session: OpenSession
    started: float  # of the process, in s since the Unix epoch
    runs_once: bool  # whether the process ends with its turn

    @property
    def server_id(self) -> str:
        """The id of the server that stands for the session."""
        return f"copilot:{self.session.pid}:{self.session.id}"


def running_sessions(sessions: Iterable[OpenSession]) -> dict[str, RunningSession]:
    """Return the sessions of running processes by server id."""
    found = filter(None, map(_running, sessions))
    return {running.server_id: running for running in found}


def _running(session: OpenSession) -> RunningSession | None:
    """Return the session if its process runs. A later process with the same pid started after the lock was made."""
    try:
        process = psutil.Process(session.pid)
        with process.oneshot():
            started = process.create_time()
            is_own = sys.platform == "win32" or process.uids().real == os.getuid()
            if not is_own or started > session.opened + CLOCK_CHANGE or process.status() == psutil.STATUS_ZOMBIE:
                return None
    except psutil.Error:
        return None
    return RunningSession(session, started, runs_with_prompt(session.pid))


def server_of(running: RunningSession) -> Server:
    """Return the server that stands for a session."""
    session = running.session
    return process_server(
        running.server_id, session.pid, session.directory, AgentKind.COPILOT, runs_once=running.runs_once
    )


def events_of(running: RunningSession) -> EventsFile:
    """Return the file with the events of a session."""
    return EventsFile(running.session.folder / EVENTS)


def read_events(file: EventsFile) -> Events:
    """Read what was added to the events, and return their content."""
    with suppress(OSError):  # the first prompt creates it
        file.read()
    return file.content
