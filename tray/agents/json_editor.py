"""Insert and remove parts of a JSON text; everything else stays as the user wrote it, comments included.

What an insertion added, the removal takes away: then the text is the same as before, byte for byte. A container that
was created by an insertion begins with a line break; one that the user left empty does not get any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

_TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"/]+', re.DOTALL)
_COMMENT = ("//", "/*")
_UNIT = "  "  # of an indentation

Path = tuple[str | int, ...]  # keys of objects and indices of lists
Token = tuple[int, str]  # its place in the text


class InvalidJsonError(ValueError):
    """The text is not valid JSON, or does not have the expected structure."""


class Node(msgspec.Struct):
    """A value in the text: it ends before `end`. A member of an object begins with its key, at `start`."""

    key: str | int
    start: int
    value_start: int
    end: int = 0
    children: list[Node] | None = None  # of an object or a list

    def child(self, key: str | int) -> Node:
        """Return the child with this key or index; of several with one key, the last. Raises InvalidJsonError."""
        found = [child for child in self.children or () if child.key == key]
        if not found:
            raise InvalidJsonError(f"{self.key!r} has no {key!r}")
        return found[-1]


def parse(text: str, *, comments: bool = False) -> dict[str, Any]:
    """Return a JSON object. `comments`: whether comments and trailing commas are allowed. Raises InvalidJsonError."""
    try:
        value = json.loads(_plain(text) if comments else text)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(str(error)) from error
    if not isinstance(value, dict):
        raise InvalidJsonError("it is not a JSON object")
    return value


def insert(text: str, path: Path, value: Any, *, comments: bool = False) -> str:
    """Return the text with a value at this path. The last part is a new key of an object, or -1 for a list's end.

    Raises InvalidJsonError, also if a part of the path is something else.
    """
    node = _root(text, comments=comments)
    for part in path[:-1]:
        node = node.child(part)
    if node.children is None or text[node.value_start] != ("[" if path[-1] == -1 else "{"):
        raise InvalidJsonError(f"{node.key!r} is not {'a list' if path[-1] == -1 else 'an object'}")
    separator = _separator(text, node)
    key = "" if path[-1] == -1 else f"{json.dumps(path[-1])}: "
    indentation = separator if separator.startswith("\n") else "\n"
    added = key + json.dumps(value, indent=_UNIT, ensure_ascii=False).replace("\n", indentation)
    if not node.children:
        return f"{text[: node.value_start + 1]}{added}{text[node.value_start + 1 :]}"
    end = node.children[-1].end
    return f"{text[:end]},{separator}{added}{text[end:]}"


def remove(text: str, path: Path, *, comments: bool = False) -> str:
    """Return the text without the value at this path, and without the containers that only an insertion had created.

    Returns "" if nothing is left of the text. Raises InvalidJsonError.
    """
    chain = [_root(text, comments=comments)]
    for part in path:
        chain.append(chain[-1].child(part))
    while len(chain) > 1:
        node, parent = chain.pop(), chain[-1]
        siblings = parent.children or []
        index = siblings.index(node)
        if index:
            return text[: siblings[index - 1].end] + text[node.end :]
        if len(siblings) > 1:
            return text[: node.start] + text[siblings[1].start :]
        if "\n" not in text[parent.value_start : node.start]:
            return text[: node.start] + text[node.end :]
    return ""


def empty(text: str, path: Path, *, comments: bool = False) -> str:
    """Return the text with an empty list in place of the list at this path. Raises InvalidJsonError."""
    node = _root(text, comments=comments)
    for part in path:
        node = node.child(part)
    return f"{text[: node.value_start]}[]{text[node.end :]}"


def _separator(text: str, node: Node) -> str:
    """Return what stands between two children of a container: a line break and their indentation, or a blank."""
    if not node.children:
        return " "
    before = text[node.value_start + 1 : node.children[0].start]
    _, line_break, indentation = before.rpartition("\n")
    return line_break + indentation if line_break else " "


# ------------------------------------------------------------------ reading


def _tokens(text: str) -> list[Token]:
    """Return the tokens without blanks and comments."""
    found = [(match.start(), match[0]) for match in _TOKEN.finditer(text)]
    return [token for token in found if not token[1].isspace() and not token[1].startswith(_COMMENT)]


def _plain(text: str) -> str:
    """Return the tokens of a text with comments, without commas before the end of a container."""
    words = [word for _, word in _tokens(text)]
    return "".join(
        word for word, following in zip_longest(words, words[1:], fillvalue="") if word != "," or following not in "]}"
    )


def _root(text: str, *, comments: bool) -> Node:
    parse(text, comments=comments)  # so that the reading below meets no other error
    try:
        return _read(iter(_tokens(text)))
    except RecursionError as error:  # the parser of Python may take more levels
        raise InvalidJsonError(str(error)) from error


def _read(tokens: Iterator[Token], first: Token | None = None, key: str | int = "", start: int = -1) -> Node:
    """Read one value, whose first token may be read already. The tokens are those of valid JSON."""
    place, word = first or next(tokens)
    node = Node(key, place if start < 0 else start, place, place + len(word))
    if word not in "[{":
        return node
    node.children = []
    for token in tokens:
        if token[1] in "]}":
            node.end = token[0] + 1
            break
        if token[1] == ",":
            continue
        if word == "[":
            node.children.append(_read(tokens, token, len(node.children)))
        else:
            next(tokens)  # the colon
            node.children.append(_read(tokens, None, json.loads(token[1]), token[0]))
    return node
