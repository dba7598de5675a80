#!/usr/bin/env python3
"""Print the section of the changelog for the version of the project. Exit code 1 if there is none."""

from __future__ import annotations

import re
import sys

from project import ROOT, version


def section(changelog: str, number: str) -> str:
    """Return the text below the heading of a version; "" if there is none."""
    found = re.search(rf"^## \[{re.escape(number)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found is not None else ""


def main() -> None:
    """Print it."""
    notes = section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version())
    if not notes:
        sys.exit(f"CHANGELOG.md has no section [{version()}]: rename [Unreleased]")
    print(notes)


if __name__ == "__main__":
    main()
