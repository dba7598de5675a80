"""A program that was started for the tray ends with it, also if the tray is killed or the program ignores signals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tray.system.bound_process import end_bound, start_bound
from waiting import run, until

WRITES_ITS_ID = (
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(f'{os.getpid()}.'); time.sleep(600)"
)
IGNORES_SIGNALS = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WRITES_ITS_ID}"
TRAY = """
import asyncio, sys
from tray.system.bound_process import start_bound
async def main():
    await start_bound(sys.argv[1:])
    await asyncio.sleep(600)
asyncio.run(main())
"""


def started(file: Path) -> int:
    text = until(lambda: file.is_file() and file.read_text(encoding="utf-8"), "the start of the program")
    assert text.endswith(".")
    return int(text[:-1])


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("script", [WRITES_ITS_ID, IGNORES_SIGNALS])
def test_the_program_ends_when_the_tray_is_killed(tmp_path: Path, script: str) -> None:
    file = tmp_path / "pid"
    command = [sys.executable, "-c", TRAY, sys.executable, "-c", script, str(file)]
    with subprocess.Popen(command) as tray:
        pid = started(file)
        tray.kill()
    until(lambda: has_ended(pid), "the end of the program")


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
def test_what_the_program_has_started_ends_as_well_if_the_tray_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    wrapper = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    command = [sys.executable, "-c", TRAY, sys.executable, "-c", wrapper, WRITES_ITS_ID, str(file)]
    with subprocess.Popen(command) as tray:
        pid = started(file)
        tray.kill()
    until(lambda: has_ended(pid), "the end of the program")


@pytest.mark.parametrize("script", [WRITES_ITS_ID, IGNORES_SIGNALS])
def test_the_program_has_ended_after_end_bound(tmp_path: Path, script: str) -> None:
    async def test() -> None:
        process = await start_bound([sys.executable, "-c", script, str(tmp_path / "pid")])
        pid = await asyncio.to_thread(started, tmp_path / "pid")
        await end_bound(process)
        assert has_ended(pid)

    run(test())


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
def test_the_program_ends_as_well_if_the_process_in_between_was_killed(tmp_path: Path) -> None:
    async def test() -> None:
        process = await start_bound([sys.executable, "-c", WRITES_ITS_ID, str(tmp_path / "pid")])
        pid = await asyncio.to_thread(started, tmp_path / "pid")
        process.kill()
        await end_bound(process)
        await asyncio.to_thread(until, lambda: has_ended(pid), "the end of the program")

    run(test())


def test_output_errors_and_exit_code_are_those_of_the_program() -> None:
    async def test() -> None:
        script = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(sys.stdin.read() or 3)"
        process = await start_bound([sys.executable, "-c", script])
        assert process.stdout is not None
        assert (await process.stdout.read()).split() == [b"out", b"err"]
        assert await process.wait() == 3
        await end_bound(process)
        missing = await start_bound(["/missing/program"])
        assert missing.stdout is not None
        assert await missing.stdout.read()  # the system's words
        await end_bound(missing)

    run(test())
