"""The text that is being written, as an HTTP server streams it."""

from __future__ import annotations

import msgspec

from tray.sources.http.output_stream import MAX_DRAFT, Delta, OutputStream, Part


def part(text: str, **time: int) -> Part:
    return msgspec.convert(
        {"id": "prt", "sessionID": "ses", "messageID": "msg", "type": "text", "text": text, "time": time}, Part
    )


def test_a_prompt_is_not_a_text_that_is_being_written() -> None:
    stream = OutputStream("server")
    stream.start(part("Fix it"), 0)
    assert stream.draft("ses", 0) == ""
    stream.start(part("I will", start=1), 1)
    assert stream.draft("ses", 1) == "I will"
    stream.start(part("I will", start=1, end=2), 2)
    assert stream.draft("ses", 2) == ""


def test_a_text_that_is_read_again_and_again_is_kept_up_to_a_limit() -> None:
    stream = OutputStream("server")
    stream.start(part("", start=1), 0)
    lengths = []
    for at in range(0, 20_000, 100):
        stream.append(Delta("ses", "prt", "x" * 50), at)
        lengths.append(len(stream.draft("ses", at)))
    assert lengths == sorted(lengths)
    assert lengths[-1] == MAX_DRAFT
