"""Markdown of messages as a tree of plain JSON values: the page builds elements from it and never parses HTML.

A node is a text, or `[tag, attributes, child …]`. HTML and scripts stay text; images become links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

MAX_TEXT = 20_000  # characters; the rest is left out
TAGS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "em", "strong", "s"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
LINKS = ("http", "https", "mailto")

Node = str | list[Any]


def render(text: str) -> list[Node]:
    """Return the nodes of a Markdown text. It takes some ms: call it in a thread."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  # needed only once a browser reads messages
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image"])
    shown = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n\n…"
    return _nodes(SyntaxTreeNode(parser.parse(shown)).children)


def _nodes(children: list[SyntaxTreeNode]) -> list[Node]:
    return [node for child in children for node in _node(child) if node]


def _node(node: SyntaxTreeNode) -> list[Node]:
    match node.type:
        case "text" | "html_inline" | "html_block":
            return [node.content]
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [["br", {}]]
        case "code_inline":
            return [["code", {}, node.content]]
        case "fence" | "code_block":
            language = node.info.split()[0] if node.info.split() else ""
            return [["pre", {"data-language": language[:20]} if language else {}, ["code", {}, node.content]]]
        case "hr":
            return [["hr", {}]]
        case "link":
            return [["a", {"href": href}, *_nodes(node.children)]] if (href := _link(node)) else _nodes(node.children)
        case _:
            inner = _nodes(node.children)
            is_shown = node.tag in TAGS and not node.hidden  # the paragraphs of a tight list are hidden
            return [[node.tag, {}, *inner]] if is_shown else inner


def _link(node: SyntaxTreeNode) -> str:
    """Return the address if a browser may open it; "" otherwise."""
    href = str(node.attrGet("href") or "")
    try:
        return href if urlsplit(href).scheme in LINKS else ""
    except ValueError:
        return ""
