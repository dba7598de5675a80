"""What another user of the machine can do with what the programs create, whatever the umask and the folders are."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fake_codex import FakeDaemon
from fake_opencode import FakeOpenCode
from tray.agents.codex.home import CodexHome
from tray.core.events import ServerConnected, SourceEvent
from tray.opencode.api import ServerAddress
from tray.sources.agents.codex_connection import connect
from tray.sources.http.servers import HttpServers
from tray.storage.history.database import backup, open_history
from tray_process import Home
from waiting import run
from waiting import until_async as until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows protects the folders of a user by their ACL")

ANOTHER = 65534  # nobody, in the words of the system
only_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can act as another user"
)
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


# ------------------------------------------------------------------ ports and sockets of another user


@contextmanager
def as_another_user() -> Iterator[None]:
    """Open sockets in the name of another user, as the system sees it."""
    os.seteuid(ANOTHER)
    try:
        yield
    finally:
        os.seteuid(0)


@only_root
@pytest.mark.parametrize(
    ("password", "problem"), [("secret", "cannot connect: a program of another user listens there"), ("", "")]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_password_is_not_sent_to_another_user_who_took_the_port_of_a_server(
    host: str, password: str, problem: str
) -> None:
    """A server without a password may belong to another user."""

    async def scenario() -> None:
        found: list[str] = []

        def report(event: SourceEvent) -> None:
            if isinstance(event, ServerConnected):
                found.append(event.server.problem)

        servers, server = HttpServers(report, lambda: 0), FakeOpenCode()
        try:
            with as_another_user():
                await server.__aenter__()
            servers.follow([ServerAddress(f"http://{host}:{server.port}", password=password)])
            await until(lambda: found, "the server")
            assert found[0] == problem
            assert bool(server.requests) is not bool(password)
        finally:
            await servers.stop()
            await server.__aexit__()

    run(scenario())


@only_root
def test_a_socket_that_another_user_made_in_place_of_codex_is_left_alone(socket_folder: Path) -> None:
    control = socket_folder / "app-server-control"
    control.mkdir()
    for folder in (socket_folder, control):
        folder.chmod(0o777)

    async def scenario() -> None:
        daemon = FakeDaemon(socket_folder)
        try:
            with as_another_user():
                await daemon.start()
            with pytest.raises(PermissionError):
                async with connect(CodexHome(socket_folder).socket, lambda _: None):
                    pass
            assert daemon.calls == []
        finally:
            await daemon.stop()

    run(scenario())
