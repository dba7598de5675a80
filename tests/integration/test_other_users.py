"""What another user of the machine can do with what the programs create, whatever the umask and the folders are."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
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
from tray.system.terminals import open_terminal
from tray_process import Home
from waiting import run
from waiting import until as until_true
from waiting import until_async as until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows protects the folders of a user by their ACL")

ANOTHER = 65534  # the user with the fewest rights
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


def test_settings_to_which_every_user_can_write_are_refused_with_a_fix(home: Home) -> None:
    """They name programs that are run."""
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text('[attach]\nopencode = "/tmp/program"\n', encoding="utf-8")
    home.settings.chmod(0o666)
    done = home.run("config")
    assert done.returncode == 2
    assert f"run: chmod o-w {home.settings}" in done.stderr
    home.settings.chmod(0o664)  # the group may be that of the user alone
    assert home.run("config").returncode == 0


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


@pytest.mark.skipif(sys.platform != "linux", reason="stat of GNU")
def test_what_a_new_terminal_runs_is_private_in_the_shared_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold the password of a server. Without XDG_RUNTIME_DIR it is in /tmp."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("DISPLAY", ":99")
    terminal = tmp_path / "terminal"
    look = 'for job; do :; done; stat -c "%a" "$(dirname "$job")" "$job"'
    terminal.write_text(f'#!/bin/sh\n{look} > {tmp_path}/modes\nshift\nexec "$@"\n', encoding="utf-8")
    terminal.chmod(0o755)
    umask = os.umask(0)
    try:
        opened = asyncio.run(open_terminal(["true"], environment={"SECRET": "s"}, preferred=[str(terminal)]))
    finally:
        os.umask(umask)
    assert opened == "terminal"
    assert (tmp_path / "modes").read_text(encoding="utf-8").split() == ["700", "600"]


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


# ------------------------------------------------------------------ what another user can look at

LOOK = """
import json, os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = {"read": [], "write": [], "arguments": [], "environment": [], "connected": []}
for root in sys.argv[1:]:
    for folder, folders, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            for kind, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY)):
                try:
                    os.close(os.open(path, flags | os.O_NONBLOCK)); found[kind].append(path)
                except OSError:
                    pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    for kind, name in (("arguments", "cmdline"), ("environment", "environ")):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                found[kind].append(file.read().decode("utf-8", "replace"))
        except OSError:
            pass
with open("/proc/net/unix") as file:
    names = [fields[7] for fields in map(str.split, file) if len(fields) > 7]
for name in names:
    if any(name.startswith(root) for root in sys.argv[1:]) or "opencode" in name:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect("\\0" + name[1:] if name[0] == "@" else name); found["connected"].append(name)
        except OSError:
            pass
print(json.dumps(found))
"""
PASSWORD = "planted-password-0002"


def seen_by_another_user(folder: Path) -> dict[str, list[str]]:
    """Return the files below a folder, the processes and the sockets that another user can read or connect to."""
    command = [sys.executable, "-c", LOOK, str(folder)]
    looked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    found: dict[str, list[str]] = json.loads(looked.stdout)
    return found


@only_root
def test_another_user_finds_no_secret_in_files_processes_and_sockets(socket_folder: Path) -> None:
    """Modes, arguments, environments and sockets, while the tray runs and shows the session of a command."""
    socket_folder.chmod(0o755)
    home = Home(socket_folder, PROGRAM)
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text(
        '[[servers]]\nurl = "http://127.0.0.1:1"\npassword_env = "PLANTED_PASSWORD"\n', encoding="utf-8"
    )
    home.environment["PLANTED_PASSWORD"] = PASSWORD
    try:
        home.tray("--no-notify")
        until_true((home.path / "data/opencode-tray/hooks/socket").exists, "the hook socket")
        home.start("run-with", "sleep", "60")
        until_true(lambda: home.status()["sessions"], "the session of run-with")
        secrets = (PASSWORD, home.token)
        found = seen_by_another_user(home.path)
    finally:
        home.stop()
    data = (str(home.path / "data/opencode-tray"), str(home.path / "state"), str(home.path / "cache"))
    assert [path for path in found["read"] if path.startswith(data)] == []
    assert found["write"] == []
    assert found["connected"] == []
    text = "\n".join((*found["arguments"], *found["environment"]))
    assert "run-with" in text  # arguments can be read
    assert [secret for secret in secrets if secret in text] == []
