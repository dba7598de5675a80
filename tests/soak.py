"""Let a fleet work on a real tray for an hour, with faults, and compare the tray with the truth all the time.

    PYTHONPATH=$PWD:$PWD/tests python tests/soak.py [--minutes 60] [--seed N] [--actions N] [--rate 50] [--cycle 1500]

Plugins, browsers, phones, commands, hooks and strangers do what a generator with the seed chooses. Every few actions
the tray's status has to equal the truth, and every notification that is due has to be shown once. After each cycle the
fleet returns to the same base, at which the tray is measured. A failure prints the seed, the number of the action, and
the last actions; the same seed repeats them: `--actions` stops after that number.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from fake_desktop import FakeDesktop, PrivateBus
from soak_actions import Actions
from soak_clients import Screen
from soak_fleet import Found
from soak_measures import (
    Sample,
    SoakHome,
    audit_errors,
    blocks_per_action,
    cpu_per_action,
    growth,
    history_errors,
    megabytes_per_hour,
)
from soak_truth import Notices

COMPARE_EVERY, SETTLE_EVERY = 25, 200  # actions
KILL_CYCLE = 1  # the cycle in which the tray is killed: memory is measured in the life after it
REST = 2.0  # s at the base before it is measured


@dataclass
class Result:
    """What a soak has found and measured."""

    seed: int
    actions: int = 0
    error: str = ""
    samples: list[Sample] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    digest: str = ""  # of all actions: the same for the same seed and number


class Soak:
    """One run."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._digest = hashlib.sha256()
        self._life = 0
        self.result = Result(options.seed)
        self.fleet: Actions | None = None

    async def run(self) -> Result:
        """Run until the time or the actions are over."""
        try:
            await self._run()
        except Exception as error:  # noqa: BLE001  # the result says what was found
            where = f"seed {self._options.seed}, action {self.result.actions}"
            log = self.fleet.log if self.fleet is not None else ()
            trace = "" if isinstance(error, Found) else "".join(traceback.format_exception(error)[-6:])
            named = re.compile(
                "|".join({rf"\b{name}\b" for name in re.findall(r"soak-[srce]\d+|\ba\d+", str(error))} or "^$")
            )
            older = [f"earlier: {line}" for line in list(log)[:-30] if named.search(line)]
            lines = [f"{where}: {type(error).__name__}: {error}", "the last actions:", *older, *list(log)[-30:], trace]
            self.result.error = "\n  ".join(lines)
        self.result.digest = self._digest.hexdigest()[:16]
        return self.result

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            screen, notices, address = None, Notices(), ""
            if shutil.which("dbus-daemon"):
                bus = PrivateBus(self._folder)
                bus.start()
                stack.callback(bus.stop)
                desktop = await FakeDesktop(bus.address).start(panel=False)
                stack.push_async_callback(desktop.stop)
                screen, address = Screen(desktop, notices), bus.address
            else:
                print("no dbus-daemon: notifications are not checked")
            home = SoakHome(self._folder / "home", address, is_traced=self._options.trace)
            if self._options.keep is not None:
                home.environment["OPENCODE_TRAY_LOG_DEBUG"] = "1"
            stack.callback(home.stop)
            await asyncio.to_thread(home.start_tray)
            http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(40)))
            fleet = self.fleet = Actions(self._options.seed, home, http, screen, notices)
            stack.push_async_callback(fleet.close)
            await fleet.connect_all(again=False)
            await fleet.pair_devices()
            await self._work(fleet, home)
            await self._finish(fleet, home)

    async def _work(self, fleet: Actions, home: SoakHome) -> None:
        options, result = self._options, self.result
        end = time.monotonic() + options.minutes * 60
        kill_at = options.cycle * KILL_CYCLE + fleet.rng.randrange(options.cycle // 4, options.cycle // 2)

        def is_over() -> bool:
            return bool(result.actions >= options.actions if options.actions else time.monotonic() >= end)

        while not is_over():
            for _ in range(options.cycle):
                if is_over():
                    break
                result.actions += 1
                due = time.monotonic() + 1 / options.rate
                await fleet.act()
                self._digest.update(f"{fleet.log[-1]}\n".encode())
                if result.actions == kill_at:
                    fleet.log.append("the tray is killed and started again")
                    await fleet.restart_tray()
                    self._life += 1
                if result.actions % COMPARE_EVERY == 0:
                    await fleet.compare()
                if result.actions % SETTLE_EVERY == 0:
                    await fleet.settle()
                    await fleet.press()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            fleet.log.append("all sessions end")
            await fleet.empty()
            await asyncio.sleep(REST)
            await fleet.settle()
            sample = await asyncio.to_thread(Sample.of, home, self._life, result.actions)
            result.samples.append(sample)
            print(f"{sample.line()}, {self._digest.hexdigest()[:8]}", flush=True)
            if self._options.trace:
                print(*json.loads(home.counts.read_text(encoding="utf-8"))["grown"], sep="\n  ", flush=True)

    async def _finish(self, fleet: Actions, home: SoakHome) -> None:
        result, data = self.result, home.path / "data/opencode-tray"
        errors = await asyncio.to_thread(history_errors, data / "history.db", fleet.steps)
        errors += audit_errors(data, fleet.answered)
        log = home.log.read_text(encoding="utf-8", errors="replace")
        if "Traceback" in log:
            errors.append(f"the tray's log has an error: …{log[log.index('Traceback') - 300 :][:2000]}")
        if home.process.poll() is not None:
            errors.append(f"the tray has ended: {home.process.returncode}")
        shown, cpu = fleet.notices.shown, cpu_per_action(result.samples)
        answers = f"{len(fleet.steps)} responses in the history, {dict(fleet.given)} answers"
        notes = (
            f"{sum(shown.values())} notifications of {len(shown)} events, {fleet.notices.others} results of commands"
        )
        grown = {name: str(megabytes_per_hour(result.samples, name)) for name in ("memory", "handed_out")}
        result.summary = [
            f"seed {result.seed}, {result.actions} actions: {dict(sorted(fleet.done.items()))}",
            f"{answers}, {notes}",
            f"MB an hour in the last third: {grown}, {blocks_per_action(result.samples)} blocks an action",
            f"CPU: {' '.join(f'{ms:.2f}' for ms in cpu)} ms an action",
        ]
        if errors:
            raise Found("; ".join(errors))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--actions", type=int, default=0, help="stop after this many actions, whatever the time")
    parser.add_argument("--rate", type=float, default=50, help="actions a second, at most")
    parser.add_argument("--cycle", type=int, default=1500, help="actions between two measurements")
    parser.add_argument("--keep", type=Path, help="a folder for the files of the tray, with a detailed log")
    parser.add_argument("--trace", action="store_true", help="print which lines hold more memory, after each cycle")
    return parser.parse_args(arguments)


def soak(options: argparse.Namespace) -> Result:
    """Run a soak in a folder of its own."""
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return asyncio.run(Soak(options.keep, options).run())
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(Soak(Path(folder), options).run())


def main() -> int:
    """Run and report."""
    options = parse()
    print(f"seed {options.seed}", flush=True)
    result = soak(options)
    print("\n".join(result.summary))
    errors = [result.error] if result.error else growth(result.samples)
    print("\n".join(errors) or "nothing found")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
