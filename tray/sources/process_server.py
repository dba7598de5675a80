"""Servers that are known only from their process and its files."""

from __future__ import annotations

from contextlib import suppress

import psutil

from tray.core.events import ServerForgotten, ServerLost, SnapshotTaken
from tray.core.paths import base_name
from tray.core.servers import AgentKind, Server, Source
from tray.core.sessions import Activity
from tray.core.text import clean
from tray.system.git import repository_of
from tray.system.own_host import own_host

PROMPT_OPTIONS = ("-p", "--prompt")  # of a process that ends with its turn


def runs_with_prompt(pid: int) -> bool:
    """Whether an agent ends with its turn, by the arguments of its process."""
    with suppress(psutil.Error):
        return any(option in PROMPT_OPTIONS for option in psutil.Process(pid).cmdline())
    return False


def process_server(
    server_id: str,
    pid: int,
    directory: str,
    agent_kind: AgentKind,
    *,
    version: str = "",
    job: str = "",
    runs_once: bool,
    source: Source = Source.LOCAL,
) -> Server:
    """Return the server of a process on this machine. `runs_once`: the process ends with its turn."""
    return Server(
        id=server_id,
        name=clean(base_name(directory)),
        host=own_host(),
        directory=directory,
        repository=repository_of(directory),
        pid=pid,
        agent_kind=agent_kind,
        version=clean(version),
        source=source,
        job=job,
        runs_once=runs_once,
    )


def process_end(server_id: str, last: SnapshotTaken | None, *, runs_once: bool) -> ServerLost | ServerForgotten:
    """Return the event for the end of a process, by its last snapshot. Nothing is shown if it was idle.

    `runs_once`: the process ends with its turn, so that the result stays visible.
    """
    if last is None or not last.sessions:
        return ServerForgotten(server_id)
    is_working = any(activity is not Activity.IDLE for activity, _ in (last.activities or {}).values())
    if is_working or last.permissions or last.questions:
        return ServerLost(server_id)
    return ServerLost(server_id, goodbye=True) if runs_once else ServerForgotten(server_id)
