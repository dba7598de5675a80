"""JSON as OpenCode writes it."""

from __future__ import annotations

import re
from typing import Any, TypeVar, overload

import msgspec

WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what msgspec raises for it

T = TypeVar("T")

_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def without_halves(raw: bytes) -> bytes:
    """The JSON with U+FFFD for each surrogate that lacks its other half: OpenCode cuts titles within an emoji."""
    return _ESCAPES.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 else found[0], raw)


@overload
def decode(raw: bytes) -> Any: ...
@overload
def decode(raw: bytes, shape: type[T]) -> T: ...
def decode(raw: bytes, shape: Any = Any) -> Any:
    """What the JSON says, half characters and all. Raises one of WRONG.

    Only what is wrong is looked through for them: few texts are, and some are megabytes.
    """
    try:
        return msgspec.json.decode(raw, type=shape)
    except WRONG:
        return msgspec.json.decode(without_halves(raw), type=shape)
