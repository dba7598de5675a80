"""Measure the costs of the tray beside a baseline of the same run, and print them as a table with their budgets.

Run: `python tests/benchmarks/bench.py [--seconds 60]`, with the project installed. On Linux with Xvfb and an Xfce panel
the tray with its icon is measured as well; with Node, the plugin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "desktop")]

import answers  # noqa: E402
from desk import PROGRAMS, Desk  # noqa: E402

from fake_desktop import PrivateBus  # noqa: E402
from fakes import FakePlugin, connection  # noqa: E402
from tray.app.application import App  # noqa: E402
from tray.cli.run import tune_garbage_collector  # noqa: E402
from tray.core.settings import ON_MACHINE, OTHER_AGENTS, PORT, Settings  # noqa: E402
from tray.storage.settings_file import load_settings  # noqa: E402
from tray.storage.token import Token  # noqa: E402
from tray.surfaces.menu.view import TrayView  # noqa: E402
from tray.system.paths import Paths  # noqa: E402
from tray_process import Home, free_port  # noqa: E402

TOKEN = "benchmark"
RECORDINGS = HERE.parent / "recordings" / "1.18.33"
EVENTS = 20_000  # in the burst
RATE = 500  # events/s for the latency


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    budget: str
    floor: str = ""


def table(lines: list[Line]) -> str:
    rows = [
        ("", "measured", "budget", "baseline"),
        *((line.what, line.measured, line.budget, line.floor) for line in lines),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


# ---------------------------------------------------------------------- processes


@contextmanager
def tray(folder: Path, environment: dict[str, str], *, headless: bool) -> Iterator[tuple[Home, psutil.Process]]:
    """Start a tray with a private home folder."""
    folder.mkdir()
    home = Home(folder)
    home.environment = {**environment, **home.environment, "OPENCODE_MONITOR_TOKEN": TOKEN}
    for name in ("PROCESSES", "AGENTS"):  # discovery is part of the load at rest
        home.environment[f"OPENCODE_TRAY_DISCOVERY_{name}"] = "1"
    try:
        yield home, psutil.Process(home.tray("--no-notify", headless=headless).pid)
    finally:
        home.stop()


@contextmanager
def floor() -> Iterator[tuple[int, psutil.Process]]:
    """Start the server of the baseline."""
    port = free_port()
    command = [sys.executable, str(HERE / "floor.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield port, psutil.Process(process.pid)
        finally:
            process.kill()


def cpu(process: psutil.Process) -> float:
    """Return the seconds of CPU that the process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def ready(command: list[str], port: int, environment: dict[str, str] | None = None) -> float:
    """Return the seconds from the start of a process until it accepts connections."""
    begun = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not _accepts(port):
            time.sleep(0.005)
        took = time.perf_counter() - begun
        process.kill()
    return took


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ---------------------------------------------------------------------- at rest


def fleet_snapshot(server: int, sessions: int) -> dict[str, Any]:
    """Return the snapshot of a server with idle sessions."""
    return {
        "type": "snapshot",
        "sessions": [
            {
                "id": f"ses_{server}_{number}",
                "title": f"Session {number} of server {server}",
                "directory": f"/home/dev/project-{server}",
                "model": {"id": "fake-1", "providerID": "fake"},
                "time": {"created": 1_795_000_000_000, "updated": 1_795_000_000_000 + number},
            }
            for number in range(sessions)
        ],
        "status": {},
        "permissions": [],
        "questions": [],
        "todos": {},
    }


async def connect_fleet(
    stack: AsyncExitStack, port: int, servers: int, sessions: int, *, shake: bool
) -> list[FakePlugin]:
    """Connect plugins that have sent their snapshot; without `shake`, to the baseline, which has no handshake."""
    links = []
    for number in range(servers):
        link = await stack.enter_async_context(connection(f"http://127.0.0.1:{port}/"))
        if shake:
            directory = f"/home/dev/project-{number}"
            await link.authenticate(
                TOKEN, instance=f"bench-{number}", serverName=f"project-{number}", directory=directory
            )
        await link.send(fleet_snapshot(number, sessions))
        links.append(link)
        link.answer_pings()
    return links


