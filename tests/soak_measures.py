"""What the soak measures of the tray's process, and what its history has to hold."""

from __future__ import annotations

import json
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from soak_truth import Session, Step
from tray_process import Home, free_port
from waiting import until

TRAY = Path(__file__).with_name("soak_tray.py")
MB = 2**20
LONG = 30  # minutes of one run of the tray; in less, tables with a limit are still being filled
ENOUGH = 4  # samples for a slope
SQLITE = 8 * MB  # the cache of four connections
# Memory of the process that is not handed out: code, stacks and what the allocators keep. Measured: 5 MB at the start,
# 15 MB after 100,000 actions. The C library keeps more after a first large block was freed (mallopt(3),
# M_MMAP_THRESHOLD), such as CPython's table of interned strings when it grows.
KEPT = 25 * MB
ALLOWED = {"threads": 3, "files": 8, "children": 0, "tasks": 8}  # more than after the warm-up; measured: 2, 5, 0, 3
# Measured: 0.9 in the first 9,000 actions, while tables with a limit are filled, then 0.2, and 0 after 30,000. A list
# that kept each event added 12.
BLOCKS_PER_ACTION = 3.0
MEGABYTES_PER_HOUR = 0.1
SURE = 2.0  # standard errors by which a slope has to be above its limit
CPU_RATIO = 1.25  # of the last third to the one before
SUMS = ("input", "output", "reasoning", "cache_read", "cache_write", "reported", "estimated")
GROUP = ("day", "place", "kind", "model", "agent", "sub")


class SoakHome(Home):
    """A private home folder with a tray whose asyncio tasks can be counted."""

    def __init__(self, path: Path, bus: str = "", *, is_traced: bool = False) -> None:
        """`bus` is the address of a session bus. `is_traced`: the counts name the lines whose memory has grown."""
        super().__init__(path, (sys.executable, str(TRAY)))
        self.counts = path / "counts.json"
        self.environment |= {
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
            "OPENCODE_TRAY_PAGE_PORT": str(free_port()),
            "SOAK_COUNTS": str(self.counts),
            **({"DBUS_SESSION_BUS_ADDRESS": bus} if bus else {}),
            **({"SOAK_TRACE": "1"} if is_traced else {}),
        }
        self.has_screen = bool(bus)
        self.settings.parent.mkdir(parents=True)
        self.settings.write_text("[page]\nlan = true\n[notifications]\nfinished_after = 0\n", encoding="utf-8")
        self._tray: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._tray is not None
        return self._tray

    def start_tray(self) -> None:
        self._tray = self.tray(*(() if self.has_screen else ("--no-notify",)))
        threading.Thread(target=self._tray.communicate, name="output of the tray", daemon=True).start()

    def count(self) -> dict[str, Any]:
        """Have the tray collect its garbage, and return its counts."""
        self.counts.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        until(self.counts.exists, "the counts of the tray")
        counts: dict[str, Any] = json.loads(self.counts.read_text(encoding="utf-8"))
        return counts


@dataclass(frozen=True)
class Sample:
    """The tray at its base: all plugins are connected, and there are no sessions. Times in s, memory in bytes."""

    at: float
    life: int  # which run of the tray
    actions: int
    before: int  # memory before garbage was collected
    memory: int  # the same after it: what no other process shares (USS)
    cpu: float
    threads: int
    files: int
    children: int
    tasks: int
    blocks: int  # of memory that Python has allocated for small objects
    handed_out: int  # memory that Python and the C library have handed out, without SQLite's
    sqlite: int  # memory of SQLite, which keeps pages of the history up to a limit
    task_names: Counter[str]

    @classmethod
    def of(cls, home: SoakHome, life: int, actions: int) -> Sample:
        process = psutil.Process(home.process.pid)
        times, before = process.cpu_times(), process.memory_full_info().uss
        counts = home.count()
        return cls(
            at=time.monotonic(),
            life=life,
            actions=actions,
            before=before,
            memory=process.memory_full_info().uss,
            cpu=times.user + times.system,
            threads=process.num_threads(),
            files=process.num_fds(),
            children=len(process.children(recursive=True)),
            tasks=len(counts["tasks"]),
            blocks=counts["blocks"],
            handed_out=counts["handed_out"],
            sqlite=counts["sqlite"],
            task_names=Counter(counts["tasks"]),
        )

    def line(self) -> str:
        return (
            f"{self.actions:7} actions: {self.memory / MB:6.2f} MB (before: {self.before / MB:6.2f}), "
            f"{self.cpu:6.1f} s CPU, {self.threads} threads, {self.files} files, {self.children} children, "
            f"{self.tasks} tasks, {self.blocks} blocks, {self.handed_out / MB:.2f} MB handed out, "
            f"{self.sqlite / MB:.2f} MB SQLite"
        )


@dataclass(frozen=True)
class Slope:
    """The slope of a line of least squares, and its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> Slope:
        """Return the slope of `points`; 0 for less than three."""
        if len(points) < 3:  # the error has n - 2 degrees of freedom
            return cls(0.0, 0.0)
        x, y = zip(*points, strict=True)
        line = statistics.linear_regression(x, y)
        rest = sum((b - line.intercept - line.slope * a) ** 2 for a, b in points) / (len(points) - 2)
        return cls(line.slope, (rest / (statistics.pvariance(x) * len(points))) ** 0.5)

    def __str__(self) -> str:
        return f"{self.value:+.3f} ± {self.error:.3f}"


def last_life(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of the tray that ran last."""
    return [sample for sample in samples if sample.life == samples[-1].life]


