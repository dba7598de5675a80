"""Titles and commands are data: they show as safe, readable, shortened text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.core.lenient_json import replace_lone_surrogates
from tray.core.text import age, amount, clean, counted, last_line, shorten, shorten_path, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("bell\x07 escape\x1b[31m", "bell escape[31m"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("family 👨\u200d👩\u200d👧 stays whole", "family 👨\u200d👩\u200d👧 stays whole"),
        ("<b>&amp; __x__ &File", "<b>&amp; __x__ &File"),
        ("", ""),
    ],
)
def test_clean_keeps_only_readable_characters(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_title_is_cut_with_an_ellipsis() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 10) == "abcdefghi…"
    assert width(shorten("日本語のとても長い題名です", 10)) <= 10


def test_a_very_long_text_is_cut_before_it_is_processed() -> None:
    assert shorten("x" * 10_000, 20) == "x" * 19 + "…"


def test_right_to_left_text_is_isolated() -> None:
    shown = shorten("שלום", 20)
    assert (shown[0], shown[-1]) == ("\u2068", "\u2069")


def test_an_accent_is_never_separated_from_its_letter() -> None:
    assert shorten("e\u0301" * 20, 5) == "e\u0301" * 4 + "…"


@pytest.mark.parametrize("shortened", [shorten, shorten_path])
@given(text=st.text(), columns=st.integers(2, 80))
def test_any_text_becomes_one_short_printable_line(
    shortened: Callable[[str, int], str], text: str, columns: int
) -> None:
    shown = shortened(text, columns).strip("\u2068\u2069")
    assert width(shown) <= columns
    allowed = ("\u200c", "\u200d")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in allowed]


@pytest.mark.parametrize(
    ("passed", "words"),
    [(-5, "now"), (59_999, "now"), (60_000, "1m"), (3_599_999, "59m"), (3_600_000, "1h"), (172_800_000, "2d")],
)
def test_ages_change_at_most_each_minute(passed: int, words: str) -> None:
    assert age(passed) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (999, "999"), (1000, "1k"), (12_345, "12.3k"), (4_500_000, "4.5M")]
)
def test_amounts_are_short(number: int, words: str) -> None:
    assert amount(number) == words


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 servers answer"), (1, "1 server answers"), (2, "2 servers answer")]
)
def test_counted_uses_the_singular_for_one_only(number: int, text: str) -> None:
    assert counted(number, "server answers", "servers answer") == text


def test_the_last_line_is_the_last_that_is_not_empty() -> None:
    assert last_line("one\ntwo\n\n \x00 \n", 200) == "two"
    assert last_line("", 200) == ""
    assert last_line("x" * 5000, 200) == "x" * 200


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        (rb'"\ud83d\ude00 \uD83D\uDE00"', rb'"\ud83d\ude00 \uD83D\uDE00"'),
        (rb'"\ud83d..."', rb'"\ufffd..."'),
        (rb'"\ude00\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"C:\\ud83d \u00e9"', rb'"C:\\ud83d \u00e9"'),
    ],
)
def test_only_a_surrogate_without_its_other_half_is_replaced(raw: bytes, whole: bytes) -> None:
    assert replace_lone_surrogates(raw) == whole


def test_no_full_stop_precedes_an_ellipsis() -> None:
    assert shorten("Upgrade the cluster to 1.33", 26) == "Upgrade the cluster to 1…"
    assert shorten("one, two", 6) == "one…"
