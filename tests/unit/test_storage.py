"""Token and cache: made atomically, for the owner alone; what is broken is said, set aside, never lost."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from replay import played
from tray.core.events import MuteSet
from tray.core.fleet import Fleet
from tray.storage.cache import encode_cache, read_cache, write_cache
from tray.storage.files import move
from tray.storage.token import TokenError, given_token, make_token, read_token

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")


def test_a_token_is_made_at_first_start_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = make_token(path)
    assert len(token) == 64
    assert make_token(path) == token == read_token(path)


@needs_modes
def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    make_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@needs_modes
def test_a_token_that_others_can_read_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("x", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(TokenError, match="chmod 600"):
        read_token(path)


@needs_modes
def test_the_folder_becomes_its_owners_alone_though_it_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "old" / "token"
    path.parent.mkdir(mode=0o755)
    make_token(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_given_token_is_read_as_the_plugin_reads_it() -> None:
    assert given_token({"OPENCODE_MONITOR_TOKEN": " secret\n"}) == "secret"
    assert given_token({"OPENCODE_MONITOR_TOKEN": "  "}) is None
    assert given_token({}) is None
    with pytest.raises(TokenError, match="UTF-8"):
        given_token({"OPENCODE_MONITOR_TOKEN": "\udcff"})


def test_a_cache_that_is_no_file_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    restored, problem = read_cache(folder)
    assert restored is None
    assert "no regular file" in (problem or "")
    write_cache(folder, "{}")
    assert folder.is_dir()


def test_an_empty_token_is_no_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    with pytest.raises(TokenError, match="empty"):
        make_token(path)


def test_no_token_file_is_no_error(tmp_path: Path) -> None:
    assert read_token(tmp_path / "none") is None


def test_a_fleet_outlives_a_restart_greyed(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    before = played("1.18.33", "07_two_permissions_parallel").fleet
    before.apply(MuteSet("", 2**53), 1)
    write_cache(path, encode_cache(before))
    restored, problem = read_cache(path)
    assert problem is None
    assert restored is not None
    after = Fleet()
    after.apply(restored, 5)
    assert after.sessions == before.sessions
    assert after.mutes == {"": 2**53}
    assert [server.live for server in after.servers.values()] == [False]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"version":99,"servers":[],"sessions":[],"mutes":{}}', b"[]"]
)
def test_a_corrupt_cache_is_set_aside_and_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache.json"
    path.write_bytes(content)
    restored, problem = read_cache(path)
    assert restored is None
    assert problem is not None
    assert "set aside" in problem
    assert not path.exists()
    assert (tmp_path / "cache.json.corrupt").read_bytes() == content


def test_a_cache_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    write_cache(path, "first")
    write_cache(path, "second")
    assert [file.name for file in tmp_path.iterdir()] == ["cache.json"]
    assert path.read_text(encoding="utf-8") == "second"


class ReadBySomebody:
    """Windows' os.replace while an antivirus program reads the file, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, fresh: str, path: Path) -> None:
        self.left -= 1
        if self.left >= 0:
            raise PermissionError(13, "Access is denied", str(path))
        os.replace(fresh, path)  # noqa: PTH105  # what stands behind the fake


def test_a_file_that_somebody_reads_is_replaced_when_they_are_done(tmp_path: Path) -> None:
    fresh, path = tmp_path / "fresh", tmp_path / "token"
    fresh.write_text("new", encoding="utf-8")
    path.write_text("old", encoding="utf-8")
    move(str(fresh), path, tries=4, replace=ReadBySomebody(3))
    assert path.read_text(encoding="utf-8") == "new"


def test_a_file_that_cannot_be_replaced_at_all_is_said(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.write_text("new", encoding="utf-8")
    with pytest.raises(PermissionError):
        move(str(fresh), tmp_path / "token", tries=2, replace=ReadBySomebody(2))
