"""The session to open, validated: each value that a server reports is one argument of a known program, or refused."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from tray.agents.commands import open_command
from tray.core.errors import UserError
from tray.core.loopback import is_loopback
from tray.core.servers import AgentKind, Server, Source
from tray.core.sessions import Session
from tray.system.own_host import own_host

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:.]{2,45}")


WSL = "wsl.exe"  # https://learn.microsoft.com/windows/wsl/basic-commands


class TargetError(UserError):
    """A value that the server reports is invalid; the message quotes it."""


class Target(msgspec.Struct, frozen=True):
    """A session to open. `url` is the URL of its OpenCode's HTTP server, or None."""

    session: str
    directory: str
    url: str | None
    agent_kind: AgentKind = AgentKind.OPENCODE
    job: str = ""  # see core.servers.Server

    @classmethod
    def of(cls, session: Session, server: Server) -> Target:
        """Validate what the server reports about the session. Raises TargetError."""
        directory = session.directory or server.directory
        if not _ID.fullmatch(session.id):
            raise TargetError(f"{session.id[:40]!r} is not a session ID")
        if _CONTROL.search(directory) or not is_absolute(directory):
            raise TargetError(f"{directory[:80]!r} is not an absolute path")
        url = server.url if server.url and is_web_address(server.url) else None
        return cls(session.id, directory, url, server.agent_kind, server.job)

    def for_remote(self) -> Target:
        """Return the target of a session on another machine: without a loopback URL, which would be this machine's."""
        host = urlsplit(self.url or "").hostname or ""
        return replace(self, url=None) if is_loopback(host) else self

    def command(self, opencode: str) -> list[str]:
        """Return the command that opens the session in a terminal. `opencode` is OpenCode's program."""
        if self.agent_kind is not AgentKind.OPENCODE:
            return open_command(self.agent_kind, self.session, self.job)
        if self.url is not None:
            return [opencode, "attach", self.url, "--session", self.session, "--dir", self.directory]
        return [opencode, self.directory, "--session", self.session]

    def command_in_wsl(self, distribution: str, program: str) -> list[str]:
        """Return the command of Windows that opens the session in WSL, without a shell there. Raises TargetError."""
        if not _DISTRIBUTION.fullmatch(distribution):
            raise TargetError(f"{distribution[:40]!r} is not the name of a distribution")
        if _CONTROL.search(program) or not program.startswith("/"):
            raise TargetError(f"{program[:80]!r} is not the path of a program in WSL")
        options = ["--distribution", distribution, "--cd", self.directory, "--exec"]
        return [WSL, *options, *replace(self, url=None).command(program)]

    def page(self) -> str | None:
        """Return the URL of the session's web page, or None if its OpenCode has no HTTP server."""
        if self.url is None:
            return None
        folder = base64.urlsafe_b64encode(self.directory.encode()).decode().rstrip("=")
        return f"{self.url.rstrip('/')}/{folder}/session/{self.session}"


def is_local(server: Server) -> bool:
    """Return whether the server reports the name of this machine, or none, and not through a tunnel or a broker."""
    is_direct = not server.ssh and server.source is not Source.TEAM
    return is_direct and server.host in ("", "localhost", own_host())


def is_absolute(directory: str) -> bool:
    """Return whether it is an absolute path of any platform. Such a path is never taken for an option."""
    return bool(re.match(r"/|[A-Za-z]:[\\/]|\\\\", directory))


def is_web_address(url: str) -> bool:
    """Return whether it is an ASCII http or https URL without user, query, fragment or white space."""
    if not url.isascii() or _CONTROL.search(url) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "")
    return bool(named) and parts.username is None and not parts.query and not parts.fragment
