"""The shared token that authenticates plugins and commands: created at first start, readable only by the owner."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tray.core.errors import UserError
from tray.files.writing import NotPrivateError, read_privately, write_privately

MIN_LENGTH = 16  # characters: what a file has after it was cut could be guessed
ADVICE = "remove it and start the tray again, which makes a new one"


class TokenError(UserError):
    """The token cannot be used; the message says what to do."""


class Token:
    """The current token. `path` is its file, or None if it comes from the environment and cannot be rotated."""

    def __init__(self, text: str, path: Path | None = None) -> None:
        self._text = text
        self._path = path
        self._lock = threading.Lock()  # keeps the file and `_text` the same

    @classmethod
    def of(cls, environment: Mapping[str, str], path: Path) -> Token:
        """Return the token of the environment or of the file, which is created if missing. Raises TokenError."""
        token = token_from_environment(environment)
        return cls(token) if token is not None else cls(read_or_create_token(path), path)

    def __call__(self) -> str:
        """Return the token as text."""
        return self._text

    def rotate(self) -> None:
        """Replace the token with a new one, which takes effect at once. Raises TokenError."""
        if self._path is None:
            raise TokenError("the token comes from OPENCODE_MONITOR_TOKEN: change it there and restart the tray")
        with self._lock:
            self._text = replace_token(self._path)

    def reread(self) -> bool:
        """Reload the file, which another process may have rotated; write it again if it is missing.

        Returns whether the token has changed. Raises TokenError; the current token stays.
        """
        if self._path is None:
            return False
        with self._lock:
            token = read_token(self._path)
            if token is None:
                _write(self._path, self._text)
            if token is None or token == self._text:
                return False
            self._text = token
            return True


def read_token(path: Path) -> str | None:
    """Return the token, or None if there is no file. Raises TokenError if it is damaged or other users can read it."""
    try:
        token = read_privately(path).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except NotPrivateError:
        raise TokenError(f"other users can read {path}; run: chmod 600 {path}") from None
    except OSError as error:
        raise TokenError(f"cannot read {path}: {error.strerror}") from error
    if not token:
        raise TokenError(f"{path} is empty; {ADVICE}")
    if len(token) < MIN_LENGTH or not (token.isascii() and token.isprintable()):
        raise TokenError(f"{path} is damaged: it has to be one line of at least {MIN_LENGTH} characters; {ADVICE}")
    return token


def read_or_create_token(path: Path) -> str:
    """Return the token of the file, which is created if missing. Raises TokenError."""
    token = read_token(path) or replace_token(path)
    with suppress(OSError):
        path.parent.chmod(0o700)  # the folder may have existed with another mode
    return token


def replace_token(path: Path) -> str:
    """Write a new token, 32 random bytes in hex, to the file and return it. Raises TokenError."""
    token = secrets.token_hex(32)
    _write(path, token)
    return token


def _write(path: Path, token: str) -> None:
    try:
        write_privately(path, token + "\n")
    except OSError as error:
        raise TokenError(f"cannot write {path}: {error.strerror}") from error


def token_from_environment(environment: Mapping[str, str]) -> str | None:
    """Return OPENCODE_MONITOR_TOKEN, stripped as the plugin does, or None. Raises TokenError if it is not UTF-8."""
    token = environment.get("OPENCODE_MONITOR_TOKEN", "").strip()
    try:
        token.encode()
    except UnicodeEncodeError as error:
        raise TokenError("OPENCODE_MONITOR_TOKEN is not valid UTF-8") from error
    return token or None
