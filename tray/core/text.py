"""Make untrusted text safe to display: it can neither format nor imitate the text around it."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
_ISOLATE, _POP = "\u2068", "\u2069"  # FIRST STRONG ISOLATE … POP DIRECTIONAL ISOLATE (Unicode UAX #9)
_JOINERS = "\u200c\u200d"  # needed by Indic scripts and by emoji
_RIGHT_TO_LEFT = ("R", "AL")
_BEFORE_ELLIPSIS = " .,;:·-\u2013\u2014"  # "1.…" reads like a number


def clean(text: str) -> str:
    """Return one line of printable text: white space folded; no control, format or bidi characters or surrogates."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = (
        character
        for character in text
        if character in _JOINERS or character.isspace() or unicodedata.category(character) not in _UNSHOWN
    )
    return " ".join("".join(kept).split())


_UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def money(micro_dollars: int) -> str:
    """Return an amount of money, in US dollars."""
    return f"${micro_dollars / 1_000_000:.2f}"


def beginning(text: str, limit: int) -> str:
    """Return at most `limit` characters of the beginning of a text, in one line."""
    return " ".join(text[: 4 * limit].split())[:limit]


def width(text: str) -> int:
    """Return the columns of the text in a fixed-width font: 2 for East Asian wide, 0 for combining characters."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or "\ufe00" <= character <= "\ufe0f" or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def shorten(text: str, columns: int) -> str:
    """Return clean text of at most `columns` columns, cut with an ellipsis, never between a letter and its accents.

    Right-to-left text is isolated, so that it cannot reorder the text around it.
    """
    line = clean(text[: columns * 16])  # a 10 kB title costs no more than a long one
    if width(line) > columns or len(text) > columns * 16:
        line = _cut(line, columns - 1).rstrip(_BEFORE_ELLIPSIS) + ELLIPSIS
    return _isolated(line)


def shorten_path(path: str, columns: int) -> str:
    """Return clean text of at most `columns` columns, cut at the beginning: the end identifies a path."""
    line = clean(path[-columns * 16 :])
    if width(line) > columns or len(path) > columns * 16:
        while line and (width(line) > columns - 1 or not _columns(line[0])):
            line = line[1:]
        line = ELLIPSIS + line
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


TAB, GOES_ON = "⇥", "↪ "  # how `wrap` shows a tab, and the beginning of a continued line


def wrap(text: str, columns: int) -> list[str]:
    """Return lines of at most `columns` columns with all spaces kept and without the characters that `hides` finds."""
    lines: list[str] = []
    for line in text.splitlines():
        left = "".join(_shown(character) for character in line).rstrip()
        mark = ""
        while left:
            room = columns - len(mark)
            piece = left if width(left) <= room else _piece(left, room)
            lines.append(_isolated(mark + piece))
            left = left[len(piece) :]
            mark = GOES_ON
    return lines


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    if character.isspace():
        return " "
    return "" if character not in _JOINERS and unicodedata.category(character) in _UNSHOWN else character


def _piece(line: str, columns: int) -> str:
    """Return the beginning of a line, up to a space if there is one in its second half."""
    fits = _cut(line, columns) or line[0]
    space = fits.rfind(" ", columns // 2)
    return fits[: space + 1] if space >= 0 else fits


# Unicode's Default_Ignorable_Code_Point: letters and marks among them that no font draws (DerivedCoreProperties.txt).
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
MARKS_MOST = 4  # combining characters on one letter; more are drawn over the text around


def hides(text: str) -> bool:
    """Whether the text contains characters that are invisible or that look like others, in any font."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return False
    marks = 0
    for character in text:
        if character.isspace() and character not in " \n\t":
            return True
        if unicodedata.category(character) in _UNSHOWN and character not in "\n\t":
            return True
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MARKS_MOST:
            return True
    return _IGNORABLE.search(text) is not None


def is_shown_whole(text: str) -> bool:
    """Whether nothing is lost when each line is cleaned and its white space folded."""
    return not hides(text) and all(line == " ".join(line.split()) for line in text.split("\n"))


def age(milliseconds: int) -> str:
    """Return a rounded age: "now", "4m", "2h", "3d". The steps are at least a minute, so that labels seldom change."""
    minutes = max(0, milliseconds) // 60_000
    if minutes < 1:
        return "now"
    if minutes < 60:
        return f"{minutes}m"
    if minutes < 24 * 60:
        return f"{minutes // 60}h"
    return f"{minutes // (24 * 60)}d"


def counted(number: int, singular: str, plural: str) -> str:
    """Return the number with its noun: "1 server", "2 servers", "0 servers"."""
    return f"{number} {singular if number == 1 else plural}"


def amount(number: int) -> str:
    """Return a short form of a count: 950, 12.3k, 4.5M."""
    if number < 1000:
        return str(number)
    if number < 1_000_000:
        return f"{number / 1000:.1f}k".replace(".0k", "k")
    return f"{number / 1_000_000:.1f}M".replace(".0M", "M")


def last_line(text: str, limit: int) -> str:
    """Return the last line that is not empty, cleaned, at most `limit` characters."""
    for line in reversed(text[-16 * limit :].splitlines()):
        if cleaned := clean(line):
            return cleaned[:limit]
    return ""
