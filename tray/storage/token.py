"""The shared token: made at first start, readable by its owner alone."""

from __future__ import annotations

import secrets
from pathlib import Path

from tray.core.problem import Problem
from tray.storage.files import is_private, write_privately


class TokenError(Problem):
    """The token file cannot be used; the message says what to do."""


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
    token = read_token(path)
    if token is None:
        token = secrets.token_hex(32)
        try:
            write_privately(path, token + "\n")
        except OSError as error:
            raise TokenError(f"{path} cannot be written: {error}") from error
    return token
