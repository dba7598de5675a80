"""Find the process that works on each stored session."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tray.opencode.processes import OpenCodeProcess
from tray.sources.local.logs import Run
from tray.sources.local.records import StoredSession

SESSION_OPTIONS = ("--session", "-s")


def owners(
    sessions: Iterable[StoredSession], processes: Collection[OpenCodeProcess], runs: Mapping[int, Run]
) -> dict[str, OpenCodeProcess]:
    """Return the process of each session (by id), found by its log, its arguments, its directory, or a parent session.

    `runs` are the runs in the log, by pid. A session whose process is not found is left out.
    """
    by_id = {session.info.id: session for session in sessions}
    found = {}
    for session_id, session in by_id.items():
        process = _by_log(session_id, processes, runs) or _by_option(session_id, processes)
        if process is None and session.info.parentID is None:
            process = _by_directory(session, processes)
        if process is not None:
            found[session_id] = process
    for session_id in by_id:
        process = _of_parent(session_id, by_id, found)
        if process is not None:
            found[session_id] = process
    return found


def _by_log(session_id: str, processes: Iterable[OpenCodeProcess], runs: Mapping[int, Run]) -> OpenCodeProcess | None:
    with_run = ((process, runs.get(process.pid)) for process in processes)
    return _newest(process for process, run in with_run if run is not None and session_id in run.sessions)


def _by_option(session_id: str, processes: Iterable[OpenCodeProcess]) -> OpenCodeProcess | None:
    return _newest(process for process in processes if process.option(*SESSION_OPTIONS) == session_id)


def _by_directory(session: StoredSession, processes: Iterable[OpenCodeProcess]) -> OpenCodeProcess | None:
    """Return the newest process of the session's directory that was running when the session was last updated."""
    here = (process for process in processes if process.directory == session.info.directory)
    return _newest(process for process in here if process.started <= session.updated / 1000)


def _newest(processes: Iterable[OpenCodeProcess]) -> OpenCodeProcess | None:
    """Return the last process; they are in the order of their starts."""
    return next(iter([*processes][-1:]), None)


def _of_parent(
    session_id: str, sessions: Mapping[str, StoredSession], found: Mapping[str, OpenCodeProcess]
) -> OpenCodeProcess | None:
    """Return the process of the session, or that of its nearest ancestor with one."""
    visited: set[str] = set()
    current: str | None = session_id
    while current is not None and current in sessions and current not in visited:
        if current in found:
            return found[current]
        visited.add(current)
        current = sessions[current].info.parentID
    return None
