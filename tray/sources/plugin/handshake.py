"""The frames that a plugin sends in the handshake: `hello` of both protocols, and `auth`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Meta

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.paths import base_name
from tray.core.servers import Server, TerminalLocation
from tray.core.text import clean
from tray.core.timestamps import is_timestamp
from tray.sources.protocol.events import FrameError

Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
MAX_PID = 2**31 - 1
Nonce = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Location(msgspec.Struct, rename="camel"):
    tty: Text = ""
    tmux: Text = ""
    tmux_pane: Text = ""
    zellij: Text = ""
    zellij_pane: Text = ""
    terminal: Text = ""
    kitty_window: Text = ""
    kitty_socket: Text = ""
    wezterm_pane: Text = ""
    wezterm_socket: Text = ""
    iterm_session: Text = ""
    window_id: Text = ""
    wsl: Text = ""
    program: Text = ""


class Hello(msgspec.Struct, rename="camel", tag_field="type", tag="hello"):
    """`hello` of either protocol. Fields that only protocol 2 has are optional."""

    server_id: Name
    server_name: Name = ""
    server_url: Annotated[str, Meta(max_length=2048)] = "disabled"
    directory: Annotated[str, Meta(max_length=4096)] = ""
    project: Any = ""
    branch: Name = ""
    repository: Annotated[str, Meta(max_length=4096)] = ""
    auth_token: Annotated[str, Meta(max_length=1024)] | None = None
    protocol: int = 1
    instance: Annotated[str, Meta(pattern="^[A-Za-z0-9-]{1,64}$")] = "-"
    nonce: Nonce | None = None
    key: Annotated[str, Meta(pattern=r"^[\w.-]{0,80}$")] = ""  # of a token that is valid for one machine
    pid: int = 0
    hostname: Name = ""
    opencode: Annotated[str, Meta(max_length=64)] = ""
    plugin: Annotated[str, Meta(max_length=64)] = ""
    command: Annotated[str, Meta(max_length=64)] = ""
    time: int = 0
    place: _Location = msgspec.field(default_factory=_Location)

    def to_server(self, server_id: str, remote: str, *, verified: bool, at: int) -> Server:
        """Return the record of core. `remote` is the remote address, `at` the time now in ms since the Unix epoch."""
        host, _, pid = self.server_id.rpartition("-")  # HOSTNAME-PID
        pid_of_id = int(pid) if host and pid.isascii() and pid.isdigit() else 0
        process_id = self.pid or pid_of_id
        return Server(
            id=server_id,
            name=clean(self.server_name or base_name(self.directory)),
            host=clean(self.hostname or (host if pid_of_id else self.server_id)),
            directory=self.directory,
            project=self.project if isinstance(self.project, str) else "",
            branch=self.branch,
            repository=self.repository,
            url=_url(self.server_url, remote),
            pid=process_id if 0 < process_id <= MAX_PID else 0,
            version=clean(self.opencode),
            plugin=clean(self.plugin),
            verified=verified,
            place=TerminalLocation(**msgspec.structs.asdict(self.place)),
            runs_once=self.command == "run",
            clock_skew=self.time - at if is_timestamp(self.time) else 0,
        )


class Auth(msgspec.Struct, tag_field="type", tag="auth"):
    """`auth`: the proof of a plugin or of a command."""

    proof: Annotated[str, Meta(max_length=256)]


def decode_hello(raw: bytes) -> Hello:
    """Decode the first frame. Raises FrameError."""
    try:
        hello = decode(raw, Hello)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error
    if hello.protocol not in (1, 2):
        raise FrameError(f"protocol {hello.protocol} is not supported")
    if hello.protocol == 2 and (hello.nonce is None or hello.instance == "-"):
        raise FrameError("protocol 2 needs `nonce` and `instance`")
    return hello


def decode_auth(raw: bytes) -> Auth:
    """Decode the answer to the challenge. Raises FrameError."""
    try:
        return msgspec.json.decode(raw, type=Auth)
    except JSON_ERRORS as error:
        raise FrameError(str(error)) from error


def _url(url: str, remote: str) -> str | None:
    """Return an http or https URL with a host, or None. The host `AUTO` is replaced by the remote address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    if parts.hostname != "auto":
        return url
    host = remote.removeprefix("::ffff:")
    netloc = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{netloc}:{port}" if port else netloc))
