"""The settings `team.*`: the broker, the key of the team, and which trays may answer."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KEY_LENGTH = 32  # bytes, of the team's key and of a tray's public key
PORTS = {"mqtt": 1883, "mqtts": 8883}  # registered with IANA
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TRAY_NAME = re.compile(r"[^\s,]{1,80}")


class Broker(NamedTuple):
    """The address of a broker. "" as username: none."""

    host: str
    port: int
    is_encrypted: bool
    username: str

    @property
    def address(self) -> str:
        """The host and the port, for the user."""
        return f"{self.host}:{self.port}"


class TrustedTray(NamedTuple):
    """A tray that may answer requests of this one."""

    name: str  # as the user calls it
    key: str  # its public key


def parse_broker_url(value: Any) -> str:
    """Check the address of a broker; "" is none. Raises ValueError."""
    if value != "":
        broker_of(value)
    return str(value)


def broker_of(value: Any) -> Broker:
    """Parse `mqtt://HOST:PORT` or `mqtts://USER@HOST:PORT`. Raises ValueError, also for a password."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ValueError
    parts = urlsplit(value)
    is_plain = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.password is None
    if parts.scheme not in PORTS or not parts.hostname or not is_plain or parts.port == 0:
        raise ValueError
    port = parts.port or PORTS[parts.scheme]
    return Broker(parts.hostname, port, parts.scheme == "mqtts", parts.username or "")


def parse_team_name(value: Any) -> str:
    """Parse the name of a team, which is a part of its topics. Raises ValueError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError
    return value


def parse_variable_name(value: Any) -> str:
    """Parse the name of an environment variable; "" is none. Raises ValueError."""
    if not isinstance(value, str) or (value and not value.isidentifier()):
        raise ValueError
    return value


def parse_team_key(value: Any) -> str:
    """Parse 32 bytes in hex or in base64; "" is none. Raises ValueError."""
    if value != "":
        key_bytes(value)
    return str(value)


def key_bytes(text: Any) -> bytes:
    """Return the bytes of a key in hex, or in base64 of either alphabet. Raises ValueError."""
    if not isinstance(text, str) or not text.isascii():
        raise ValueError
    given = text.strip()
    if re.fullmatch(r"[0-9A-Fa-f]{64}", given):
        return bytes.fromhex(given)
    padded = given.rstrip("=").replace("-", "+").replace("_", "/") + "="
    try:
        found = base64.b64decode(padded, validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(found) != KEY_LENGTH:
        raise ValueError
    return found


def key_text(key: bytes) -> str:
    """Return a key as text: 43 characters of base64url."""
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def parse_trusted(value: Any) -> tuple[TrustedTray, ...]:
    """Parse "NAME KEY" for each tray: a list, or a text with commas; "off" is none. Raises ValueError."""
    if value in ("", "off"):
        return ()
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple)):
        raise ValueError  # noqa: TRY004  # `Setting.parse` raises ValueError
    return tuple(map(_trusted, entries))


def _trusted(entry: Any) -> TrustedTray:
    words = entry.split() if isinstance(entry, str) else []
    if len(words) != 2 or not _TRAY_NAME.fullmatch(words[0]):
        raise ValueError
    return TrustedTray(words[0], key_text(key_bytes(words[1])))
