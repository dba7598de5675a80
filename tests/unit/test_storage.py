"""Token and cache are written atomically for the owner alone; a corrupt cache is reported and kept aside."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from replay import played
from tray.core.events import MuteSet
from tray.core.fleet import Fleet
from tray.files.retrying import retry
from tray.files.writing import move, remove, set_aside
from tray.storage.audit import AuditLog, newest
from tray.storage.cache import encode_cache, read_cache, write_cache
from tray.storage.token import TokenError, read_or_create_token, read_token, token_from_environment

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows protects the profile folder, not the file")


def test_the_token_is_created_once_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = read_or_create_token(path)
    assert len(token) == 64
    assert read_or_create_token(path) == token == read_token(path)


@needs_modes
def test_only_the_owner_can_read_the_token(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    read_or_create_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@needs_modes
def test_a_token_that_others_can_read_is_refused_with_a_fix(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("x", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(TokenError, match="chmod 600"):
        read_token(path)


@needs_modes
def test_the_mode_of_an_existing_folder_is_restricted(tmp_path: Path) -> None:
    path = tmp_path / "old" / "token"
    path.parent.mkdir(mode=0o755)
    read_or_create_token(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_token_of_the_environment_is_stripped_as_in_the_plugin() -> None:
    assert token_from_environment({"OPENCODE_MONITOR_TOKEN": " secret\n"}) == "secret"
    assert token_from_environment({"OPENCODE_MONITOR_TOKEN": "  "}) is None
    assert token_from_environment({}) is None
    with pytest.raises(TokenError, match="UTF-8"):
        token_from_environment({"OPENCODE_MONITOR_TOKEN": "\udcff"})


def test_a_cache_that_is_a_folder_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    restored, problem = read_cache(folder)
    assert restored is None
    assert "not a regular file" in (problem or "")
    write_cache(folder, "{}")
    assert folder.is_dir()


def test_an_empty_token_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    with pytest.raises(TokenError, match="empty"):
        read_or_create_token(path)


def test_a_missing_token_file_is_not_an_error(tmp_path: Path) -> None:
    assert read_token(tmp_path / "none") is None


def test_cached_servers_are_not_live_after_a_restart(tmp_path: Path) -> None:
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
def test_a_corrupt_cache_is_renamed_and_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache.json"
    path.write_bytes(content)
    restored, problem = read_cache(path)
    assert restored is None
    assert problem is not None
    assert not path.exists()
    (damaged,) = tmp_path.iterdir()
    assert damaged.read_bytes() == content
    assert f"renamed to {damaged.name}" in problem


def test_the_cache_is_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    write_cache(path, "first")
    write_cache(path, "second")
    assert [file.name for file in tmp_path.iterdir()] == ["cache.json"]
    assert path.read_text(encoding="utf-8") == "second"


class BusyReplace:
    """An os.replace that fails a number of times, as on Windows while an antivirus program reads the file."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, source: str, path: Path) -> None:
        self.left -= 1
        if self.left >= 0:
            raise PermissionError(13, "Access is denied", str(path))
        os.replace(source, path)  # noqa: PTH105  # the real one


def test_remove_tries_again_while_another_program_reads_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    refusals = iter([PermissionError, PermissionError])
    unlink = Path.unlink

    def refuse(path: Path, **options: bool) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    remove(file, tries=3)
    assert not file.exists()


def test_what_is_refused_for_a_moment_is_tried_again_and_nothing_else() -> None:
    answers: list[object] = [PermissionError(), PermissionError(), "done"]

    def work() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry(work, tries=3, interval=0) == "done"
    answers[:] = [PermissionError(), PermissionError(), "not reached"]
    with pytest.raises(PermissionError):
        retry(work, tries=2, interval=0)
    answers[:] = [FileNotFoundError(), "not reached"]
    with pytest.raises(FileNotFoundError):
        retry(work, tries=2, interval=0)


def test_move_retries_while_another_program_reads_the_file(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "token"
    source.write_text("new", encoding="utf-8")
    path.write_text("old", encoding="utf-8")
    move(str(source), path, tries=4, replace=BusyReplace(3))
    assert path.read_text(encoding="utf-8") == "new"


def test_move_raises_after_the_last_try(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("new", encoding="utf-8")
    with pytest.raises(PermissionError):
        move(str(source), tmp_path / "token", tries=2, replace=BusyReplace(2))


def test_an_entry_after_one_that_was_cut_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"number":1}\n{"num', encoding="utf-8")  # the disk was full
    log = AuditLog(path)
    log.add({"number": 2})
    assert log.write() == ""
    assert newest(path, 9) == [{"number": 2}, {"number": 1}]


def test_entries_that_cannot_be_written_are_written_later_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.touch()
    log = AuditLog(folder / "audit.jsonl")
    log.add({"number": 1})
    assert "answers are not recorded" in log.write()
    log.add({"number": 2})
    folder.unlink()
    assert log.write() == ""
    assert newest(folder / "audit.jsonl", 9) == [{"number": 2}, {"number": 1}]


def test_a_file_that_was_damaged_twice_in_a_second_is_kept_twice(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in "ab":
        path.write_text(content, encoding="utf-8")
        set_aside(path)
    assert sorted(file.read_text(encoding="utf-8") for file in tmp_path.iterdir()) == ["a", "b"]
