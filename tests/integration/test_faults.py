"""Processes that are killed or stopped, networks that spoil frames, and clocks that jump: what is true afterwards.

The first tests have one tray and all agents: each OpenCode reports through a relay that can spoil what it passes on.
`FAULT_STOP_SECONDS=180` stops the processes for 3 minutes, longer than any timeout; else it is a shorter time for each.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from claude_code import ClaudeCode
from codex import Codex, touch
from fakes import FRAMES, FakePlugin, PluginThread, connection
from faulty_relay import SWAP_WITHIN, Fault, FaultyRelay
from model_server import ModelServer
from opencode import LAST_YEAR, NEWEST, OLDEST, WITHOUT_DISPOSE, OpenCode
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest
from tray_process import Home
from waiting import run, until, until_async

if sys.platform == "win32":
    pytest.skip("Windows has no SIGSTOP", allow_module_level=True)

STOP = float(os.environ.get("FAULT_STOP_SECONDS", "0"))
RECOVERY = 15.0  # s; it takes at most 5 on a machine that has nothing else to do
DAY = 86_400  # s
MAX_THREADS = 40  # of a tray with all sources; asyncio's own pool grows to 32
SERVER, ONCE = FRAMES["hello"]["instance"], Permit(Verdict.ONCE)
VERSIONS = (NEWEST, WITHOUT_DISPOSE, LAST_YEAR, OLDEST)
ONCE_EACH = [1] * len(VERSIONS)  # how often a command ran in each version

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240 + 2 * STOP)]


class Desk:
    """A tray, each tested version of OpenCode, Claude Code and Codex."""

    def __init__(self, folder: Path, model: ModelServer, stack: ExitStack) -> None:
        self.home = Home(folder / "tray")
        self.home.path.mkdir()
        self.claude = stack.enter_context(ClaudeCode(folder / "claude", model.port))
        self.codex = stack.enter_context(Codex(folder / "codex", model.port))
        self.home.environment |= {
            "CLAUDE_CONFIG_DIR": str(self.claude.configuration),
            "CODEX_HOME": str(self.codex.configuration),
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }
        stack.callback(self.home.stop)
        self.process = self.home.tray("--no-notify")
        assert self.home.run("install-hooks", "claude").returncode == 0
        self.relays = [stack.enter_context(FaultyRelay(self.home.port)) for _ in VERSIONS]
        self.opencodes = [
            stack.enter_context(
                OpenCode(
                    version,
                    folder / version,
                    model.port,
                    {
                        "OPENCODE_MONITOR_PORT": str(relay.port),
                        "OPENCODE_TRAY_TOKEN_FILE": str(self.home.path / "data/opencode-tray/token"),
                    },
                )
            )
            for version, relay in zip(VERSIONS, self.relays, strict=True)
        ]
        for opencode in self.opencodes:
            opencode.serve()
        self.claude.tui()
        self.codex.tui()
        self._files = 0

    # ------------------------------------------------------------------ asks and answers

    def ask(self, *opencodes: OpenCode) -> list[str]:
        """Let each OpenCode ask for a permission in a new session; return the sessions."""
        sessions = [opencode.session() for opencode in opencodes]
        for opencode, session in zip(opencodes, sessions, strict=True):
            command = {"command": f"echo ran >> {session}", "description": "run"}
            opencode.prompt(session, {"calls": [[["bash", command]]], "words": 3})
        return sessions

    def ask_in_terminals(self) -> tuple[Path, Path]:
        """Let Claude Code and Codex ask; return the files that their commands create."""
        self._files += 1
        name = f"file{self._files}.txt"
        self.claude.prompt({"calls": [[["Bash", {"command": f"touch {name}", "description": "Create it"}]]]})
        self.codex.prompt(touch(name))
        return self.claude.project / name, self.codex.project / name

    def waits(self) -> dict[str, str]:
        """Return the id of the request of each session that waits, by the session's id."""
        return {
            session["id"]: session["requests"][0]["id"]
            for session in self.home.status()["sessions"]
            if session["requests"] and session["status"].startswith("waiting")
        }

    def of_terminals(self) -> list[str]:
        """Return the requests of Claude Code and Codex."""
        projects = {str(self.claude.project), str(self.codex.project)}
        sessions = self.home.status()["sessions"]
        return [request["id"] for each in sessions if each["directory"] in projects for request in each["requests"]]

    def answer(self, request: str) -> str:
        """Allow a request once with the command line, and return what that says."""
        try:
            done = self.home.run("reply", request, "once", "--port", str(self.home.port))
        except subprocess.TimeoutExpired:
            return "no answer from a tray that is stopped for long"
        return (done.stdout + done.stderr).strip()

    def shows(self, expected: dict[str, str], deadline: float = RECOVERY) -> None:
        """Wait until the report has these statuses, by session."""

        def seen() -> dict[str, str]:
            return {each["id"]: each["status"] for each in self.home.status()["sessions"] if each["id"] in expected}

        started = time.monotonic()
        until(lambda: seen() == expected, f"{expected}; it is {seen()}", deadline)
        print(f"the truth after {time.monotonic() - started:.1f} s")

    def is_sending(self, sessions: list[str]) -> bool:
        """Whether an answer to the request of each session is being sent."""
        return all(each["sending"] for session in sessions for each in self.home.session(session)["requests"])

    def settle(self, sessions: dict[str, OpenCode]) -> None:
        """Answer what still waits in these sessions, and wait until all of them have ended."""
        started = time.monotonic()

        def is_settled() -> bool:
            for session in sessions.keys() & (waits := self.waits()).keys():
                print(session, self.answer(waits[session]))
            return all(self.home.session(session)["status"] == "completed" for session in sessions)

        until(is_settled, f"the end of all turns; {[self.home.session(each) for each in sessions]}", 40)
        print(f"settled after {time.monotonic() - started:.1f} s")

    def ran(self, opencode: OpenCode, session: str) -> int:
        """Return how often the command of a session ran."""
        path = opencode.project / session
        return len(path.read_text().splitlines()) if path.exists() else 0

    def answers(self) -> list[str]:
        """Return the requests that were answered from here, by the audit log."""
        log = self.home.path / "data/opencode-tray/audit.jsonl"
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
        return [entry["request"] for entry in entries if entry["result"] == "answered"]

    # ------------------------------------------------------------------ processes

    def agents(self) -> list[psutil.Process]:
        """Return the processes of the agents, without their children."""
        terminals = [int(each.terminal.run("display", "-p", "#{pane_pid}")) for each in (self.claude, self.codex)]
        daemon = [self.codex.daemon_pid] if self.codex.daemon_pid else []
        return [psutil.Process(pid) for pid in (*(each.pid for each in self.opencodes), *terminals, *daemon)]

    def used(self) -> tuple[int, int]:
        """Return how many files and child processes the tray has."""
        tray = psutil.Process(self.process.pid)
        return tray.num_fds(), len(tray.children(recursive=True))

    def has_released(self, used: tuple[int, int]) -> None:
        """Wait until the tray has no more files and processes than before, and no more threads than its pools have."""
        until(lambda: all(now <= before for now, before in zip(self.used(), used, strict=True)), f"{used}")
        assert psutil.Process(self.process.pid).num_threads() < MAX_THREADS


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True))
        yield Desk(Path(folder), stack.enter_context(ModelServer()), stack)


