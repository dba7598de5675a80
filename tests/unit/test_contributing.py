"""Pages for contributors name files that exist, and the picture is rendered from its source."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "packaging/README.md", ROOT / "docs/architecture.md"]
PAGES += sorted((ROOT / "docs/decisions").glob("*.md"))
PLACES = (ROOT, ROOT / "tray", ROOT / "packaging")  # what paths in code spans are relative to
PATH = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*|[\w-]+\.(?:py|toml|lock|md))`")
MADE = {"tests/recordings/VERSION/SCENARIO.jsonl"}  # an example


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = set(PATH.findall(text)) - MADE
    missing += [name for name in named if not any(next(place.glob(name), None) for place in PLACES)]
    assert not missing


def test_each_decision_is_in_the_list_and_is_short() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "index.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    for name in listed:
        text = (folder / name).read_text(encoding="utf-8")
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(text.splitlines()) <= 40


def test_the_picture_is_rendered_from_its_source() -> None:
    source = hashlib.sha256((ROOT / "docs/architecture.dot").read_bytes()).hexdigest()
    picture = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    assert source in picture, "run: python packaging/draw_architecture.py"
