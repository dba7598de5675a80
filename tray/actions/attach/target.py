"""Where to go, checked: nothing that a server says of itself can become more than one argument of a known program."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from tray.core.errors import UserError
from tray.core.loopback import is_loopback
from tray.core.model import Server, Session

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:.]{2,45}")


class TargetError(UserError):
    """What the server says of itself cannot be used; the text says what."""


class Target(msgspec.Struct, frozen=True):
    """A session to go to. `url` is its OpenCode's HTTP server, if it has one."""

    session: str
    directory: str
    url: str | None

    @classmethod
    def of(cls, session: Session, server: Server) -> Target:
        """Check what was told. Raises TargetError."""
        directory = session.directory or server.directory
        if not _ID.fullmatch(session.id):
            raise TargetError(f"{session.id[:40]!r} is no session id")
        if _CONTROL.search(directory) or not is_absolute(directory):
            raise TargetError(f"{directory[:80]!r} is no directory")
        url = server.url if server.url and is_web_address(server.url) else None
        return cls(session.id, directory, url)

    def from_afar(self) -> Target:
        """The same, seen from another machine: there a loopback address is somebody else's."""
        host = urlsplit(self.url or "").hostname or ""
        return replace(self, url=None) if is_loopback(host) else self

    def command(self, opencode: str) -> list[str]:
        """The arguments that open the session in a terminal. `opencode` is the program."""
        if self.url is not None:
            return [opencode, "attach", self.url, "--session", self.session, "--dir", self.directory]
        return [opencode, self.directory, "--session", self.session]

    def page(self) -> str | None:
        """The session's page on OpenCode's HTTP server."""
        if self.url is None:
            return None
        folder = base64.urlsafe_b64encode(self.directory.encode()).decode().rstrip("=")
        return f"{self.url.rstrip('/')}/{folder}/session/{self.session}"


def is_absolute(directory: str) -> bool:
    """Whether it is a whole path, of whatever system, so that it can never be taken for an option."""
    return bool(re.match(r"/|[A-Za-z]:[\\/]|\\\\", directory))


def is_web_address(url: str) -> bool:
    """Whether it is a plain http or https address: no user, no white space, nothing that is not ASCII."""
    if not url.isascii() or _CONTROL.search(url) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "")
    return bool(named) and parts.username is None and not parts.query and not parts.fragment
