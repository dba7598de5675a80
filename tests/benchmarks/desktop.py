"""Measure the CPU use of tray, panel and session bus together while the menu is closed.

Run on Linux with Xvfb and an Xfce panel: `python tests/benchmarks/desktop.py [--seconds 15] [--checkout NAME=FOLDER]
[--peer COMMAND]`. COMMAND runs opencode-monitor, or another program that its plugin reports to, in a terminal of tmux;
`{port}` in it is replaced by the port to listen on. It gets the same events in the protocol of that plugin.
Four of five events are pieces of streamed text, as in OpenCode's own streams. Several checkouts are measured in turn
with each load; without checkouts, the installed program is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "desktop")]

from bench import fleet_snapshot  # noqa: E402
from desk import Desk  # noqa: E402

from fake_desktop import PrivateBus  # noqa: E402
from fakes import FakePlugin, connection  # noqa: E402
from tray_process import Home, free_port  # noqa: E402

TOKEN = "benchmark"
LOADS = ((20, 10, 0), (1, 200, 50), (20, 10, 200), (50, 20, 1000))  # servers, sessions of each, events/s of all
GOALS = ("0.1 %", "3.5 %", "4 %", "10 %")  # of a core
WARM_UP = 6.0  # s
DELTAS = 24  # in a turn, beside six other events
PARTS = ("tray", "panel", "bus")


def events(server: int, sessions: int) -> Iterator[tuple[str, dict]]:
    """Yield the events of one turn of each session in turn: start, a tool, output, end."""
    for turn in itertools.count():
        name = f"ses_{server}_{turn * 7 % sessions}"
        message = {"id": f"msg_{turn:08}", "sessionID": name, "role": "assistant", "providerID": "fake"}
        tool = {"id": f"prt_{turn}", "messageID": message["id"], "sessionID": name, "type": "tool", "tool": "bash"}
        tokens = {"input": 1000, "output": 50, "reasoning": 0, "cache": {"read": 10, "write": 0}}
        yield "session.status", {"sessionID": name, "status": {"type": "busy"}}
        yield "message.updated", {"info": {**message, "time": {"created": turn}}}
        for _ in range(DELTAS):
            yield "message.part.delta", {"sessionID": name, "messageID": message["id"], "delta": "some text "}
        yield "message.part.updated", {"part": {**tool, "state": {"status": "running", "input": {}}}}
        yield "message.part.updated", {"part": {**tool, "state": {"status": "completed", "input": {}}}}
        done = {"finish": "stop", "tokens": tokens, "cost": 0.01, "time": {"created": turn, "completed": turn + 1}}
        yield "message.updated", {"info": {**message, **done}}
        yield "session.status", {"sessionID": name, "status": {"type": "idle"}}


async def send_events(links: list[FakePlugin], sessions: int, rate: int, seconds: float, *, seed: bool = False) -> None:
    """Send `rate` events per second over all links; with `seed`, in the format of opencode-monitor's plugin."""
    streams = [events(number, sessions) for number in range(len(links))]
    loop = asyncio.get_running_loop()
    begun, sent = loop.time(), 0
    while (passed := loop.time() - begun) < seconds:
        for _ in range(int(passed * rate) - sent):
            kind, properties = next(streams[sent % len(links)])
            if seed:
                frame = {"type": "event", "event": {"type": kind, "properties": properties}}
                await links[sent % len(links)].send(frame)
            else:
                await links[sent % len(links)].event(kind, **properties)
            sent += 1
        await asyncio.sleep(0.01)


class Desktop:
    """A panel with the tray of one checkout."""

    def __init__(self, folder: Path, checkout: str) -> None:
        self.bus = PrivateBus(folder)
        self.bus.start()
        self.desk = Desk(folder, self.bus)
        self.desk.start()
        self.desk.start_panel()
        (folder / "tray").mkdir()
        self.home = Home(folder / "tray")
        self.home.environment = {**self.desk.environment, **self.home.environment, "OPENCODE_MONITOR_TOKEN": TOKEN}
        if checkout:
            self.home.environment["PYTHONPATH"] = checkout
        tray = self.home.tray("--no-notify", headless=False)
        panels = [p for p in psutil.process_iter(["exe", "environ"]) if self._is_panel(p)]
        buses = [p for p in psutil.process_iter(["name", "cmdline"]) if self._is_bus(p, folder)]
        self.parts = {"tray": [psutil.Process(tray.pid)], "panel": panels, "bus": buses}

    def _is_panel(self, process: psutil.Process) -> bool:
        environment = process.info["environ"] or {}
        return environment.get("HOME") == self.desk.environment["HOME"] and "panel" in (process.info["exe"] or "")

    @staticmethod
    def _is_bus(process: psutil.Process, folder: Path) -> bool:
        words = process.info["cmdline"] or []
        return process.info["name"] == "dbus-daemon" and any(str(folder) in word for word in words)

    def used(self) -> dict[str, float]:
        """Return the seconds of CPU that each part has used."""
        return {part: sum(_cpu(process) for process in self.parts[part]) for part in PARTS}

    def stop(self) -> None:
        self.home.stop()
        self.desk.stop()
        self.bus.stop()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def desktop(checkout: str) -> Iterator[Desktop]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = Desktop(Path(folder), checkout)
        try:
            yield made
        finally:
            made.stop()