def stop_for(seconds: float, processes: list[psutil.Process], meanwhile: Any = None) -> None:
    """Stop processes, and let them go on after `seconds`; call `meanwhile` after half of that time."""
    try:
        for process in processes:
            process.suspend()
        time.sleep(seconds / 2)
        if meanwhile is not None:
            meanwhile()
        time.sleep(seconds / 2)
    finally:
        for process in processes:
            process.resume()


@pytest.mark.opencode
@pytest.mark.claude_code
@pytest.mark.codex
def test_a_tray_that_was_stopped_shows_what_happened_meanwhile(desk: Desk) -> None:
    answered_there, answered_here = desk.ask(*desk.opencodes), desk.ask(*desk.opencodes)
    files = desk.ask_in_terminals()
    until(lambda: len(desk.waits()) == 2 * len(VERSIONS) + 2, f"all requests; there are {desk.waits()}", 40)
    waits, used = desk.waits(), desk.used()
    asked_meanwhile: list[str] = []

    def meanwhile() -> None:
        for opencode, session in zip(desk.opencodes, answered_there, strict=True):
            path = f"/session/{session}/permissions/{waits[session]}"
            opencode.call("POST", path, {"response": "once"})
        desk.claude.accept()
        until(files[0].exists, "Claude Code's command, which waits for no tray", 5)
        asked_meanwhile.extend(desk.ask(*desk.opencodes))

    stop_for(STOP or 6, [psutil.Process(desk.process.pid)], meanwhile)
    desk.shows(
        dict.fromkeys(answered_there, "completed")
        | dict.fromkeys([*answered_here, *asked_meanwhile], "waiting_for_permission")
    )
    until(lambda: len(desk.of_terminals()) == 1, "the request of Codex alone", RECOVERY)
    for session in (*answered_here, *asked_meanwhile):
        assert desk.answer(desk.waits()[session]) == "Allowed once: bash"
    assert "Allowed" not in desk.answer(waits[answered_there[0]])
    desk.answer(desk.of_terminals()[0])
    until(files[1].exists, "Codex' command")
    desk.shows(dict.fromkeys([*answered_there, *answered_here, *asked_meanwhile], "completed"))
    for sessions in (answered_there, answered_here, asked_meanwhile):
        assert [desk.ran(*each) for each in zip(desk.opencodes, sessions, strict=True)] == ONCE_EACH
    assert len(desk.answers()) == len(set(desk.answers())) == 2 * len(VERSIONS) + 1
    desk.has_released(used)


