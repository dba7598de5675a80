"""Find this user's OpenCode processes, with their directories, data folders and ports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tray.core.loopback import connect_host

# Commands without sessions of their own: they attach to another process, or do one thing and exit.
NO_SESSIONS = frozenset((
    "attach", "auth", "providers", "models", "upgrade", "uninstall", "stats", "export", "import", "agent",
    "mcp", "debug", "session", "db", "plugin", "plug", "completion", "github", "pr", "account", "console",
    "generate",
    "pm", "install", "add", "x",  # of Bun, its runtime, which some versions run to install packages
))  # fmt: skip
OPTIONS_WITH_VALUE = frozenset((
    "--port", "--hostname", "--mdns-domain", "--cors", "--log-level", "--model", "-m", "--session", "-s",
    "--prompt", "--agent", "--format", "--file", "-f", "--title", "--attach", "--dir", "--password", "-p",
    "--username", "-u", "--command", "--variant", "--cwd", "--thread",
))  # fmt: skip


@dataclass(frozen=True, slots=True)  # not a Struct, whose repr would show the environment
class OpenCodeProcess:
    """A process of OpenCode, identified by pid and start time, because pids are reused."""

    pid: int
    started: float  # s since the Unix epoch
    directory: str  # its working directory
    arguments: tuple[str, ...]  # without the program
    data: Path  # folder of its database, storage and logs
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # empty if it cannot be read

    @property
    def command(self) -> str:
        """The subcommand, such as "serve" or "run"; "" for the terminal UI."""
        words = _words(self.arguments)
        return words[0] if words and not _is_path(words[0]) else ""

    @property
    def is_server(self) -> bool:
        """Whether it was started as a server."""
        return self.command in ("serve", "web")

    @property
    def is_bun(self) -> bool:
        """Whether it runs as Bun, its runtime, to install packages."""
        return self.environment.get("BUN_BE_BUN") == "1"

    def option(self, *names: str) -> str:
        """Return the value of an option, or ""."""
        for number, word in enumerate(self.arguments):
            name, has_value, value = word.partition("=")
            if name in names:
                return value if has_value else next(iter(self.arguments[number + 1 :]), "")
        return ""


def running_processes() -> list[OpenCodeProcess]:
    """Return this user's OpenCode processes that may run sessions, the oldest first."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # OSError: Windows may refuse the name of a process
            if _is_opencode(process.name()):
                found.append(_read(process))
    processes = (process for process in found if process is not None)
    with_sessions = (process for process in processes if process.command not in NO_SESSIONS and not process.is_bun)
    return sorted(with_sessions, key=lambda process: process.started)


def listening_addresses(pid: int) -> list[tuple[str, int]]:
    """Return the TCP addresses (host, port) that a process listens on, sorted; [] if they cannot be read."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return []
    listening = (connection for connection in connections if connection.status == psutil.CONN_LISTEN)
    return sorted({(connection.laddr.ip, connection.laddr.port) for connection in listening})


def local_url(address: str, port: int) -> str:
    """Return the URL of a server on this machine that listens on `address`."""
    host = connect_host(address.strip("[]"))
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return OpenCode's data folder, which follows XDG even on macOS and Windows."""
    base = environment.get("XDG_DATA_HOME")
    home = environment.get("HOME") or environment.get("USERPROFILE")
    return (Path(base) if base else (Path(home) if home else Path.home()) / ".local" / "share") / "opencode"


def _is_opencode(name: str) -> bool:
    return name.lower().removesuffix(".exe") in ("opencode", ".opencode")


def _read(process: psutil.Process) -> OpenCodeProcess | None:
    with process.oneshot():
        if sys.platform != "win32" and process.uids().real != os.getuid():
            return None
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        arguments = tuple(process.cmdline()[1:])
        try:
            environment = process.environ()
        except (psutil.Error, OSError):  # macOS, for a program with a hardened runtime
            environment = {}
        return OpenCodeProcess(
            pid=process.pid,
            started=process.create_time(),
            directory=_text(process.cwd()),  # the terminal UI changes to the directory of its argument
            arguments=arguments,
            data=data_folder(environment or os.environ),
            environment=environment,
        )


def _text(path: str) -> str:
    """Return a path as valid text; invalid bytes are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _words(arguments: tuple[str, ...]) -> list[str]:
    """Return the arguments that are neither options nor their values."""
    pairs = zip(("", *arguments), arguments, strict=False)
    return [word for before, word in pairs if word[:1] != "-" and before not in OPTIONS_WITH_VALUE]


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word in (".", "..")