class Peer:
    """opencode-monitor in a terminal: `parts` and `used` as of a Desktop."""

    def __init__(self, folder: Path, command: str) -> None:
        self.port = free_port()
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock")]
        words = command.replace("{port}", str(self.port))
        environment = {**os.environ, "HOME": str(folder), "OPENCODE_MONITOR_TOKEN": TOKEN}
        starting = [*self._tmux, "-f", "/dev/null", "new-session", "-d", "-x", "140", "-y", "45", words]
        subprocess.run(starting, env=environment, check=True)
        panes = subprocess.run(
            [*self._tmux, "list-panes", "-F", "#{pid} #{pane_pid}"], capture_output=True, text=True, check=True
        )
        tmux, program = map(psutil.Process, map(int, panes.stdout.split()))
        while not _listens(self.port):
            time.sleep(0.05)
        self._processes = {"tray": [program, *program.children(recursive=True)], "panel": [tmux], "bus": []}

    def used(self) -> dict[str, float]:
        """Return the used seconds of CPU: of the program as "tray", of tmux as "panel"."""
        return {part: sum(map(_cpu, self._processes[part])) for part in PARTS}

    def stop(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def link_to_peer(link: FakePlugin, number: int, sessions: int) -> None:
    """Send the hello of opencode-monitor's plugin, and answer calls as OpenCode does."""
    known = fleet_snapshot(number, sessions)["sessions"]
    answers = {"session.list": known, "session.status": {}, "session.messages": []}
    hello = {"type": "hello", "serverId": f"bench-{number}", "serverName": f"p{number}", "serverUrl": "disabled"}
    await link.send({**hello, "directory": f"/home/dev/project-{number}", "authToken": TOKEN})
    async for message in link.socket:
        call = message.json()
        if "method" in call:
            await link.send({"id": call["id"], "result": answers.get(call["method"], [])})


async def measure_peer(at: Peer, servers: int, sessions: int, rate: int, seconds: float) -> dict[str, float]:
    """Return the same as `measure` for the peer."""
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(connection(f"http://127.0.0.1:{at.port}/")) for _ in range(servers)]
        talking = [asyncio.create_task(link_to_peer(link, n, sessions)) for n, link in enumerate(links)]
        await send_events(links, sessions, rate, WARM_UP, seed=True)
        before = at.used()
        await send_events(links, sessions, rate, seconds, seed=True)
        after = at.used()
        for task in talking:
            task.cancel()
        return {part: (after[part] - before[part]) / seconds for part in PARTS}


async def measure(at: Desktop, servers: int, sessions: int, rate: int, seconds: float) -> dict[str, float]:
    """Return the share of a core that each part uses under this load."""
    async with AsyncExitStack() as stack:
        links = []
        for number in range(servers):
            link = await stack.enter_async_context(connection(f"http://127.0.0.1:{at.home.port}/"))
            directory = f"/home/dev/project-{number}"
            await link.authenticate(TOKEN, instance=f"bench-{number}", serverName=f"p{number}", directory=directory)
            await link.send(fleet_snapshot(number, sessions))
            link.answer_pings()
            links.append(link)
        await send_events(links, sessions, rate, WARM_UP)
        before = at.used()
        await send_events(links, sessions, rate, seconds)
        after = at.used()
        return {part: (after[part] - before[part]) / seconds for part in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of each load (default 15)")
    parser.add_argument("--checkout", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--peer", default="", metavar="COMMAND")
    options = parser.parse_args()
    checkouts = dict(pair.split("=", 1) for pair in options.checkout) or {"installed": os.environ.get("PYTHONPATH", "")}
    print(f"{'load':22}{'program':12}{'tray':>8}{'panel':>8}{'bus':>8}{'all':>8}   goal", flush=True)
    for (servers, sessions, rate), goal in zip(LOADS, GOALS, strict=True):
        load = f"{servers}x{sessions} at {rate}/s"
        for name, folder in checkouts.items():
            with desktop(folder) as at:
                shares = asyncio.run(measure(at, servers, sessions, rate, options.seconds))
            print(_line(load, name, shares, goal), flush=True)
        if options.peer:
            with tempfile.TemporaryDirectory(prefix="bench-") as home:
                peer = Peer(Path(home), options.peer)
                try:
                    shares = asyncio.run(measure_peer(peer, servers, sessions, rate, options.seconds))
                finally:
                    peer.stop()
            print(_line(load, "peer", shares, ""), flush=True)


def _line(load: str, name: str, shares: dict[str, float], goal: str) -> str:
    cells = "".join(f"{shares[part]:8.1%}" for part in PARTS)
    return f"{load:22}{name:12}{cells}{sum(shares.values()):8.1%}   {goal}"


if __name__ == "__main__":
    main()
