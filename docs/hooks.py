"""MkDocs hooks: pages and pictures from elsewhere in the repository, and links that leave `docs/`."""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"plugin/PROTOCOL.md": "protocol.md", ".github/SECURITY.md": "threat-model.md"}  # file: page
PICTURES = {"assets/opencode-tray.png": "images/opencode-tray.png"}
ORIGINS = {page: path for path, page in PAGES.items()}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")  # not of a picture, not to another site


def on_files(files: Files, *, config: Any) -> Files:
    """Add the files from outside `docs/`."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    for path, picture in PICTURES.items():
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Point links to files outside `docs/` at their pages; a link to a file without a page becomes plain text."""
    return LINK.sub(partial(_link, page.file.src_uri), markdown)


def _link(page: str, found: re.Match[str]) -> str:
    text, link, anchor = found.groups()
    origin = ORIGINS.get(page, f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    target = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if target is None:
        return text
    return f"[{text}]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor or ''})"
