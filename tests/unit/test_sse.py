"""Decoding Server-Sent Events does not depend on how the bytes are split, and has a size limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.opencode.sse import MAX_EVENT, Decoder, TooBigError

STREAM = b': hello\ndata: {"a":1}\n\nevent: x\ndata: {"b":\ndata: 2}\r\n\r\ndata:{"c":3}\n\n\n\ndata: unfinished'
EVENTS = [b'{"a":1}', b'{"b":\n2}', b'{"c":3}']


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_the_events_do_not_depend_on_how_the_bytes_are_split(cuts: list[int]) -> None:
    decoder, borders = Decoder(), [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[begin:end] for begin, end in pairwise(borders)]
    assert [event for piece in pieces for event in decoder.feed(piece)] == EVENTS


def feed_too_much(decoder: Decoder, piece: bytes) -> None:
    for _ in range(MAX_EVENT // 2**20 + 2):
        list(decoder.feed(piece))


def test_an_endless_line_raises() -> None:
    decoder = Decoder()
    with pytest.raises(TooBigError):
        feed_too_much(decoder, b"x" * 2**20)


def test_an_event_with_endless_lines_raises() -> None:
    decoder = Decoder()
    with pytest.raises(TooBigError):
        feed_too_much(decoder, b"data: " + b"x" * 2**20 + b"\n")