@pytest.mark.opencode
@pytest.mark.claude_code
@pytest.mark.codex
def test_agents_that_were_stopped_are_shown_as_they_are_again(desk: Desk) -> None:
    sessions = desk.ask(*desk.opencodes)
    files = desk.ask_in_terminals()
    until(lambda: len(desk.waits()) == len(VERSIONS) + 2, f"all requests; there are {desk.waits()}", 40)
    waits, used = desk.waits(), desk.used()
    late: list[str] = []

    def meanwhile() -> None:
        with ThreadPoolExecutor() as pool:
            late.extend(pool.map(desk.answer, [waits[session] for session in sessions]))

    stop_for(STOP or 36, desk.agents(), meanwhile)  # after 32 s without a pong, an OpenCode is disconnected
    assert all("not confirm" in said or "not connected" in said or "was lost" in said for said in late), late
    until(lambda: len(desk.of_terminals()) == 2, "the requests in terminals", RECOVERY)
    desk.settle(dict(zip(sessions, desk.opencodes, strict=True)))
    for request in desk.of_terminals():
        desk.answer(request)
    for file in files:
        until(file.exists, "the command in the terminal")
    assert [desk.ran(*each) for each in zip(desk.opencodes, sessions, strict=True)] == ONCE_EACH
    desk.has_released(used)


@pytest.mark.opencode
@pytest.mark.claude_code
@pytest.mark.codex
def test_a_machine_that_was_suspended_during_an_answer_gives_it_once(desk: Desk) -> None:
    sessions = desk.ask(*desk.opencodes)
    until(lambda: set(sessions) <= set(desk.waits()), "all requests", 40)
    agents = desk.agents()
    for agent in agents:
        agent.suspend()
    with ThreadPoolExecutor() as pool:
        waits = desk.waits()
        said = [pool.submit(desk.answer, waits[session]) for session in sessions]
        until(lambda: desk.is_sending(sessions), "the answers")
        stop_for(STOP or 4, [psutil.Process(desk.process.pid), *agents])
        print([each.result() for each in said])
    desk.settle(dict(zip(sessions, desk.opencodes, strict=True)))
    assert [desk.ran(*each) for each in zip(desk.opencodes, sessions, strict=True)] == ONCE_EACH


