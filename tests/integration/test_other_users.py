"""What another user of the machine can do with what the programs create, whatever the umask and the folders are."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tray.storage.history.database import backup, open_history
from tray_process import Home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows protects the folders of a user by their ACL")

PROGRAM = ("/bin/sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, "-m", "tray")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home folder that others can enter, in which programs start with the umask 000."""
    tmp_path.chmod(0o755)
    (tmp_path / ".claude").mkdir()
    home = Home(tmp_path, PROGRAM)
    yield home
    home.stop()


def files_below(folder: Path) -> dict[str, int]:
    """Return the modes of all files and folders, but links."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def test_other_users_can_write_to_nothing_that_is_created(home: Home) -> None:
    """A plugin, a hook, an entry for the login and a record of a server decide what runs as the user."""
    made = files_below(home.path)
    assert home.run("install", "--agents", "claude").returncode == 0
    home.tray("--no-notify")
    home.status()
    created = {name: mode for name, mode in files_below(home.path).items() if name not in made}
    assert {"config/opencode/plugin/opencode-tray.js", "data/opencode-tray/token", ".claude/settings.json"} <= set(
        created
    )
    assert {name: oct(mode) for name, mode in created.items() if mode & 0o022} == {}
    private = ("data/opencode-tray", "state/opencode-tray/log")
    shown = {name: oct(mode) for name, mode in created.items() if name.startswith(private) and mode & 0o077}
    assert set(shown) <= {"data/opencode-tray/hooks/socket"}  # in a private folder


def test_the_umask_of_a_group_stays(tmp_path: Path) -> None:
    """With 002, the group of the user's projects can write to what terminals and agents create there."""
    program = (*PROGRAM[:2], PROGRAM[2].replace("000", "002"), *PROGRAM[3:])
    home = Home(tmp_path, program)
    assert home.run("install-plugin").returncode == 0
    assert files_below(home.path)["config/opencode/plugin/opencode-tray.js"] == 0o664


def test_a_copy_of_the_history_is_never_written_to_a_file_or_link_that_waits_there(tmp_path: Path) -> None:
    connection, _ = open_history(tmp_path / "history.db")
    waiting = tmp_path / "open.db"
    waiting.touch(mode=0o666)
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    try:
        for target in (waiting, link):
            with pytest.raises(FileExistsError):
                backup(connection, target)
    finally:
        connection.close()
    assert not waiting.stat().st_size
    assert not (tmp_path / "elsewhere.db").exists()
