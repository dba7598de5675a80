"""Server commands of the menu that cannot do what was requested: the message says why and what to do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from aiohttp import web

from tray.actions.serve.listing import FoundServer, clean_up, select_server
from tray.actions.serve.server_actions import ServerActions
from tray.actions.serve.start import ServerOptions, start
from tray.actions.serve.stop import stop
from tray.core.commands import CommandResult, OpenServer, ShowServerLog, StartServer
from tray.core.errors import UserError
from tray.core.settings import parse_settings
from tray.storage.servers import StartedServer, write_server
from tray.system import text_dialog
from tray.system.background_process import ProcessIdentity, end_process_tree, send_signal
from tray.system.paths import Paths
from tray_process import free_port
from web_server import serving

URL = "http://127.0.0.1:1"


class FakeOpener:
    """A SessionOpener without a clipboard."""

    async def copy(self, text: str) -> CommandResult:
        return CommandResult(f"No clipboard found: {text}", ok=False)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An environment without any program or display, and a record of a server that this process seems to be."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "VISUAL", "EDITOR", "TERMINAL", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    paths, this = Paths.inside(tmp_path), ProcessIdentity.of(os.getpid())
    assert this is not None
    server = StartedServer(
        name="1", url=URL, directory=str(tmp_path), pid=this.pid, started=this.started, boot=this.boot,
        log=str(tmp_path / "1.log"),
    )  # fmt: skip
    write_server(paths.servers, server)
    return paths


def execute(paths: Paths, command: StartServer | OpenServer | ShowServerLog) -> CommandResult:
    actions = ServerActions(paths, lambda: parse_settings({}, "", {}, {}), FakeOpener(), text_dialog.ask_text)
    return asyncio.run(actions.execute(command))


@pytest.mark.skipif(os.name != "posix", reason="Windows always has a dialog")
def test_without_a_dialog_program_the_result_names_the_command_to_run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_dialog, "DIALOGS", {})
    result = execute(paths, StartServer())
    assert (result.ok, "opencode-tray serve start --dir DIR" in result.message) == (False, True)


@pytest.mark.skipif(os.name != "posix", reason="Windows always has a browser")
def test_without_a_browser_the_result_contains_the_url(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("a text browser would take over the terminal"))
    result = execute(paths, OpenServer(URL))
    assert (result.ok, result.message.startswith("No browser"), URL in result.message) == (False, True, True)


@pytest.mark.skipif(os.name != "posix", reason="Windows always has an editor")
def test_a_log_that_no_program_can_open_is_a_failure(paths: Paths) -> None:
    result = execute(paths, ShowServerLog(URL))
    assert (result.ok, "1.log" in result.message) == (False, True)


def test_a_server_without_a_known_port_cannot_be_called() -> None:
    server = FoundServer("pid-7", "silent", pid=7)
    with pytest.raises(UserError, match="pid-7 has no known port"):
        _ = server.address


@pytest.mark.skipif(os.name != "posix", reason="the fake program is a script")
def test_no_program_is_started_for_a_port_in_use(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start of OpenCode that fails takes about a second."""
    program = tmp_path / "opencode"
    program.write_text(f'#!/bin/sh\necho $3 >> "{tmp_path}/ports"\nexit 1\n', encoding="utf-8")
    program.chmod(0o755)
    free = free_port()
    monkeypatch.setattr("tray.actions.serve.start.LAST_PORT", 65535)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        work = start(ServerOptions(str(tmp_path), str(program)), paths, os.environ, iter([taken, free]))
        with pytest.raises(UserError, match="ended at once"):
            asyncio.run(work)
    assert (tmp_path / "ports").read_text(encoding="utf-8") == f"{free}\n"


def test_a_server_is_selected_by_id_then_by_url_then_by_process() -> None:
    ended, running = FoundServer("7", "ended", url=URL, pid=9), FoundServer("7", "healthy", url=URL, pid=9)
    other = FoundServer("pid-7", "silent", pid=7)
    servers = [ended, other, running]
    assert select_server(servers, "7") is running
    assert select_server([ended, other], "7") is ended
    assert select_server(servers, URL) is running
    assert select_server(servers, "9") is running
    for unknown in ("", "8"):
        with pytest.raises(UserError, match="known servers: 7, pid-7, 7"):
            select_server(servers, unknown)


def test_only_logs_that_were_removed_are_reported_as_removed(paths: Paths) -> None:
    paths.server_logs.mkdir(parents=True)
    (paths.server_logs / "4096.log").touch()
    (paths.server_logs / "4097.log").mkdir()  # cannot be removed like a file
    assert clean_up(paths) == [str(paths.server_logs / "4096.log")]


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_server_that_gets_no_signal_is_asked_to_close_everything_first(paths: Paths, is_killed: bool) -> None:
    asked: list[tuple[str, str, bool]] = []

    async def test() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")

        async def answer(request: web.Request) -> web.Response:
            asked.append((request.method, request.path, process.returncode is None))
            return web.json_response(data=True)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with serving(app) as port:
            server = FoundServer("1", "healthy", f"http://127.0.0.1:{port}", pid=process.pid)
            assert (await stop(server, paths, is_killed=is_killed)).ok
        await process.wait()

    asyncio.run(test())
    assert asked == ([("POST", "/global/dispose", True)] if is_killed else [])


LAST_PID = Path("/proc/sys/kernel/ns_last_pid")  # pid_namespaces(7): the next process gets the number after it


class EndsMeanwhile(psutil.Process):
    """A process that ends just after it was found running, whose pid passes to another one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.pid)
        self.ended = process
        self.next: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        found = super().is_running()
        self.ended.kill()
        self.ended.wait()
        for _ in range(50):  # other programs start processes as well
            LAST_PID.write_text(str(self.pid - 1), encoding="ascii")
            self.next = subprocess.Popen(["sleep", "60"])
            if self.next.pid == self.pid:
                break
            self.next.kill()
            self.next.wait()
        return found


@pytest.mark.skipif(
    sys.platform != "linux" or not os.access(LAST_PID, os.W_OK),
    reason="only root on Linux can choose the pid of a process",
)
def test_a_process_that_gets_the_id_while_a_signal_is_sent_does_not_get_the_signal() -> None:
    process = EndsMeanwhile(subprocess.Popen(["sleep", "60"]))
    send_signal(process, signal.SIGKILL)
    assert process.next is not None
    try:
        if process.next.pid != process.pid:
            pytest.skip("another program got the pid")
        with pytest.raises(subprocess.TimeoutExpired):
            process.next.wait(0.3)
    finally:
        process.next.kill()
        process.next.wait()


@pytest.mark.parametrize("change", [{"started": -100.0}, {"boot": "another boot"}])
def test_a_process_that_got_the_id_of_another_is_not_ended(change: dict[str, Any]) -> None:
    async def test() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        if "started" in change:
            change["started"] += identity.started
        assert await end_process_tree(msgspec.structs.replace(identity, **change))  # that one has ended
        assert process.returncode is None
        assert await end_process_tree(identity)
        assert await process.wait() != 0

    asyncio.run(test())
