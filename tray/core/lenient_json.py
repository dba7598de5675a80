"""Decode the JSON of agents, which may contain lone surrogates."""

from __future__ import annotations

import re
from typing import Any, TypeVar, overload

import msgspec

JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # raised by msgspec for invalid JSON

T = TypeVar("T")

_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def replace_lone_surrogates(raw: bytes) -> bytes:
    """Replace lone surrogate escapes by U+FFFD: OpenCode cuts titles in the middle of an emoji."""
    return _ESCAPES.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 else found[0], raw)


@overload
def decode(raw: bytes) -> Any: ...
@overload
def decode(raw: bytes, shape: type[T]) -> T: ...
@overload
def decode(raw: bytes, shape: Any) -> Any: ...  # a union
def decode(raw: bytes, shape: Any = Any) -> Any:
    """Decode JSON with lone surrogates replaced. Raises one of JSON_ERRORS.

    Searches for surrogates only if decoding fails: few texts contain any, and some texts are megabytes long.
    """
    try:
        return msgspec.json.decode(raw, type=shape)
    except JSON_ERRORS:
        return msgspec.json.decode(replace_lone_surrogates(raw), type=shape)


def decode_or(raw: bytes, shape: type[T], default: T) -> T:
    """Decode JSON; return `default` if it is invalid or has another shape."""
    try:
        return decode(raw, shape)
    except JSON_ERRORS:
        return default
