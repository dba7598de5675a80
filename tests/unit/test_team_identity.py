"""The identity of this tray in a team: private, made once, and with a larger start each time."""

from __future__ import annotations

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tray.storage.team_identity import TeamIdentityError, begin, read_identity


def test_each_start_is_later_than_the_one_before_whatever_the_clock_says(tmp_path: Path) -> None:
    path = tmp_path / "data" / "team-identity.json"
    first, second, third = begin(path, 1000), begin(path, 5), begin(path, 9000)
    assert [first.started, second.started, third.started] == [1000, 1001, 9000]
    assert first.private_key == second.private_key == third.private_key == read_identity(path).private_key


def test_several_processes_that_start_at_once_have_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {stored.private_key for stored in pool.map(read_identity, [tmp_path / "team-identity.json"] * 16)}
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["team-identity.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_the_file_is_private_and_not_used_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "team-identity.json"
    read_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(TeamIdentityError, match="chmod 600"):
        read_identity(path)


@pytest.mark.parametrize("text", ["", "{}", '{"private_key": "00"}', '{"private_key": "x"}', '{"private_key": 1}'])
def test_a_damaged_file_is_kept_and_reported(text: str, tmp_path: Path) -> None:
    path = tmp_path / "team-identity.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(TeamIdentityError, match=r"team-identity\.json"):
        read_identity(path)
    assert path.read_text(encoding="utf-8") == text
