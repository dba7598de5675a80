"""The script for the pictures of the documentation uses the helpers of these tests, and must follow their changes."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "screenshots" / "make.py"


def test_the_script_for_the_pictures_finds_all_that_it_imports() -> None:
    assert runpy.run_path(str(SCRIPT), run_name="screenshots")["PICTURES"]