@pytest.mark.opencode
@pytest.mark.claude_code
@pytest.mark.codex
def test_a_tray_that_was_killed_shows_everything_after_its_next_start(desk: Desk) -> None:
    sessions, files = desk.ask(*desk.opencodes), desk.ask_in_terminals()
    until(lambda: len(desk.waits()) == len(VERSIONS) + 2, f"all requests; there are {desk.waits()}", 40)
    waits = desk.waits()
    desk.home.kill()
    time.sleep(STOP or 8)  # the plugins have waited for the longest time between two attempts
    desk.process = desk.home.tray("--no-notify")
    until(lambda: desk.waits() == waits, "the same requests", RECOVERY)
    print([desk.answer(request) for request in waits.values()])
    desk.claude.accept()  # its hook ended with the tray, so the dialog is answered there
    desk.shows(dict.fromkeys(sessions, "completed"))
    for file in files:
        until(file.exists, "the command in the terminal")
    assert [desk.ran(*each) for each in zip(desk.opencodes, sessions, strict=True)] == ONCE_EACH


@pytest.mark.opencode
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_whatever_a_network_does_to_frames_the_report_is_true_afterwards(desk: Desk, fault: Fault) -> None:
    before = desk.ask(*desk.opencodes)
    until(lambda: set(before) <= set(desk.waits()), "all requests", 40)
    waits, used = desk.waits(), desk.used()
    for relay in desk.relays:
        relay.spoil(fault)
    with ThreadPoolExecutor() as pool:
        said = [pool.submit(desk.answer, waits[session]) for session in before]
        meanwhile = desk.ask(*desk.opencodes)
        time.sleep(STOP if fault is Fault.STALL and STOP else 2.5)
        for relay in desk.relays:
            relay.spoil(None)
        print([each.result() for each in said])
    assert all(relay.forth.spoiled[fault] or relay.back.spoiled[fault] for relay in desk.relays)
    by_session = dict(zip(before, desk.opencodes, strict=True)) | dict(zip(meanwhile, desk.opencodes, strict=True))
    until(lambda: set(meanwhile) <= set(desk.waits()), "the new requests", RECOVERY)
    desk.settle(by_session)
    assert [desk.ran(opencode, session) for session, opencode in by_session.items()] == 2 * ONCE_EACH
    assert len(desk.answers()) == len(set(desk.answers()))
    desk.has_released(used)


def test_a_terminal_that_reads_no_output_does_not_stop_the_tray(home: Home) -> None:
    """As a terminal that is stopped, or after Ctrl+S in it."""
    process = home.tray("--no-notify", "--debug")
    with PluginThread(home.port, home.token) as plugin:
        plugin.send(SNAPSHOT)
        for number in range(1_000):
            plugin.event("permission.asked", **{**ASK, "id": f"per_{number}"})
            plugin.event("permission.replied", sessionID=SES, requestID=f"per_{number}", reply="once")
        plugin.event("permission.asked", **{**ASK, "id": "per_last"})
        until(lambda: home.status()["attention"]["waiting"] == 1, "the last request", RECOVERY)
        assert home.log.stat().st_size > 1 << 16  # more than a pipe holds
    process.terminate()
    assert process.wait(5) == 0  # although lines wait to be printed


