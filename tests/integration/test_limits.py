"""A tray that may open few files, gets no notifications of files, sees no other process, and has a slow or no home."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fakes import PluginThread, connection
from running_app import ASK, SES, SNAPSHOT
from small_disk import missing
from tray_process import Home, read_until
from waiting import run, until, until_async

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

RECOVERY = 5.0  # s
FILES = 64


@contextmanager
def restricted(home: Home, *words: str) -> Iterator[None]:
    """Start the program with a command in front of it."""
    home.program, usual = (*words, *home.program), home.program
    try:
        yield
    finally:
        home.program = usual


def in_namespace(kind: str, setup: str, *words: str) -> tuple[str, ...]:
    """Return the command that runs a program in a namespace after `setup`, a command of the shell."""
    return ("unshare", *kind.split(), "sh", "-c", f'{setup} && exec "$@"', "sh", *words)


def log_of(process: subprocess.Popen[str]) -> list[str]:
    """Return the list of lines that a process prints, which grows."""
    lines: list[str] = []
    assert process.stdout is not None
    threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True).start()
    return lines


def test_with_few_open_files_the_tray_says_so_and_takes_all_connections_once_it_can(home: Home) -> None:
    with restricted(home, "prlimit", f"--nofile={FILES}:{FILES}"):
        lines = log_of(home.tray())

    async def connect(stack: AsyncExitStack, number: int) -> None:
        link = await stack.enter_async_context(connection(f"http://127.0.0.1:{home.port}/"))
        await link.authenticate(home.token, instance=f"i{number}", serverId=f"s{number}")
        await link.send({**SNAPSHOT, "sessions": [{"id": f"ses_{number}", "title": "Work"}]})
        link.answer_pings()

    async def test() -> None:
        async with AsyncExitStack() as stack:
            connecting = [asyncio.create_task(connect(stack, number)) for number in range(FILES)]
            await until_async(lambda: any("too many files are open" in line for line in lines), "the warning")
            await asyncio.wait(connecting, timeout=1)
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)
        async with AsyncExitStack() as stack:
            await connect(stack, 1000)
            sessions = await asyncio.to_thread(
                until, lambda: [s for s in home.status()["sessions"] if s["id"] == "ses_1000"], "the session", RECOVERY
            )
            assert sessions[0]["status"] == "idle"

    run(test())
    assert len(lines) < 20, lines


def test_a_low_limit_of_open_files_is_raised_at_the_start(home: Home) -> None:
    with restricted(home, "prlimit", "--nofile=128:8192"):
        process = home.tray()
    limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="utf-8")
    assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")] == ["4096"]


WATCHING = """
import asyncio, pathlib, sys
from tray.system.folder_watch import CHANGE_EVENTS, FolderWatch
async def main():
    changed = asyncio.Event()
    watch = FolderWatch(CHANGE_EVENTS, changed.set)
    watch.watch([pathlib.Path(sys.argv[1])])
    await asyncio.sleep(0.5)
    pathlib.Path(sys.argv[1], "file").touch()
    await asyncio.wait_for(changed.wait(), 5)
    watch.stop()
    print("changed")
