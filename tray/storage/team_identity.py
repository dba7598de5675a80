"""The file with the identity of this tray in a team: its private key, and when it last started."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import msgspec

from tray.core.errors import UserError
from tray.core.lenient_json import JSON_ERRORS
from tray.files.writing import NotPrivateError, place, read_privately, write_privately

LENGTH = 32  # bytes of a private key (RFC 8032)


class TeamIdentityError(UserError):
    """The identity cannot be read or written; the text says what to do."""


class StoredIdentity(msgspec.Struct, frozen=True):
    """The private key in hex. `started` is larger after each start, whatever the clock says."""

    private_key: str
    started: int = 0


def read_identity(path: Path) -> StoredIdentity:
    """Return the identity, which is created if missing. Raises TeamIdentityError."""
    try:
        stored = msgspec.json.decode(read_privately(path), type=StoredIdentity)
        if not re.fullmatch(rf"[0-9a-f]{{{2 * LENGTH}}}", stored.private_key):
            raise msgspec.ValidationError("the key is not valid")
    except FileNotFoundError:
        return _create(path)
    except NotPrivateError:
        raise TeamIdentityError(f"other users can read {path}; run: chmod 600 {path}") from None
    except JSON_ERRORS as error:
        advice = "restore it, or remove it; then other trays have to trust a new key"
        raise TeamIdentityError(f"{path} is damaged ({error}); {advice}") from error
    except OSError as error:
        raise TeamIdentityError(f"cannot read {path}: {error.strerror}") from error
    return stored


def begin(path: Path, at: int) -> StoredIdentity:
    """Return the identity for a start at `at` (ms since the Unix epoch), and store it. Raises TeamIdentityError."""
    stored = read_identity(path)
    return _write(path, StoredIdentity(stored.private_key, max(at, stored.started + 1)))


def _create(path: Path) -> StoredIdentity:
    """Create the identity, unless another process does so first; return it. Raises TeamIdentityError."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    created = _write(temporary, StoredIdentity(secrets.token_hex(LENGTH)))
    try:
        place(temporary, path)
    except FileExistsError:
        return read_identity(path)
    except OSError:  # a file system without hard links
        return _write(path, created)
    finally:
        temporary.unlink(missing_ok=True)
    return created


def _write(path: Path, stored: StoredIdentity) -> StoredIdentity:
    try:
        write_privately(path, msgspec.json.encode(stored).decode() + "\n")
    except OSError as error:
        raise TeamIdentityError(f"cannot write {path}: {error.strerror}") from error
    return stored