class SetClock:
    """The wall clock of an app that a test sets. The monotonic clock goes on."""

    def __init__(self) -> None:
        self.ahead = 0.0  # s
        self.monotonic = time.monotonic

    def time(self) -> float:
        return time.time() + self.ahead

    def time_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_set_loses_and_doubles_no_notification(at_work: Callable[..., Any], days: int) -> None:
    clock = SetClock()

    async def test() -> None:
        async with at_work(clock) as (running, link):
            toasts = running.notifications
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.waiting == 1)
            assert toasts.shown == []  # a rule of OpenCode may still answer it
            clock.ahead = days * DAY
            await until_async(lambda: toasts.shown, "the notification", RECOVERY)
            assert (await link.receive())["method"] == "snapshot"
            await link.send({**SNAPSHOT, "permissions": [ASK]})
            answering = asyncio.create_task(running.choose(AnswerRequest(RequestKey(SERVER, ASK["id"]), ONCE)))
            call = await link.receive()
            assert call["method"] == "permission.reply"
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", sessionID=SES, requestID=ASK["id"], reply="once")
            assert (await answering).ok
            await link.event("permission.asked", **{**ASK, "id": "per_2"})
            await until_async(lambda: len(toasts.shown) == 2, "the second notification", RECOVERY)
            clock.ahead = 0
            assert (await link.receive())["method"] == "snapshot"
            await link.send({**SNAPSHOT, "permissions": [{**ASK, "id": "per_2"}]})
            await link.event("permission.replied", sessionID=SES, requestID="per_2", reply="reject")
            await until_async(lambda: toasts.withdrawn == [SES, SES], "the end of both", RECOVERY)
            assert len(toasts.shown) == 2

    run(test())


@pytest.mark.opencode
def test_of_two_trays_of_one_opencode_each_shows_a_request_and_one_answers_it(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("one", "two")]
    with ModelServer() as model, ExitStack() as stack:
        for home in homes:
            home.path.mkdir()
            stack.callback(home.stop)
            home.environment["OPENCODE_MONITOR_TOKEN"] = "token-of-both"
            home.tray("--no-notify")
        hosts = ",".join(f"127.0.0.1:{home.port}" for home in homes)
        environment = {"OPENCODE_MONITOR_HOST": hosts, "OPENCODE_MONITOR_TOKEN": "token-of-both"}
        opencodes = [
            stack.enter_context(OpenCode(version, tmp_path / version, model.port, environment)) for version in VERSIONS
        ]
        for opencode in opencodes:
            opencode.serve()
        sessions = [opencode.session() for opencode in opencodes]
        for opencode, session in zip(opencodes, sessions, strict=True):
            command = {"command": "echo ran >> ran.txt", "description": "run"}
            opencode.prompt(session, {"calls": [[["bash", command]]], "words": 3})

        def requests() -> list[str]:
            found = [request for home in homes for each in home.status()["sessions"] for request in each["requests"]]
            return [request["id"] for request in found if request["complete"]]

        until(lambda: len(requests()) == 2 * len(VERSIONS), "the requests in both", 40)
        with ThreadPoolExecutor() as pool:
            answers = [
                pool.submit(home.run, "reply", request, "once", "--port", str(home.port))
                for request in set(requests())
                for home in homes
            ]
            said = [answer.result().stdout.strip() for answer in answers]
        assert said.count("Allowed once: bash") >= len(VERSIONS), said
        ended = ["completed"] * len(sessions) * 2
        until(
            lambda: [home.session(each)["status"] for home in homes for each in sessions] == ended,
            f"the end in both; {said}",
        )
        assert [(opencode.project / "ran.txt").read_text() for opencode in opencodes] == ["ran\n"] * len(VERSIONS)


