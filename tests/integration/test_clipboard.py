"""macOS: the text reaches the clipboard's program in UTF-8, with a locale that says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tray.system import clipboard
from waiting import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a script")

TEXT = "opencode --session „ä“\nsecond line"

PROGRAM = """#!{python} -I
import os, pathlib, sys
folder = pathlib.Path({folder!r})
(folder / "copied").write_bytes(sys.stdin.buffer.read())
(folder / "locale").write_text(os.environ.get("LC_ALL", ""))
"""


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the only one on the PATH of a program that runs on macOS."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setattr(sys, "platform", "darwin")
    return tmp_path


def test_pbcopy_gets_the_text_in_the_encoding_of_its_locale(mac: Path) -> None:
    program = mac / "pbcopy"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(mac)), encoding="utf-8")
    program.chmod(0o755)
    assert run(clipboard.copy(TEXT))
    assert (mac / "copied").read_bytes() == TEXT.encode()
    assert (mac / "locale").read_text() == "en_US.UTF-8"


def test_without_pbcopy_the_copy_fails(mac: Path) -> None:
    assert not run(clipboard.copy(TEXT))
    assert not list(mac.iterdir())
