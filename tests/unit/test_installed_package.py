"""Which `tray` the tests import: in CI the built wheel, in a development checkout the checkout itself."""

from __future__ import annotations

import os
from pathlib import Path

import tray
from tray.system import resources

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(tray.__file__).resolve().parent
IS_WHEEL = "OPENCODE_TEST_WHEEL" in os.environ  # set by packaging/check.py


def test_ci_tests_the_wheel_and_a_checkout_tests_itself() -> None:
    if IS_WHEEL:
        assert not PACKAGE.is_relative_to(ROOT)
    else:
        assert PACKAGE == ROOT / "tray", "an old copy of tray is installed; run: pip install -e . --group dev"


def test_plugin_icon_pictures_and_sounds_are_found() -> None:
    files = [resources.plugin_source(), resources.app_icon(), resources.app_drawing()]
    for reason in ("permission", "question", "error", "finished"):
        files += [resources.toast_image(reason), resources.sound_file(reason)]
    home = PACKAGE if IS_WHEEL else ROOT
    assert all(file is not None and file.is_file() and file.is_relative_to(home) for file in files), files
