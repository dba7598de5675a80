"""The log rotates, also after an attempt that was interrupted, and loses no line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tray.cli.log_file import LogFile


def write(handler: LogFile, *numbers: int) -> None:
    for number in numbers:
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))


def lines(*files: Path) -> list[str]:
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_oldest_lines_are_dropped(tmp_path: Path) -> None:
    path, older = tmp_path / "tray.log", [tmp_path / f"tray.log.{number}" for number in (2, 1)]
    handler = LogFile(path, maxBytes=40, backupCount=2, encoding="utf-8")
    write(handler, *range(20))
    handler.close()
    kept = lines(*older, path)
    assert kept == [f"line {number}" for number in range(20 - len(kept), 20)]
    assert 10 <= len(kept) < 20
    assert {file.name for file in tmp_path.iterdir()} == {"tray.log", "tray.log.1", "tray.log.2"}


@pytest.mark.parametrize("fails_at", ["tray.log", "tray.log.1", "tray.log.rotating"])
def test_a_rotation_that_fails_is_completed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    path = tmp_path / "tray.log"
    (tmp_path / "tray.log.1").write_text("old\n", encoding="utf-8")
    handler = LogFile(path, maxBytes=20, backupCount=3, encoding="utf-8")
    rename, replace = Path.rename, Path.replace

    def refuse(file: Path, target: Path) -> Path:
        if file.name == fails_at:
            raise PermissionError
        return rename(file, target) if target.name.endswith("rotating") else replace(file, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        patched.setattr(Path, "replace", refuse)
        write(handler, *range(5))
    assert lines(path)[-1] == "line 4"
    write(handler, 5)
    handler.close()
    files = [tmp_path / f"tray.log{ending}" for ending in (".3", ".2", ".1", "")]
    assert lines(*filter(Path.exists, files)) == ["old", *(f"line {number}" for number in range(6))]
    assert not (tmp_path / "tray.log.rotating").exists()


def test_a_log_that_cannot_be_opened_at_first_is_written_once_that_is_possible(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.touch()  # as on a read-only disk, the folder cannot be created
    handler = LogFile(folder / "tray.log", maxBytes=1000, backupCount=2, encoding="utf-8", delay=True)
    with pytest.raises(OSError, match="log"):
        handler.open()
    write(handler, 1)
    folder.unlink()
    write(handler, 2)
    handler.close()
    assert lines(folder / "tray.log") == ["line 2"]
