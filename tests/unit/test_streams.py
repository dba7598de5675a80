"""Printing a title with any characters never raises."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tray.cli.streams import take_any_text

TITLE = "Größe 日本 → 🙂 \ud800"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_pipe_gets_utf_8(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    take_any_text(stream)
    stream.write(TITLE)
    stream.flush()
    assert raw.getvalue().decode() == TITLE.replace("\ud800", "?")


def test_a_text_from_a_pipe_is_read_as_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    stream = io.TextIOWrapper(io.BytesIO("Größe".encode() + b"\xff"), encoding="cp1252")
    take_any_text(stream)
    assert stream.read() == "Größe\ufffd"


def test_a_terminal_keeps_its_own_encoding() -> None:
    raw = io.BytesIO()
    stream = Terminal(raw, encoding="cp1252")
    take_any_text(stream)
    stream.write(TITLE)
    stream.flush()
    assert raw.getvalue().decode("cp1252") == "Größe ?? ? ? ?"


def test_a_configured_encoding_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252")
    take_any_text(stream)
    stream.write("é→")
    stream.flush()
    assert raw.getvalue() == b"\xe9?"


def test_missing_standard_streams_cause_no_error() -> None:
    take_any_text(None)
    stream = io.StringIO()
    take_any_text(stream)
    stream.write(TITLE)
    assert stream.getvalue() == TITLE


def test_a_command_prints_any_path_to_a_pipe_of_windows(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    environment |= {"OPENCODE_TRAY_TOKEN_FILE": str(tmp_path / "日本" / "token"), "HOME": str(tmp_path)}
    program = (
        "import sys; sys.stdout.reconfigure(encoding='cp1252'); "
        "from tray.cli.main import main; sys.exit(main(['status', '--json', '--port', '1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "日本" in json.loads(done.stdout)["message"]
