"""MkDocs hooks: pages and pictures that live elsewhere in the repository, and links that leave `docs/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {"plugin/PROTOCOL.md": "protocol.md", ".github/SECURITY.md": "security.md"}  # file: page
PICTURES = {"assets/opencode-tray.png": "images/opencode-tray.png"}
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#\s]+)(?:#[^)]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the files from outside `docs/`."""
    for path, page in PAGES.items():
        text = OUTSIDE.sub(_link, (ROOT / path).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=text))
    for path, picture in PICTURES.items():
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links to files outside `docs/` to their pages; those without a page become plain text."""
    return OUTSIDE.sub(_link, markdown)


def _link(found: re.Match[str]) -> str:
    text, path = found.groups()
    page = PAGES.get(path)
    return f"[{text}]({page})" if page else text
