"""Run the program as a user does, in real processes with a private home folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process prints, until that contains a text, and return it."""
    assert process.stdout is not None
    output = ""
    while text not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    return output


KEPT = ("PATH", "LANG", "PYTHONPATH", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "TEMP", "TMP")


def windows_profile(folder: str) -> dict[str, str]:
    """Return the variables that replace the profile folder of Windows, where HOME and XDG folders count for nothing.

    platformdirs asks Windows for the folder, unless its own variable names another; the plugin reads LOCALAPPDATA.
    """
    local = f"{folder}\\data"
    return {"LOCALAPPDATA": local, "WIN_PD_OVERRIDE_LOCAL_APPDATA": local, "APPDATA": f"{folder}\\roaming"}


class Home:
    """A private home folder, and the commands run in it."""

    on_windows = sys.platform == "win32"

    def __init__(self, path: Path, program: Sequence[str] = (sys.executable, "-m", "tray")) -> None:
        """`program` is the command `opencode-tray`."""
        self.path = path
        self.program = program
        self.port = free_port()
        self.environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            **(windows_profile(str(path)) if self.on_windows else {}),
            "HOME": str(path),
            "USERPROFILE": str(path),
            "XDG_CONFIG_HOME": str(path / "config"),
            "XDG_DATA_HOME": str(path / "data"),
            "XDG_STATE_HOME": str(path / "state"),
            "XDG_CACHE_HOME": str(path / "cache"),
            "OPENCODE_TRAY_DISCOVERY_PROCESSES": "0",  # ignore the other agents that run on the machine
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "0",
            "OPENCODE_TRAY_PAGE_PORT": "0",  # other trays may run on the machine
        }
        self._processes: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.program, *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=self.path,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.program, *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.path,
        )
        self._processes.append(process)
        return process

    def tray(self, *arguments: str, headless: bool = True) -> subprocess.Popen[str]:
        """Start a tray and wait until it listens for plugins."""
        process = self.start("run", *(["--headless"] if headless else []), "--port", str(self.port), *arguments)
        read_until(process, "listens on")
        return process

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json", "--port", str(self.port))
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def session(self, session_id: str) -> dict[str, Any]:
        """Return a session of the status report, or {}."""
        return next((session for session in self.status()["sessions"] if session["id"] == session_id), {})

    def kill(self) -> None:
        """Kill the process that was started last."""
        self._processes[-1].kill()
        self._processes[-1].wait(10)

    def stop(self) -> None:
        """Kill every process that was started."""
        for process in self._processes:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()

    @property
    def token(self) -> str:
        return (self.path / "data/opencode-tray/token").read_text(encoding="utf-8").strip()

    @property
    def settings(self) -> Path:
        """The settings file."""
        folder = self.path / ("data" if self.on_windows else "config")
        return folder / "opencode-tray/settings.toml"

    @property
    def log(self) -> Path:
        """The tray's own log."""
        log = "data/opencode-tray/Logs" if self.on_windows else "state/opencode-tray/log"
        return self.path / log / "tray.log"
