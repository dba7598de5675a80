"""`report` and `run-with`: show a session of any program in the tray."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tray.agents.hook_client import post
from tray.cli.exit_codes import OK
from tray.core.errors import UserError
from tray.core.text import clean
from tray.system.paths import Paths
from tray.system.programs import command_for

TIMEOUT = 3.0  # s
RETRY_INTERVAL = 2.0  # s until `run-with` connects again to a tray that was restarted
MAX_TITLE = 200
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes of shells for a command that cannot be run


class ReportFailedError(UserError):
    """No tray received the report, or it refused it."""


class NoCommandError(UserError):
    """The command line has no command to run."""

    is_usage = True


def report(options: argparse.Namespace) -> int:
    """Report the state of a session. Raises UserError."""
    _post(
        {
            "id": options.id,
            "status": options.status,
            "title": options.title or "",
            "detail": options.detail or "",
            "directory": _directory(),
            "pid": options.pid or 0,
            "caller": os.getppid() if options.pid is None else 0,
        }
    )
    return OK


def run_with(options: argparse.Namespace) -> int:
    """Run a command and show it as a session while it runs, and its result. Return the command's exit code.

    Raises NoCommandError.
    """
    command = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not command:
        raise NoCommandError("run-with needs a command: opencode-tray run-with COMMAND …")
    session = {
        "id": f"run-{os.getpid()}-{time.time_ns()}",
        "title": shlex.join(command)[:MAX_TITLE],
        "directory": _directory(),
    }
    threading.Thread(target=_hold, args=(session,), name="report", daemon=True).start()
    code = _run(command)
    result = {"status": "completed"} if code == 0 else {"status": "error", "detail": f"exit code {code}"}
    with suppress(UserError):  # no tray runs
        _post({**session, **result})
    return code


def _run(command: list[str]) -> int:
    """Run a command in this terminal and return its exit code, as a shell does."""
    children: list[subprocess.Popen[bytes]] = []
    terminations: list[int] = []

    def terminate(number: int, _: object) -> None:
        terminations.append(number)
        for child in children:
            child.terminate()

    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the command, which decides what to do
    signal.signal(signal.SIGTERM, terminate)
    try:
        process = subprocess.Popen(command_for(command))
    except OSError as error:
        print(f"opencode-tray: cannot run {clean(command[0])}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    children.append(process)
    if terminations:  # received while the command started
        process.terminate()
    code = process.wait()
    return 128 - code if code < 0 else code


def _hold(session: Mapping[str, Any]) -> None:
    """Show a session as working, in each tray that runs from now on."""
    while True:
        with suppress(UserError):
            _post({**session, "status": "busy", "hold": True}, timeout=None)
        time.sleep(RETRY_INTERVAL)


def _post(report: Mapping[str, Any], timeout: float | None = TIMEOUT) -> None:
    """Send a report to the tray. Raises ReportFailedError."""
    try:
        status, content = post(str(Paths.of(os.environ).hook_socket), "/report", json.dumps(report).encode(), timeout)
    except OSError as error:
        hint = "reports are not supported on Windows yet" if sys.platform == "win32" else "start it with: opencode-tray"
        raise ReportFailedError(f"no tray is running; {hint}") from error
    if status // 100 != 2:
        raise ReportFailedError(content.decode("utf-8", "replace") or "the tray is stopping; try again")


def _directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""
