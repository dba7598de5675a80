"""The processes of OpenCode that this user runs: where, with which files, and on which ports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tray.core.loopback import connect_host

# What runs no session of its own: it shows another's, or does something and ends.
NO_SESSIONS = frozenset((
    "attach", "auth", "providers", "models", "upgrade", "uninstall", "stats", "export", "import", "agent",
    "mcp", "debug", "session", "db", "plugin", "plug", "completion", "github", "pr", "account", "console",
    "generate",
    "pm", "install", "add", "x",  # of its own runtime, which some versions use to look for packages
))  # fmt: skip
VALUED = frozenset((
    "--port", "--hostname", "--mdns-domain", "--cors", "--log-level", "--model", "-m", "--session", "-s",
    "--prompt", "--agent", "--format", "--file", "-f", "--title", "--attach", "--dir", "--password", "-p",
    "--username", "-u", "--command", "--variant", "--cwd", "--thread",
))  # fmt: skip


@dataclass(frozen=True, slots=True)  # not a Struct, whose repr would show the environment
class OpenCodeProcess:
    """One process of OpenCode. A number is used again, so it is known by its start as well."""

    pid: int
    started: float  # s since the Unix epoch
    directory: str  # where it works
    arguments: tuple[str, ...]  # after the program's name
    data: Path  # the folder of its database, storage and logs
    executable: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # empty where it cannot be read

    @property
    def command(self) -> str:
        """What it was started as: "serve", "run" …; "" for the terminal UI."""
        words = _words(self.arguments)
        return words[0] if words and not _is_path(words[0]) else ""

    @property
    def is_server(self) -> bool:
        """Whether it is there to be connected to."""
        return self.command in ("serve", "web")

    @property
    def is_bun(self) -> bool:
        """Whether the program plays its own runtime: so it installs packages."""
        return self.environment.get("BUN_BE_BUN") == "1"

    def option(self, *names: str) -> str:
        """The value of an option, or ""."""
        for number, word in enumerate(self.arguments):
            name, given, value = word.partition("=")
            if name in names:
                return value if given else next(iter(self.arguments[number + 1 :]), "")
        return ""


def running() -> list[OpenCodeProcess]:
    """Every OpenCode of this user that may run sessions, the oldest first."""
    found = []
    for process in psutil.process_iter(["name"]):
        if _is_opencode(process.info["name"] or ""):
            with suppress(psutil.Error, OSError):
                found.append(_read(process))
    mine = (one for one in found if one is not None and one.command not in NO_SESSIONS and not one.is_bun)
    return sorted(mine, key=lambda one: one.started)


def read(pid: int) -> OpenCodeProcess | None:
    """One process, if it is an OpenCode of this user."""
    try:
        process = psutil.Process(pid)
        return _read(process) if _is_opencode(process.name()) else None
    except (psutil.Error, OSError):
        return None


def is_same(pid: int, started: float) -> bool:
    """Whether this very process still runs."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 0.05 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def listening(pid: int) -> list[tuple[str, int]]:
    """The TCP addresses that a process takes connections on."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return []
    return sorted({(one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN})


def local_url(address: str, port: int) -> str:
    """Return the URL of a server on this machine that listens on `address`."""
    host = connect_host(address.strip("[]"))
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def data_folder(environment: Mapping[str, str]) -> Path:
    """OpenCode's own data folder: the same on every platform (XDG, even on macOS and Windows)."""
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
        except (psutil.Error, OSError):  # macOS, of a hardened program
            environment = {}
        return OpenCodeProcess(
            pid=process.pid,
            started=process.create_time(),
            directory=_text(process.cwd()),  # the terminal UI changes into the one that it is given
            arguments=arguments,
            data=data_folder(environment or os.environ),
            executable=_executable(process),
            environment=environment,
        )


def _executable(process: psutil.Process) -> str:
    try:
        return process.exe()
    except (psutil.Error, OSError):
        return ""


def _text(path: str) -> str:
    """A path as text, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _words(arguments: tuple[str, ...]) -> list[str]:
    """The arguments that are neither options nor what belongs to one."""
    before = ("", *arguments)
    return [word for number, word in enumerate(arguments) if word[:1] != "-" and before[number] not in VALUED]


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word in (".", "..")
