"""Code, tests and documentation contain none of the words in words.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIST: dict[str, Any] = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # also the parts of camelCase and snake_case
GENERATED = {"node_modules", "__pycache__", "opencode-tray.js"}  # the plugin is built from plugin/src


def files() -> Iterator[Path]:
    for name in LIST["paths"]:
        path = ROOT / name
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]


def is_unchecked(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / name) for name in LIST["unchecked"])


def findings() -> Iterator[str]:
    words: dict[str, str] = LIST["words"]
    for path in files():
        if path.suffix not in LIST["suffixes"] or GENERATED & set(path.parts) or is_unchecked(path):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for word in WORD.findall(line):
                if word.lower() in words:
                    yield f"{path.relative_to(ROOT)}:{number}: {word}: write {words[word.lower()]}"


def test_no_file_contains_a_listed_word() -> None:
    found = list(findings())
    assert not found, "\n" + "\n".join(found)


if __name__ == "__main__":  # print what the unchecked paths still have
    LIST["unchecked"] = []
    print("\n".join(findings()))