class NumberingPlugin:
    """A plugin with one session: it numbers its frames, sends snapshots when it is asked, and connects again."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/"
        self._pending: list[dict[str, Any]] = []
        self._link: FakePlugin | None = None
        self._number = 0

    async def run(self) -> None:
        while True:
            with suppress(AssertionError, TypeError, aiohttp.ClientError, OSError):  # the handshake may be spoiled too
                async with connection(self._url) as link:
                    await link.authenticate()
                    self._link, self._number = link, 0
                    await self._send_snapshot()
                    while (call := await link.receive_later()) is not None:
                        if call.get("method") == "snapshot":
                            await self._send_snapshot()
                            await link.send({"id": call["id"], "result": {}})
            self._link = None
            await asyncio.sleep(0.2)

    async def ask(self, name: str) -> None:
        self._pending.append({**ASK, "id": name})
        await self._event("permission.asked", self._pending[-1])

    async def reply(self, name: str) -> None:
        self._pending = [request for request in self._pending if request["id"] != name]
        await self._event("permission.replied", {"sessionID": SES, "requestID": name, "reply": "once"})

    async def _send_snapshot(self) -> None:
        await self._send({**SNAPSHOT, "permissions": self._pending, "number": self._number + 1})

    async def _event(self, kind: str, properties: Any) -> None:
        await self._send([kind, properties, self._number + 1])

    async def _send(self, frame: Any) -> None:
        if self._link is not None:
            self._number += 1
            with suppress(ConnectionError):
                await self._link.send(frame)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_whatever_a_network_does_to_frames_each_request_has_one_notification(tmp_path: Path, fault: Fault) -> None:
    async def test() -> None:
        async with RunningApp(tmp_path) as running:
            toasts = running.notifications
            with FaultyRelay(running.app.port) as relay:
                plugin = NumberingPlugin(relay.port)
                task = asyncio.create_task(plugin.run())
                await until_async(lambda: running.app.status()["sessions"])
                await plugin.ask("per_1")
                await until_async(lambda: len(toasts.shown) == 1, "the first notification", RECOVERY)
                relay.spoil(fault)
                for act, name in ((plugin.reply, "per_1"), (plugin.ask, "per_2"), (plugin.reply, "per_2")):
                    await act(name)
                await plugin.ask("per_3")
                await until_async(lambda: relay.forth.spoiled[fault], "a spoiled frame")
                await asyncio.sleep(2 * SWAP_WITHIN)  # it spoils more of them
                relay.spoil(None)
                await until_async(
                    lambda: requests_of(running) == ["per_3"], f"the request; {requests_of(running)}", RECOVERY
                )
                await until_async(lambda: len(toasts.shown) == 2, "the second notification", RECOVERY)
                await plugin.reply("per_3")
                await until_async(lambda: toasts.withdrawn[-1:] == [SES] and not running.waiting, "its end", RECOVERY)
                task.cancel()
            shown = [alert.identity.split()[1] for alert in toasts.shown]
            assert shown == ["per_1", "per_3"]

    run(test())


def requests_of(running: RunningApp) -> list[str]:
    return [request["id"] for session in running.app.status()["sessions"] for request in session["requests"]]


@pytest.mark.opencode
def test_a_server_without_the_plugin_that_was_stopped_is_shown_as_it_is_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "tray")
    home.path.mkdir()
    with ModelServer() as model, ExitStack() as stack:
        opencodes = [  # OpenCode 1.0 is not followed over HTTP
            stack.enter_context(OpenCode(version, tmp_path / version, model.port, {}, plugin=False))
            for version in (NEWEST, LAST_YEAR)
        ]
        home.environment["OPENCODE_TRAY_DISCOVERY_PROCESSES"] = "1"
        stack.callback(home.stop)
        home.tray("--no-notify")
        for opencode in opencodes:
            opencode.serve()
        answered, waits = ([opencode.session() for opencode in opencodes] for _ in range(2))
        for opencode, *sessions in zip(opencodes, answered, waits, strict=True):
            for session in sessions:
                opencode.prompt(
                    session, {"calls": [[["bash", {"command": "echo hi", "description": "hi"}]]], "words": 3}
                )

        def waiting() -> list[str]:
            found = home.status()["sessions"]
            return sorted(each["id"] for each in found if each["id"] in answered + waits and each["requests"])

        until(lambda: waiting() == sorted(answered + waits), "all requests", 60)
        stop_for(STOP or 4, [psutil.Process(opencode.pid) for opencode in opencodes])
        for opencode, session in zip(opencodes, answered, strict=True):
            for each in opencode.call("GET", "/permission"):
                if each["sessionID"] == session:
                    opencode.call("POST", f"/session/{session}/permissions/{each['id']}", {"response": "once"})
        until(lambda: waiting() == sorted(waits), "the requests that are left", RECOVERY)
        ended = ["completed"] * len(answered)
        until(lambda: [home.session(each)["status"] for each in answered] == ended, "the end of the turns", RECOVERY)