SETTLED = 30.0  # s; the first periodic job does more than later ones


@dataclass(frozen=True)
class Rest:
    """The costs of an idle process."""

    share: float  # of one core
    wakeups: float  # a second
    memory: float  # MB resident


async def rest(port: int, process: psutil.Process, seconds: float, *, shake: bool) -> Rest:
    """Measure a process with 20 connected servers of 10 sessions that send nothing."""
    async with AsyncExitStack() as stack:
        await connect_fleet(stack, port, 20, 10, shake=shake)
        await asyncio.sleep(SETTLED)
        used, woken = cpu(process), sum(_switches(process))
        await asyncio.sleep(seconds)
        memory = process.memory_info().rss / 1e6
        return Rest((cpu(process) - used) / seconds, (sum(_switches(process)) - woken) / seconds, memory)


def _switches(process: psutil.Process) -> list[int]:
    """Return the voluntary context switches of each thread."""
    found = []
    for thread in process.threads():
        status = Path(f"/proc/{process.pid}/task/{thread.id}/status").read_text(encoding="utf-8")
        found += [int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary")]
    return found


# ---------------------------------------------------------------------- a burst of events


def recorded_frames(count: int) -> list[str]:
    """Return every recorded event as opencode-monitor's plugin sends it, with other session IDs in each round."""
    lines = [
        json.dumps({"type": "event", "event": json.loads(line)["event"]})
        for path in sorted(RECORDINGS.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    frames: list[str] = []
    while len(frames) < count:
        number = len(frames)
        frames += [line.replace('"ses_', f'"ses_{number}') for line in lines]
    return frames[:count]


async def burst(port: int, process: psutil.Process, *, seed: bool) -> float:
    """Return the µs of CPU that one event costs the process."""
    frames = recorded_frames(EVENTS)
    hello = {"type": "hello", "serverId": "bench-1", "serverName": "bench", "directory": "/bench", "authToken": TOKEN}
    async with connection(f"http://127.0.0.1:{port}/") as link:
        answering = asyncio.create_task(_answer_calls(link)) if seed else None
        if seed:
            await link.send(hello)
            await asyncio.sleep(1)
        used = cpu(process)
        for frame in frames:
            await link.socket.send_str(frame)
        await _settled(process)
        if answering is not None:
            answering.cancel()
        return 1e6 * (cpu(process) - used) / len(frames)


async def _answer_calls(link: FakePlugin) -> None:
    async for message in link.socket:
        call = message.json()
        await link.send({"id": call["id"], "result": [] if call["method"] == "session.list" else {}})


async def _settled(process: psutil.Process) -> None:
    """Wait until the process is idle."""
    before = -1.0
    while cpu(process) != before:
        before = cpu(process)
        await asyncio.sleep(0.3)


# ---------------------------------------------------------------------- latency


async def latency(folder: Path) -> tuple[list[float], int, int]:
    """Return the seconds from each event to the view that shows it, and the numbers of busy and of all sessions.

    Another process sends the events: 500 times per second a session of 100 servers with 50 sessions becomes busy.
    """
    paths = Paths.inside(folder)
    flags = {PORT.key: free_port(), ON_MACHINE.key: False, OTHER_AGENTS.key: False}
    settings: Settings = load_settings(paths.settings, {}, flags)
    tune_garbage_collector()
    app = App(paths, settings, flags, Token(TOKEN), notify=False)
    port = await app.start()
    shown: list[tuple[float, int]] = []  # time, number of busy sessions

    def show(view: TrayView) -> None:
        words = view.tooltip.split(" working")[0].rpartition(" ")[2]
        shown.append((time.monotonic(), int(words) if "working" in view.tooltip else 0))

    app.show_on(show)
    command = (sys.executable, str(HERE / "sender.py"), str(port))
    pipe = asyncio.subprocess.PIPE
    sender = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 20)
    assert sender.stdout is not None
    sent = json.loads(await sender.stdout.readline())
    busy = app.status()["attention"]["busy"]
    held = len(app.status()["sessions"])
    await sender.communicate(b"")  # the end of its input
    app.stop()
    await app.run_until_stopped()
    views = iter(shown)
    at, count = next(views)
    delays = []
    for number, when in enumerate(sent, 1):
        while count < number:
            at, count = next(views)
        delays.append(at - when)
    return delays, busy, held


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


# ---------------------------------------------------------------------- all measurements


def measure(seconds: float) -> list[Line]:
    lines: list[Line] = []

    def run(work: Callable[[], Awaitable[Any]]) -> Any:
        async def awaited() -> Any:
            return await work()

        return asyncio.run(awaited())

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

        port, bare = free_port(), free_port()
        home = Home(folder / "ready")
        home.path.mkdir()
        base = min(ready([sys.executable, str(HERE / "floor.py"), str(bare)], bare) for _ in range(3))
        command = [sys.executable, "-m", "tray", "run", "--headless", "--no-notify", "--port", str(port)]
        took = min(ready(command, port, home.environment) for _ in range(3))
        lines.append(Line("ready to accept", f"{took:.2f} s", "1 s", f"{base:.2f} s"))

        with floor() as (port, process):
            below = run(lambda: rest(port, process, seconds, shake=False))
            floor_event = run(lambda: burst(port, process, seed=False))
        delays, busy, held = run(lambda: latency(folder))
        kinds: list[tuple[str, dict[str, str], bool, int]] = [("headless", {}, True, 65)]
        if sys.platform == "linux" and all(map(shutil.which, PROGRAMS)):
            (folder / "desk").mkdir()
            bus = PrivateBus(folder / "desk")
            bus.start()
            stack.callback(bus.stop)
            desk = Desk(folder / "desk", bus)
            desk.start()
            stack.callback(desk.stop)
            desk.start_panel()
            kinds.append(("with icon", desk.environment, False, 80))
        for name, environment, headless, budget in kinds:
            with tray(folder / name, environment, headless=headless) as (home, process):
                at_rest = run(lambda: rest(home.port, process, seconds, shake=True))
                event = run(lambda: burst(home.port, process, seed=True))
            lines += [
                Line(f"{name}: CPU at rest", f"{at_rest.share:.2%} of a core", "0.2 %", f"{below.share:.2%}"),
                Line(
                    f"{name}: wake-ups at rest",
                    f"{at_rest.wakeups:.1f} /s",
                    "2 /s: 20 pings, 20 pongs in 20 s",
                    f"{below.wakeups:.1f} /s",
                ),
                Line(f"{name}: memory at rest", f"{at_rest.memory:.0f} MB", f"{budget} MB", f"{below.memory:.0f} MB"),
                Line(
                    f"{name}: CPU for one event",
                    f"{event:.0f} µs = {event / floor_event:.1f} baselines",
                    "60 µs",
                    f"{floor_event:.0f} µs",
                ),
            ]
        lines += answer_lines(run, folder)
        p50, p99 = (1000 * percentile(delays, part) for part in (0.5, 0.99))
        lines += [
            Line(f"event to view at {RATE}/s, 5,000 sessions", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p99 5 ms"),
            Line("lost of these", f"{5000 - held} sessions, {len(delays) - busy} of {len(delays)} events", "0"),
        ]
    return lines


def answer_lines(run: Callable[[Callable[[], Awaitable[Any]]], Any], folder: Path) -> list[Line]:
    """Return the lines for the time from a click on an answer to its recipient."""
    (folder / "answers").mkdir()
    (folder / "real").mkdir()
    called, below = run(lambda: answers.to_the_plugin(folder / "answers"))
    confirmed = run(lambda: answers.to_opencode(folder / "real"))

    def percentiles(delays: list[float]) -> str:
        p50, p99 = (1000 * percentile(delays, part) for part in (0.5, 0.99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"

    lines = [Line("click to plugin", percentiles(called), "", percentiles(below))]
    return (
        [*lines, Line("click to OpenCode's confirmation", percentiles(confirmed), "p99 50 ms")] if confirmed else lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="duration of the measurement at rest (default 60)")
    print(table(measure(parser.parse_args().seconds)), flush=True)
    if node := shutil.which("node"):
        print("\nThe plugin, inside OpenCode:", flush=True)
        subprocess.run([node, str(HERE / "plugin.bench.mjs")], check=False)


if __name__ == "__main__":
    main()
