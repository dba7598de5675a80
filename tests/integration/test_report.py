"""Sessions that any program reports: with `report`, with `run-with`, and by a call on the hook socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_watch import AgentWatch
from tray.agents.hook_client import post
from tray.core.sessions import Status
from tray.sources.agents.hook_server import HookCall
from tray.sources.agents.reports import MAX_SESSIONS, ReportedSessions
from tray_process import Home
from waiting import run, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no hook socket yet")

QWEN = Path(__file__).parents[1] / "recordings/qwen/conversation.jsonl"


@pytest.fixture
def home(socket_folder: Path) -> Iterator[Home]:
    home = Home(socket_folder)
    yield home
    home.stop()


def start_tray(home: Home) -> None:
    home.tray()
    until(socket_of(home).exists, "the hook socket")


def socket_of(home: Home) -> Path:
    return home.path / "data/opencode-tray/hooks/socket"


def session(home: Home) -> dict[str, Any]:
    """Return the only session, or {}."""
    sessions: list[dict[str, Any]] = home.status()["sessions"]
    assert len(sessions) < 2
    return sessions[0] if sessions else {}


def shows(home: Home, status: str | None, deadline: float = 10) -> dict[str, Any]:
    until(lambda: session(home).get("status") == status, f"{status}", deadline)
    return session(home)


def report(home: Home, status: str, *more: str) -> None:
    done = home.run("report", "--id", "job", "--status", status, *more)
    assert done.returncode == 0, done.stderr


def test_each_state_of_a_reported_session(home: Home):
    start_tray(home)
    report(home, "busy", "--title", "Deploy", "--detail", "step 1")
    row = shows(home, "busy")
    assert (row["title"], row["last_output"], row["directory"]) == ("Deploy", "step 1", str(home.path))
    report(home, "waiting", "--detail", "Approve it")
    (request,) = shows(home, "waiting_for_answer")["requests"]
    assert (request["detail"], request["read_only_reason"]) == ("Approve it", "it is answered in its own terminal")
    report(home, "completed")
    assert shows(home, "completed")["title"] == "Deploy"
    report(home, "error", "--detail", "no space left")
    assert shows(home, "error")["error"] == "no space left"
    assert home.status()["servers"][0]["agent_kind"] == "other"


def test_a_session_ends_with_its_process(home: Home):
    start_tray(home)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    report(home, "busy", "--pid", str(process.pid))
    shows(home, "busy")
    process.kill()
    process.wait()
    shows(home, None, 5)


def test_a_result_outlives_its_process(home: Home):
    start_tray(home)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    report(home, "busy", "--pid", str(process.pid))
    report(home, "completed")
    process.kill()
    process.wait()
    until(lambda: not home.status()["servers"][0]["connected"], "the end of the process")
    assert session(home)["status"] == "completed"


def test_an_invalid_report_is_refused_with_the_reason(home: Home):
    start_tray(home)
    done = home.run("report", "--id", "x" * 101, "--status", "busy")
    assert (done.returncode, "length" in done.stderr) == (1, True)
    assert session(home) == {}


def test_a_report_without_a_tray_says_so(home: Home):
    done = home.run("report", "--id", "job", "--status", "busy")
    assert (done.returncode, "no tray is running" in done.stderr) == (1, True)


def test_a_report_with_curl(home: Home):
    start_tray(home)
    body = '{"id": "job", "status": "busy", "title": "Deploy"}'
    command = ["curl", "-sf", "--unix-socket", str(socket_of(home)), "http://tray/report", "-d", body]
    subprocess.run(command, check=True, timeout=10)
    shows(home, "busy")
    assert subprocess.run([*command[:-1], "{}"], check=False, timeout=10).returncode == 22  # an HTTP error


@pytest.mark.parametrize(("code", "status"), [(0, "completed"), (3, "error")])
def test_run_with_shows_a_command_and_its_result(home: Home, code: int, status: str):
    start_tray(home)
    go = home.path / "go"
    script = (
        f"import sys, pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(.01)\nsys.exit({code})"
    )
    process = home.start("run-with", sys.executable, "-c", script)
    assert shows(home, "busy")["title"].startswith(sys.executable)
    go.touch()
    assert process.wait(10) == code
    row = shows(home, status)
    assert row["error"] == (f"exit code {code}" if code else None)


def test_run_with_shows_the_command_to_a_tray_that_starts_later(home: Home):
    process = home.start("run-with", sys.executable, "-c", "import time; time.sleep(60)")
    time.sleep(0.5)  # the first attempt finds no tray
    home.tray()
    shows(home, "busy")
    process.kill()
    shows(home, None, 5)


def test_the_log_has_no_text_of_a_hook_and_no_secret(home: Home):
    home.environment |= {"OPENCODE_TRAY_DISCOVERY_AGENTS": "1", "OPENAI_API_KEY": "TOPSECRET"}
    home.tray("--debug")
    until(socket_of(home).exists, "the hook socket")
    (log_file,) = home.path.rglob("tray.log")
    for line in QWEN.read_bytes().splitlines():
        assert post(str(socket_of(home)), "/hook/qwen", line, 5, f"X-Pid: {os.getpid()}") == (204, b"")
        if b'"PermissionRequest"' in line:
            until(lambda: "busy → waiting_for_permission" in log_file.read_text(encoding="utf-8"), "the request")
    home.stop()
    log = log_file.read_text(encoding="utf-8")
    assert [text for text in (home.token, "TOPSECRET", "[[sh:", "touch q2.txt", "Q2 done") if text in log] == []


def test_run_with_is_invisible_to_the_command(home: Home):
    done = home.run("run-with", "--", "sh", "-c", "echo out; echo error >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "error\n")
    assert home.run("run-with", "/nowhere/program").returncode == 127
    assert home.run("run-with").returncode == 2


def test_run_with_passes_signals_on(home: Home):
    process = home.start("run-with", "sh", "-c", "trap 'exit 9' INT TERM; echo ready; while :; do sleep 0.05; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) == 9


def test_results_without_a_process_do_not_add_up() -> None:
    watch = AgentWatch()
    reports = ReportedSessions(watch.context())

    async def test() -> None:
        for number in range(MAX_SESSIONS + 1):
            call = HookCall(0, f'{{"id": "job-{number}", "status": "completed"}}'.encode())
            assert await reports.on_report(call) == b""
        assert {row.status for row in watch.index.rows()} == {Status.COMPLETED}
        await reports.on_report(HookCall(0, b'{"id": "job-0", "status": "busy"}'))  # it begins again
        assert watch.row("job-0").status is Status.BUSY

    run(test())
