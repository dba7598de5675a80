#!/usr/bin/env python3
"""Render docs/architecture.dot into docs/architecture.svg. Needs Graphviz (`dot`).

The picture ends with the hash of its source; tests/unit/test_contributing.py compares the two.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Write the picture."""
    source = (DOCS / "architecture.dot").read_bytes()
    done = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, check=True)
    stamp = f"<!-- architecture.dot: sha256 {hashlib.sha256(source).hexdigest()} -->\n"
    (DOCS / "architecture.svg").write_text(done.stdout.decode() + stamp, encoding="utf-8")


if __name__ == "__main__":
    main()
