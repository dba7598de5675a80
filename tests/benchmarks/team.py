"""A team of many trays at one desk: the time until the desk shows the truth, and the desk's CPU.

Run: `python tests/benchmarks/team.py [--hosts N] [--sessions N]`, with the project, aiomqtt and mosquitto installed;
about two minutes. The desk is the whole app without its icon, in this process; the broker and the other trays have
processes of their own. The baseline is an MQTT client in this process that receives the same messages and drops them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import aiomqtt  # noqa: E402  # the path is set above

from fakes import TOKEN  # noqa: E402
from mqtt_broker import Mosquitto  # noqa: E402
from running_app import FakeNotifications  # noqa: E402
from tray.app.application import App  # noqa: E402
from tray.cli.run import tune_garbage_collector  # noqa: E402
from tray.core.commands import CommandResult  # noqa: E402
from tray.core.events import (  # noqa: E402
    ActivityReported,
    ServerConnected,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
    SourceEvent,
    ToolReported,
)
from tray.core.fleet import Fleet  # noqa: E402
from tray.core.servers import Server  # noqa: E402
from tray.core.sessions import Activity  # noqa: E402
from tray.core.settings import (  # noqa: E402
    ON_MACHINE,
    OTHER_AGENTS,
    PAGE_PORT,
    PORT,
    TEAM_BROKER,
    TEAM_KEY,
    TEAM_PUBLISH,
)
from tray.core.team_settings import broker_of, key_text  # noqa: E402
from tray.sources.team.team_source import TeamOptions, TeamSource  # noqa: E402
from tray.storage.settings_file import load_settings  # noqa: E402
from tray.storage.token import Token  # noqa: E402
from tray.system.paths import Paths  # noqa: E402
from waiting import until_async  # noqa: E402

KEY = bytes(range(32))
DEADLINE = 60.0  # s
WINDOW = 10.0  # s of each measurement of CPU
COUNTED = 4.0  # s in which messages are counted
BUSY = 10  # one of so many sessions works
LOADS = (10, 2)  # s in which each working session changes its tool


class Publisher:
    """One other tray with sessions."""

    def __init__(self, number: int, sessions: int, url: str) -> None:
        self.name = f"s{number}"
        self.sessions = sessions
        self.fleet = Fleet()
        private, started = secrets.token_bytes(32), time.time_ns() // 1_000_000
        options = TeamOptions("team", broker_of(url), "", KEY, private, started, f"me@host{number}", True, False, ())
        self.source = TeamSource(options, self.fleet, lambda _: None, self._refuse, lambda: started, lambda *_: None)
        self.apply(ServerConnected(Server(self.name, f"p{number}", f"host{number}", f"/home/me/p{number}")))
        facts = [SessionFacts(self.session(n), title=f"Session {n}", updated=started) for n in range(sessions)]
        activities = {self.session(n): (Activity.BUSY, None) for n in range(0, sessions, BUSY)}
        self.apply(SnapshotTaken(self.name, tuple(facts), activities, permissions=(), questions=()))
        self.source.start()

    def session(self, number: int) -> str:
        return f"{self.name}-{number}"

    def apply(self, event: SourceEvent) -> None:
        self.source.note(self.fleet.apply(event, time.time_ns() // 1_000_000))

    async def _refuse(self, _: object) -> CommandResult:
        return CommandResult("no", ok=False)

    async def work(self, interval: float) -> None:
        """Change the tool of each working session once in `interval` seconds, one after the other."""
        working = range(0, self.sessions, BUSY)
        await asyncio.sleep(random.uniform(0, interval / len(working)))  # noqa: S311
        for number in count():
            self.apply(
                ToolReported(self.name, self.session(working[number % len(working)]), f"tool{number}", running=True)
            )
            await asyncio.sleep(interval / len(working))


async def publish(hosts: int, sessions: int, url: str) -> None:
    """Run the other trays until the input ends. Lines of the input: `load SECONDS`, `load 0`, `mark TEXT`."""
    publishers = [Publisher(number, sessions, url) for number in range(hosts)]
    works: list[asyncio.Task[None]] = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, _, rest = line.strip().partition(" ")
        if word == "load":
            for work in works:
                work.cancel()
            loaded = publishers if float(rest) else []
            works = [asyncio.create_task(publisher.work(float(rest))) for publisher in loaded]
        for publisher in publishers if word == "mark" else ():
            publisher.apply(SessionReported(publisher.name, SessionFacts(publisher.session(0), title=rest)))
            publisher.apply(ActivityReported(publisher.name, publisher.session(0), Activity.IDLE))
    for work in works:
        work.cancel()
    await asyncio.gather(*(publisher.source.stop() for publisher in publishers))


class Desk:
    """The desk that is measured, and the processes of the others."""

    def __init__(self, folder: Path, broker: Mosquitto, hosts: int, sessions: int) -> None:
        self.broker, self.hosts, self.sessions = broker, hosts, sessions
        flags = {PORT.key: 0, PAGE_PORT.key: 0, ON_MACHINE.key: False, OTHER_AGENTS.key: False}
        flags |= {TEAM_BROKER.key: broker.url, TEAM_KEY.key: key_text(KEY), TEAM_PUBLISH.key: False}
        paths = Paths.inside(folder)
        settings = load_settings(paths.settings, {}, flags)
        self.app = App(paths, settings, flags, Token(TOKEN), notifications=FakeNotifications())
        words = ["--publish", broker.url, "--hosts", str(hosts), "--sessions", str(sessions)]
        self.others = subprocess.Popen([sys.executable, __file__, *words], stdin=subprocess.PIPE, text=True)

    def tell(self, line: str) -> None:
        assert self.others.stdin is not None
        self.others.stdin.write(line + "\n")
        self.others.stdin.flush()

    @property
    def live(self) -> int:
        return sum(server.live for server in self.app.state.fleet.servers.values())

    def marked(self, text: str) -> int:
        return sum(session.title == text for session in self.app.state.fleet.sessions.values())

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Print how long it takes until the condition is true, and the desk's CPU time meanwhile."""
        begin, cpu = time.monotonic(), time.process_time()
        await until_async(lambda: asyncio.sleep(0.05, condition()), what, DEADLINE)
        print(f"{what:<58}{time.monotonic() - begin:7.2f} s{time.process_time() - cpu:9.2f} s CPU", flush=True)

    async def cpu(self, what: str) -> float:
        """Print the desk's CPU as a share of one core."""
        begin, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(WINDOW)
        share = (time.process_time() - cpu) / (time.monotonic() - begin)
        print(f"{what:<58}{share:9.1%} of a core", flush=True)
        return share

    async def run(self) -> None:
        app = self.app
        tune_garbage_collector()  # as the tray does
        await app.start()
        app.show_on(lambda _: None)
        life = asyncio.create_task(app.run_until_stopped())
        total = self.hosts * self.sessions
        await self.until(
            f"{self.hosts} trays, {total} sessions: all are shown",
            lambda: self.live == self.hosts and len(app.state.fleet.sessions) == total,
        )
        await asyncio.sleep(3)
        await self.cpu("nothing changes: the desk")
        loads = []
        for interval in LOADS:
            self.tell(f"load {interval}")
            await asyncio.sleep(3)
            loads.append(await self.cpu(f"{total // BUSY} working sessions, each changes every {interval} s: the desk"))
            await self._count()
        self.tell("load 0")
        await asyncio.sleep(3)
        self.tell("mark all")
        await self.until("each tray changes one session: all are shown", lambda: self.marked("all") == self.hosts)
        self.broker.kill()
        await self.until("the broker is killed: all are disconnected", lambda: self.live == 0)
        self.tell("mark while the broker was away")
        self.broker.start()
        await self.until(
            "the broker is back, with nothing retained: all are true",
            lambda: self.live == self.hosts and self.marked("while the broker was away") == self.hosts,
        )
        await asyncio.sleep(3)
        self.others.send_signal(signal.SIGSTOP)
        await self.until("all trays are silent: all are disconnected", lambda: self.live == 0)
        await asyncio.sleep(10)
        self.others.send_signal(signal.SIGCONT)
        await self.until("all trays are back: all are true", lambda: self.live == self.hosts)
        app.stop()
        await life
        self.tell(f"load {LOADS[-1]}")
        await asyncio.sleep(3)
        plain = await self._plain()
        print(f"{'the desk, compared with an MQTT client that drops all':<58}{loads[-1] / plain:8.1f} x")

    async def _count(self) -> None:
        """Print how many messages come in a second, without those that are retained."""
        async with self._client() as client:
            await client.subscribe("opencode-tray/#")
            end, received = time.monotonic() + COUNTED, 0
            while time.monotonic() < end:
                received += not (await anext(client.messages)).retain
        print(f"{'    messages':<58}{received / COUNTED:9.0f} /s", flush=True)

    async def _plain(self) -> float:
        async with self._client() as client:
            await client.subscribe("opencode-tray/#", 1)

            async def drop() -> None:
                async for _ in client.messages:
                    pass

            dropping = asyncio.create_task(drop())
            await asyncio.sleep(2)
            share = await self.cpu("the same, an MQTT client that drops all")
            dropping.cancel()
            await asyncio.gather(dropping, return_exceptions=True)
        return share

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--publish", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        asyncio.run(publish(options.hosts, options.sessions, options.publish))
        return
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        desk = Desk(Path(folder), broker, options.hosts, options.sessions)
        try:
            asyncio.run(desk.run())
        finally:
            desk.others.send_signal(signal.SIGCONT)
            desk.others.kill()
            desk.others.wait(10)


if __name__ == "__main__":
    main()
