"""Measure what agents and the tray cost each other: hooks, idle sessions, and the time of a run with hooks and without.

Run: `python tests/benchmarks/agents.py [--seconds 20]`, with the project and pytest installed, and the real Claude Code
that packaging/check.py installs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "desktop")]

from bench import Line, cpu, table  # noqa: E402

from claude_code import ClaudeCode  # noqa: E402
from model_server import ModelServer  # noqa: E402
from tray.agents.hook_command import hook_command  # noqa: E402
from tray.system.process_start import process_stat  # noqa: E402
from tray_process import Home  # noqa: E402

HOOK_RATE = 50  # hooks/s of a turn with many tools
IDLE = 20  # sessions
RUNS = 10  # of each kind
CALLS = 5  # tools in a run of Claude Code
PAYLOAD = json.dumps({"hook_event_name": "Stop", "session_id": "ses", "last_assistant_message": "x" * 2_400}).encode()


@contextmanager
def tray(folder: Path, claude: Path) -> Iterator[tuple[Home, psutil.Process]]:
    """Start a tray that follows the sessions in a folder of Claude Code."""
    folder.mkdir()
    home = Home(folder)
    home.environment |= {"CLAUDE_CONFIG_DIR": str(claude), "OPENCODE_TRAY_DISCOVERY_AGENTS": "1"}
    try:
        process = psutil.Process(home.tray("--no-notify").pid)
        while not hook_socket(home).exists():
            time.sleep(0.05)
        yield home, process
    finally:
        home.stop()


def hook_socket(home: Home) -> Path:
    return home.path / "data/opencode-tray/hooks/socket"


def milliseconds(run: Callable[[], object], times: int = 100) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begun) * 1_000)
    return taken


def shell(command: str) -> None:
    subprocess.run(["/bin/sh", "-c", command], input=PAYLOAD, check=True, stdout=subprocess.DEVNULL)


def median_and_p95(taken: list[float]) -> str:
    ordered = sorted(taken)
    return f"{statistics.median(ordered):.1f} / {ordered[int(len(ordered) * 0.95)]:.1f} ms"


# ---------------------------------------------------------------------- hooks


def hooks(folder: Path, claude: Path) -> list[Line]:
    """Measure the installed command, without a tray, after a killed one, and with one."""
    floor = median_and_p95(milliseconds(lambda: shell("true")))
    command = hook_command("claude", str(folder / "tray/data/opencode-tray/hooks/socket"), 1)
    lines = [Line("hook, no tray (median / p95)", median_and_p95(milliseconds(lambda: shell(command))), "5 ms", floor)]
    with tray(folder / "tray", claude) as (home, process):
        taken = median_and_p95(milliseconds(lambda: shell(command)))
        lines.append(Line("hook, with a tray", taken, "15 ms", floor))
        lines.append(Line(f"tray, {HOOK_RATE} hooks/s", load(command, process), "2 %"))
        assert hook_socket(home).exists()
    lines.append(Line("hook, a killed tray", median_and_p95(milliseconds(lambda: shell(command))), "15 ms", floor))
    return lines


def load(command: str, process: psutil.Process, seconds: float = 10) -> str:
    """Return the share of a core that the tray uses while hooks come at HOOK_RATE."""
    before, begun = cpu(process), time.monotonic()
    running: list[subprocess.Popen[bytes]] = []
    while (elapsed := time.monotonic() - begun) < seconds:
        if len(running) < elapsed * HOOK_RATE:
            hook = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            assert hook.stdin is not None
            hook.stdin.write(PAYLOAD)
            hook.stdin.close()
            running.append(hook)
        else:
            time.sleep(0.002)
    for hook in running:
        hook.wait()
    used = cpu(process) - before
    return f"{used / seconds:.2%} ({len(running) / seconds:.0f}/s)"


# ---------------------------------------------------------------------- idle sessions


def idle(folder: Path, claude: Path, seconds: float) -> list[Line]:
    """Measure a tray with idle sessions, and one without any."""
    with tray(folder / "none", claude) as (_, process):
        floor = share(process, seconds)
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(IDLE)]
    (claude / "sessions").mkdir(exist_ok=True)
    for number, sleeper in enumerate(sleepers):
        entry = {
            "pid": sleeper.pid, "procStart": process_stat(sleeper.pid).start, "sessionId": f"ses{number}",
            "cwd": str(folder), "kind": "interactive", "status": "idle", "startedAt": time.time_ns() // 1_000_000,
            "statusUpdatedAt": time.time_ns() // 1_000_000,
        }  # fmt: skip
        (claude / "sessions" / f"{sleeper.pid}.json").write_text(json.dumps(entry), encoding="utf-8")
    try:
        with tray(folder / "idle", claude) as (home, process):
            assert len(home.status()["sessions"]) == IDLE
            return [Line(f"tray, {IDLE} idle Claude Codes", share(process, seconds), "0.1 % more", floor)]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def share(process: psutil.Process, seconds: float) -> str:
    time.sleep(2)  # the start is over
    before = cpu(process)
    time.sleep(seconds)
    return f"{(cpu(process) - before) / seconds:.3%}"


# ---------------------------------------------------------------------- runs of Claude Code


def runs(folder: Path) -> list[Line]:
    """Measure `claude -p` with CALLS tools, with the hooks and without, in turn."""
    script = {"calls": [[["Bash", {"command": "true", "description": "x"}]]] * CALLS}
    taken: dict[bool, list[float]] = {True: [], False: []}
    with (
        ModelServer() as model,
        ClaudeCode(folder / "claude", model.port) as claude,
        tray(folder / "tray-of-runs", claude.configuration) as (home, _),
    ):
        for number in range(2 * RUNS + 2):
            has_hooks = number % 2 == 0
            claude.install_hooks(hook_socket(home))
            if not has_hooks:
                (claude.configuration / "settings.json").unlink()
            begun = time.perf_counter()
            assert claude.run(script).wait(60) == 0
            if number > 1:  # the first ones fill the caches
                taken[has_hooks].append(time.perf_counter() - begun)
    with_hooks, without = (statistics.median(taken[kind]) for kind in (True, False))
    measured = f"{with_hooks:.2f} s, ratio {with_hooks / without:.3f}"
    return [Line(f"claude -p, {CALLS} tools: with hooks", measured, "1.02", f"{without:.2f} s")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="how long a tray at rest is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tray-") as name:  # short: it contains a socket
        folder = Path(name)
        claude = folder / "registry"
        claude.mkdir()
        print(table([*hooks(folder, claude), *idle(folder, claude, options.seconds), *runs(folder)]))


if __name__ == "__main__":
    main()
