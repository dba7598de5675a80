"""Text is text: what a title or a command says can neither format nor fake anything where it is shown."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_ISOLATE, _POP = "\u2068", "\u2069"  # FIRST STRONG ISOLATE … POP DIRECTIONAL ISOLATE (Unicode UAX #9)
_JOINERS = "\u200c\u200d"  # needed by Indic scripts and by emoji
_RIGHT_TO_LEFT = ("R", "AL")


def clean(text: str) -> str:
    """One line of printable text: white space folded, control, format and bidi characters and lone surrogates gone."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = (
        character
        for character in text
        if character in _JOINERS or character.isspace() or unicodedata.category(character) not in _UNSHOWN
    )
    return " ".join("".join(kept).split())


_UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def width(text: str) -> int:
    """Columns that the text takes in a fixed-width font: 2 for East Asian wide, 0 for what combines or only formats."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or "\ufe00" <= character <= "\ufe0f" or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def shorten(text: str, columns: int) -> str:
    """Clean text of at most `columns` columns, cut with an ellipsis, never between a letter and its accents.

    Right-to-left text is isolated, so that it cannot reorder what stands around it.
    """
    line = clean(text[: columns * 16])  # a 10 kB title costs no more than a long one
    if width(line) > columns or len(text) > columns * 16:
        line = _cut(line, columns - 1) + ELLIPSIS
    return _isolated(line)


def _isolated(line: str) -> str:
    if not line.isascii() and any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in line):
        return f"{_ISOLATE}{line}{_POP}"
    return line


def _cut(line: str, columns: int) -> str:
    used = 0
    for position, character in enumerate(line):
        used += _columns(character)
        if used > columns:
            return line[:position].rstrip(" " + _JOINERS)
    return line


def wrap(text: str, columns: int) -> list[str]:
    """The text as clean lines of at most `columns` columns, broken between words where there are any."""
    lines: list[str] = []
    for line in text.splitlines():
        words = clean(line).split(" ")
        current = ""
        for word in words:
            while width(word) > columns:
                if current:
                    lines.append(_isolated(current))
                    current = ""
                head = _cut(word, columns) or word[0]
                lines.append(_isolated(head))
                word = word[len(head) :]  # noqa: PLW2901  # what is left of it
            if current and width(current) + 1 + width(word) > columns:
                lines.append(_isolated(current))
                current = word
            else:
                current = f"{current} {word}" if current else word
        if current:
            lines.append(_isolated(current))
    return lines


def is_shown_whole(text: str) -> bool:
    """Whether cleaning takes nothing away that could mean something: all of it but white space can be seen."""
    return clean(text) == " ".join(text.split())


def age(milliseconds: int) -> str:
    """How long ago, roughly: "now", "4m", "2h", "3d". Steps of a minute at least, so that a label seldom changes."""
    minutes = max(0, milliseconds) // 60_000
    if minutes < 1:
        return "now"
    if minutes < 60:
        return f"{minutes}m"
    if minutes < 24 * 60:
        return f"{minutes // 60}h"
    return f"{minutes // (24 * 60)}d"


def amount(number: int) -> str:
    """A count in short: 950, 12.3k, 4.5M."""
    if number < 1000:
        return str(number)
    if number < 1_000_000:
        return f"{number / 1000:.1f}k".replace(".0k", "k")
    return f"{number / 1_000_000:.1f}M".replace(".0M", "M")


def last_line(text: str, limit: int) -> str:
    """The last line with anything in it, at most `limit` characters, cleaned."""
    for line in reversed(text[-16 * limit :].splitlines()):
        if cleaned := clean(line):
            return cleaned[:limit]
    return ""
