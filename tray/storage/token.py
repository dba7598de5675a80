"""The shared token: made at first start, readable by its owner alone."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tray.core.errors import UserError
from tray.storage.files import is_private, write_privately


class TokenError(UserError):
    """The token file cannot be used; the message says what to do."""


class Token:
    """The token in force. `path` is its file; None: it came from the environment, and only that can change it."""

    def __init__(self, text: str, path: Path | None = None) -> None:
        self._text = text
        self._path = path
        self._lock = threading.Lock()  # of the file's content and ours together

    @classmethod
    def of(cls, environment: Mapping[str, str], path: Path) -> Token:
        """The one that the environment gives, else that of the file, made if there is none. Raises TokenError."""
        given = given_token(environment)
        return cls(given) if given is not None else cls(make_token(path), path)

    def __call__(self) -> str:
        """The secret itself."""
        return self._text

    def rotate(self) -> None:
        """Make a new one, which is in force at once. Raises TokenError."""
        if self._path is None:
            raise TokenError("the token is that of OPENCODE_MONITOR_TOKEN: change it there, and start the tray again")
        with self._lock:
            self._text = replace_token(self._path)

    def reread(self) -> bool:
        """Follow the file: another tray, or a command without one, may have rotated it. Whether it differs."""
        with self._lock:
            try:
                found = read_token(self._path) if self._path is not None else None
            except TokenError:
                return False  # what cannot be used changes nothing; doctor tells of it
            if found is None or found == self._text:
                return False
            self._text = found
            return True


def read_token(path: Path) -> str | None:
    """The token, or None if there is no file. Raises TokenError where others could read it, or it is empty."""
    try:
        if not is_private(path):
            raise TokenError(f"{path} can be read by other users; run: chmod 600 {path}")
        token = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path} cannot be read: {error}") from error
    if not token:
        raise TokenError(f"{path} is empty; remove it and start again")
    return token


def make_token(path: Path) -> str:
    """The token of the file; makes 32 random bytes in hex if there is none. Raises TokenError."""
    token = read_token(path) or replace_token(path)
    with suppress(OSError):
        path.parent.chmod(0o700)  # the folder may be older than the token
    return token


def replace_token(path: Path) -> str:
    """A new token, which the file holds from now on. Raises TokenError."""
    token = secrets.token_hex(32)
    try:
        write_privately(path, token + "\n")
    except OSError as error:
        raise TokenError(f"{path} cannot be written: {error}") from error
    return token


def given_token(environment: Mapping[str, str]) -> str | None:
    """The token of OPENCODE_MONITOR_TOKEN, read as the plugin reads it. Raises TokenError for one that is no text."""
    token = environment.get("OPENCODE_MONITOR_TOKEN", "").strip()
    try:
        token.encode()
    except UnicodeEncodeError as error:
        raise TokenError("OPENCODE_MONITOR_TOKEN is no UTF-8 text") from error
    return token or None