def megabytes_per_hour(samples: Sequence[Sample], name: str) -> Slope:
    """Return the slope of `memory` or `handed_out` in the last third of the time.

    What is handed out shows a leak. The memory of the process varies by a megabyte between two samples of the same
    work, and grows in steps, as its allocators keep what was freed.
    """
    begun, ended = samples[0].at, samples[-1].at
    last = [sample for sample in last_life(samples) if sample.at >= ended - (ended - begun) / 3]
    return Slope.of([(sample.at / 3600, getattr(sample, name) / MB) for sample in last])


def blocks_per_action(samples: Sequence[Sample]) -> Slope:
    """Return the slope of the number of blocks of memory, after the first sample of the tray that ran last."""
    return Slope.of([(sample.actions, sample.blocks) for sample in last_life(samples)[1:]])


def cpu_per_action(samples: Sequence[Sample]) -> list[float]:
    """Return the CPU time in ms for each action between each two samples of the tray that ran last."""
    return [(b.cpu - a.cpu) / (b.actions - a.actions) * 1000 for a, b in pairwise(last_life(samples))]


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return what has not returned to what it was after the warm-up, and what grows."""
    life = last_life(samples)
    first, last = life[0], life[-1]
    counts = {name: (getattr(first, name), getattr(last, name)) for name in ALLOWED}
    errors = [
        f"{name}: {before} after the warm-up, {after} at the end"
        for name, (before, after) in counts.items()
        if after > before + ALLOWED[name]
    ]
    if last.tasks > first.tasks + ALLOWED["tasks"]:
        errors.append(f"more tasks: {(last.task_names - first.task_names).most_common(10)}")
    if (kept := last.memory - last.handed_out - last.sqlite) > KEPT:
        errors.append(f"{kept / MB:.1f} MB of the process are not handed out")
    if last.sqlite > SQLITE:
        errors.append(f"SQLite uses {last.sqlite / MB:.1f} MB")
    if len(life) > ENOUGH and (blocks := blocks_per_action(samples).value) > BLOCKS_PER_ACTION:
        errors.append(f"memory grows by {blocks:.1f} blocks with each action")
    if last.at - first.at >= LONG * 60:
        megabytes = megabytes_per_hour(samples, "handed_out")
        if megabytes.value - SURE * megabytes.error > MEGABYTES_PER_HOUR:
            errors.append(f"memory grows by {megabytes} MB an hour")
        cpu = cpu_per_action(samples)
        third = len(cpu) // 3
        before, after = statistics.mean(cpu[-2 * third : -third]), statistics.mean(cpu[-third:])
        if after > before * CPU_RATIO:
            errors.append(f"CPU time grows: {before:.2f} ms an action, and {after:.2f} ms in the last third")
    return errors


def history_errors(path: Path, steps: Sequence[tuple[Session, Step]]) -> list[str]:
    """Return what is wrong in the history: sums that differ from their steps, and steps that differ from the truth."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        sums = ", ".join(f"SUM({name})" for name in SUMS)
        kept = ", ".join(f"SUM(COALESCE(step.{name}, 0))" for name in SUMS)
        join = "step JOIN session ON session.id = step.session WHERE NOT step.inherited"
        group = "step.day, session.place, session.kind, step.model, step.agent, session.parent IS NOT NULL"
        pairs = {
            "daily": (
                f"SELECT {', '.join(GROUP)}, steps, {', '.join(SUMS)} FROM daily ORDER BY 1, 2, 3, 4, 5, 6",
                f"SELECT {group}, COUNT(*), {kept} FROM {join} GROUP BY {group} ORDER BY 1, 2, 3, 4, 5, 6",
            ),
            "total": (
                f"SELECT session, steps, {sums} FROM total GROUP BY session ORDER BY session",
                f"SELECT step.session, COUNT(*), {kept} FROM {join} GROUP BY step.session ORDER BY step.session",
            ),
        }
        errors = []
        for name, (summed, single) in pairs.items():
            if (found := database.execute(summed).fetchall()) != (expected := database.execute(single).fetchall()):
                wrong = set(found) ^ set(expected)
                errors.append(f"{name} differs from the sum of steps in {len(wrong)} rows: {list(wrong)[:4]}")
        columns = "step.id, session.uid, input, output, reported, inherited"
        query = f"SELECT {columns} FROM step JOIN session ON session.id = step.session WHERE session.kind = 'opencode'"
        stored = {row[0]: row[1:] for row in database.execute(query)}
    known = {step.id: (session.id, *step.tokens, step.cost, int(step.is_inherited)) for session, step in steps}
    missing = [step.id for _, step in steps if step.is_sure and step.id not in stored]
    errors += [f"{len(missing)} steps are missing, such as {missing[:3]}"] if missing else []
    wrong_steps = [(key, row, known.get(key)) for key, row in stored.items() if known.get(key) != row]
    return errors + ([f"{len(wrong_steps)} steps are wrong, such as {wrong_steps[:3]}"] if wrong_steps else [])


def audit_errors(folder: Path, answered: dict[str, str]) -> list[str]:
    """Return what is wrong in the audit log: each answer of the tray's has one line that says so, others have none."""
    lines = [line for file in sorted(folder.glob("audit.jsonl*")) for line in file.read_text("utf-8").splitlines()]
    entries = [json.loads(line) for line in lines]
    confirmed = Counter(entry["request"] for entry in entries if entry["result"] == "answered")
    expected = Counter(request for request, by in answered.items() if by == "tray")
    wrong = {request for request in {*confirmed, *expected} if confirmed[request] != expected[request]}
    return [f"audit log: {len(wrong)} answers differ, such as {sorted(wrong)[:3]}"] if wrong else []