asyncio.run(main())
"""


@pytest.mark.parametrize("limit", ["instances", "watches"])
def test_without_notifications_of_files_changes_are_found_by_looking(limit: str, tmp_path: Path) -> None:
    setup = f"echo 0 > /proc/sys/user/max_inotify_{limit}"
    command = in_namespace("--user --map-root-user", setup, sys.executable, "-c", WATCHING, str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "changed\n", done.stderr


@pytest.mark.parametrize("limit", ["instances", "watches"])
def test_without_notifications_of_files_every_source_runs_and_the_log_says_what_to_do(limit: str, home: Home) -> None:
    home.environment |= {"OPENCODE_TRAY_DISCOVERY_AGENTS": "1", "OPENCODE_TRAY_DISCOVERY_PROCESSES": "1"}
    for folder in (".claude/sessions", ".codex/sessions", ".copilot/session-state", ".gemini/tmp", "data/opencode"):
        (home.path / folder).mkdir(parents=True)
    with restricted(home, *in_namespace("--user --map-root-user", f"echo 0 > /proc/sys/user/max_inotify_{limit}")):
        lines = log_of(home.tray())
    until(lambda: sum(f"fs.inotify.max_user_{limit}" in line for line in lines) >= 3, "the advice")
    assert home.status()["attention"]["state"]
    assert not [line for line in lines if "ERROR" in line or "Traceback" in line]


@pytest.mark.parametrize(("home_folder", "said"), [(None, "set HOME"), ("/proc/none", "/proc/none")])
@pytest.mark.parametrize("command", ["run --headless", "status", "doctor", "install"])
def test_without_a_home_folder_every_command_says_so(home_folder: str | None, said: str, command: str) -> None:
    home = Home(Path.cwd())
    environment = {name: home.environment[name] for name in ("PATH", "PYTHONPATH") if name in home.environment}
    if home_folder is not None:
        environment["HOME"] = home_folder
    done = subprocess.run(
        ["unshare", "--user", "--map-user=12345", *home.program, *command.split()],
        env=environment, cwd="/", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    if command != "doctor" or home_folder is None:
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_without_proc_of_others_plugins_and_commands_work(home: Home) -> None:
    hidden = in_namespace(
        "--mount",
        "mount -t proc -o hidepid=2,gid=65534 proc /proc",
        "setpriv",
        "--inh-caps=-all",
        "--bounding-set=-sys_ptrace",
    )
    home.environment |= {"OPENCODE_TRAY_DISCOVERY_AGENTS": "1", "OPENCODE_TRAY_DISCOVERY_PROCESSES": "1"}
    with restricted(home, *hidden):
        look = [*hidden, sys.executable, "-c", "import os; print(os.path.exists('/proc/1/stat'))"]
        assert subprocess.run(look, capture_output=True, text=True, check=False).stdout == "False\n"
        lines = log_of(home.tray())
        with PluginThread(home.port, home.token) as plugin:
            plugin.send(SNAPSHOT)
            until(lambda: home.session(SES), "the session", RECOVERY)
        assert "Traceback" not in home.run("doctor").stderr
    assert not [line for line in lines if "ERROR" in line or "Traceback" in line]


@pytest.fixture
def frozen_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk that `fsfreeze` can stop."""
    if any(shutil.which(program) is None for program in ("mkfs.ext4", "fsfreeze")):
        pytest.skip("mkfs.ext4 or fsfreeze is not installed")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    image.touch()
    subprocess.run(["truncate", "-s", "32M", image], check=True)
    subprocess.run(["mkfs.ext4", "-qF", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no loop device")
    try:
        yield folder
    finally:
        subprocess.run(["fsfreeze", "-u", folder], capture_output=True, check=False)
        subprocess.run(["umount", "--lazy", folder], check=False)


def test_while_the_disk_of_the_home_folder_does_not_respond_requests_are_shown_and_answered(frozen_disk: Path) -> None:
    home = Home(frozen_disk)
    home.tray("--debug")
    try:
        with PluginThread(home.port, home.token) as plugin:
            plugin.send(SNAPSHOT)
            until(lambda: home.session(SES), "the session")
            subprocess.run(["fsfreeze", "-f", frozen_disk], check=True)
            plugin.event("permission.asked", **ASK)
            until(lambda: home.session(SES).get("requests"), "the request", RECOVERY)
            command = [*home.program, "reply", "per_1", "once", "--port", str(home.port)]
            replying = subprocess.Popen(command, env=home.environment, stdout=subprocess.PIPE, text=True)
            call = plugin.receive()
            assert call["method"] == "permission.reply"
            plugin.send({"id": call["id"], "result": {}})
            plugin.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            assert replying.communicate(timeout=10)[0] == "Allowed once: bash\n"
            before = time.monotonic()
            assert home.session(SES)["requests"] == []
            assert time.monotonic() - before < RECOVERY
            subprocess.run(["fsfreeze", "-u", frozen_disk], check=True)
            audit = frozen_disk / "data/opencode-tray/audit.jsonl"
            until(audit.exists, "the audit log", RECOVERY)
            until(lambda: results(audit) == ["sending", "answered"], "both entries", RECOVERY)
    finally:
        subprocess.run(["fsfreeze", "-u", frozen_disk], capture_output=True, check=False)
        home.stop()


def results(audit: Path) -> list[Any]:
    return [json.loads(line)["result"] for line in audit.read_text(encoding="utf-8").splitlines()]


def test_a_terminal_that_takes_no_output_does_not_stop_the_tray(home: Home) -> None:
    """As after Ctrl-S: the warning that there is no notification daemon cannot be written."""
    taker, full = os.pipe()
    os.set_blocking(full, False)
    with suppress(BlockingIOError):
        while True:
            os.write(full, bytes(65536))
    os.set_blocking(full, True)
    tray = subprocess.Popen(
        [*home.program, "run", "--headless", "--port", str(home.port), "--debug"],
        env=home.environment, stdout=subprocess.PIPE, stderr=full, text=True,
    )  # fmt: skip
    try:
        read_until(tray, "listens on")
        with PluginThread(home.port, home.token) as plugin:
            plugin.send(SNAPSHOT)
            until(lambda: home.session(SES), "the session", RECOVERY)
        tray.terminate()
        tray.wait(RECOVERY)
    finally:
        tray.kill()
        tray.wait()
        assert tray.stdout is not None
        tray.stdout.close()
        os.close(taker)
        os.close(full)
