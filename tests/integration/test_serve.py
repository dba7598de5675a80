"""`opencode-tray serve` with the real OpenCode: many servers, each accident that can befall one, and nothing left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from model_server import ModelServer
from opencode import LAST_YEAR, NEWEST, OpenCode, until
from tray.actions.serve.server_actions import ServerActions
from tray.cli.main import main
from tray.core.commands import (
    AttachServer,
    CleanServers,
    CommandResult,
    CopyServerAddress,
    PromptServer,
    RestartServer,
    StartServer,
    StopServer,
    StopServers,
)
from tray.storage.servers import StartedServer, write_server
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths
from tray_process import Home

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.skipif(sys.platform == "win32", reason="its accidents are signals"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


class Shell:
    """A person's shell in a home of its own, in which OpenCode is installed."""

    def __init__(self, version: str, folder: Path, model: ModelServer) -> None:
        opencode = OpenCode(version, folder / "home", model.port, {}, plugin=False)
        self.project = opencode.project
        self.home = Home(folder)
        self.home.environment |= opencode.environment
        self.home.environment["PATH"] = f"{opencode.binary.parent}:{os.environ['PATH']}"
        self.opencode = opencode
        self.prompts = model.prompts

    def serve(self, *words: str, expected: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tray", "serve", *words],
            env={**self.home.environment, **environment},
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == expected, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def listed(self) -> dict[str, dict[str, Any]]:
        """The servers of this shell's project; the machine may run others."""
        found = json.loads(self.serve("list", "--json"))
        return {server["id"]: server for server in found if server["directory"] == str(self.project)}

    def started(self, *words: str) -> list[dict[str, Any]]:
        told = json.loads(self.serve("start", "--json", *words))
        assert told["failed"] == []
        return list(told["started"])

    def files(self) -> list[Path]:
        """What there is of servers, their passwords and their logs."""
        folders = [self.opencode.home / "data/opencode-tray", self.opencode.home / "state/opencode-tray"]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def processes(self) -> list[psutil.Process]:
        """Every OpenCode that works in this shell's project."""
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "opencode" and process.cwd() == str(self.project):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def close(self) -> None:
        for process in self.processes():
            process.kill()


@pytest.fixture(params=[NEWEST, LAST_YEAR])
def shell(request: pytest.FixtureRequest, tmp_path: Path, model: ModelServer) -> Iterator[Shell]:
    made = Shell(request.param, tmp_path, model)
    yield made
    made.close()


@pytest.fixture
def new_shell(tmp_path: Path, model: ModelServer) -> Iterator[Shell]:
    made = Shell(NEWEST, tmp_path, model)
    yield made
    made.close()


@pytest.fixture
def old_shell(tmp_path: Path, model: ModelServer) -> Iterator[Shell]:
    made = Shell(LAST_YEAR, tmp_path, model)
    yield made
    made.close()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody else has the port, if nobody has it already."""
    if is_taken(port):
        yield
        return
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", port))
        thief.listen()
        yield


def script(**told: Any) -> str:
    """A prompt like no other: the model refuses each but once."""
    return f"go {time.monotonic_ns()} ##{json.dumps(told)}"


def test_the_life_of_a_server(shell: Shell) -> None:
    (server,) = shell.started()
    name = server["id"]
    listed = shell.listed()[name]
    assert (listed["state"], listed["version"], listed["pid"], listed["started_by"]) == (
        "healthy", shell.opencode.version, server["pid"], "opencode-tray",
    )  # fmt: skip
    assert listed["memory"] > 10_000_000
    assert 0 <= listed["uptime"] < 60
    assert listed["sessions"] == 0

    # The password is in its file, which is private, and nowhere that others could read.
    password = shell.serve("password", name).strip()
    record = shell.opencode.home / f"data/opencode-tray/servers/{name}.json"
    assert (record.stat().st_mode & 0o777, password in record.read_text()) == (0o600, True)
    assert password not in " ".join(psutil.Process(server["pid"]).cmdline())
    assert password not in Path(server["log"]).read_text() + json.dumps(shell.listed())

    # A prompt streams its answer; the exit code says how it ended.
    assert shell.serve("send", name, script(words=3)) == "word0 word1 word2 \n"
    lines = [json.loads(line) for line in shell.serve("send", name, "--json", script(words=2)).splitlines()]
    assert [line["type"] for line in lines] == ["step_start", "text", "step_finish"]
    assert lines[1]["part"]["text"].strip() == "word0 word1"
    assert "scripted 400" in shell.serve("send", name, script(http=400), expected=1)
    (shell.project / "notes.txt").write_text("remember", encoding="utf-8")
    assert shell.serve("send", name, "--file", "notes.txt", script(words=1)) == "word0 \n"
    assert shell.listed()[name]["sessions"] == 4
    assert shell.serve("logs", name, "-n", "5").count("\n") == 5

    shell.serve("restart", name)
    again = shell.listed()[name]
    assert (again["state"], again["pid"] != server["pid"]) == ("healthy", True)
    assert shell.serve("password", name).strip() == password
    assert shell.serve("stop", name) == f"Stopped {name}\n"
    assert (shell.processes(), shell.listed(), is_taken(int(name))) == ([], {}, False)
    shell.serve("clean")
    assert shell.files() == []


def test_the_first_of_all_opencodes_may_be_several_and_each_is_listed_at_any_width(
    new_shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [server["id"] for server in new_shell.started("--count", "4")]
    for name, value in new_shell.home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = {}
    for width in ("60", "1000"):
        monkeypatch.setenv("COLUMNS", width)
        assert main(["serve", "list"]) == 0
        shown[width] = capsys.readouterr().out.splitlines()
    for name in names:
        log = str(new_shell.opencode.home / f"state/opencode-tray/log/servers/{name}.log")
        (at,) = (n for n, line in enumerate(shown["60"]) if line.startswith(f"{name}  healthy  OpenCode {NEWEST}  up "))
        assert shown["60"][at + 1 : at + 3] == [
            f"      {new_shell.project}", f"      started by opencode-tray, log {log}",
        ]  # fmt: skip
        (line,) = (line for line in shown["1000"] if line.startswith(f"{name} "))
        assert re.search(rf"healthy +{NEWEST} +\d+s +\d+ MB +0 +0 +{new_shell.project} +opencode-tray +{log}$", line)


def test_what_happens_in_a_server_is_told_until_its_end(shell: Shell) -> None:
    (server,) = shell.started()
    name = server["id"]
    words, lines = [sys.executable, "-m", "tray", "serve", "events", name], list[str]()
    following = [
        subprocess.Popen([*words, *more], env=shell.home.environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        for more, errors in (((), subprocess.STDOUT), (("--json",), subprocess.DEVNULL))
    ]
    try:
        until(lambda: shell.listed()[name]["connections"] >= len(following), 20, "both to listen")
        shell.serve("send", name, script(words=2))
        os.kill(server["pid"], signal.SIGKILL)
        lines, told = (process.communicate(timeout=20)[0].splitlines() for process in following)
        assert [process.returncode for process in following] == [1, 1]
    finally:
        for process in following:
            process.kill()
            process.wait()
    assert lines.pop() == f"opencode-tray: {name}: the connection was lost"
    assert any(re.fullmatch(rf"\d\d:\d\d:\d\d {name} session\.idle \{{.*ses_.*\}}", line) for line in lines), lines
    assert not any("heartbeat" in line for line in lines)
    assert json.loads(told.pop()) == {"ok": False, "message": f"{name}: the connection was lost"}
    events = [json.loads(line) for line in told]
    ended = [event for event in events if event["payload"]["type"] == "session.idle"]
    assert {event["directory"] for event in ended} == {str(shell.project)}
    assert {"session.created", "message.updated", "message.part.updated"} <= {
        event["payload"]["type"] for event in events
    }


def test_twenty_servers_and_what_can_befall_them(old_shell: Shell) -> None:
    shell = old_shell
    names = [server["id"] for server in shell.started("--count", "20")]
    assert len(set(names)) == 20
    servers = shell.listed()
    assert {server["state"] for server in servers.values()} == {"healthy"}

    killed, hung, locked = names[0], names[1], names[2]
    os.kill(servers[killed]["pid"], signal.SIGKILL)
    os.kill(servers[hung]["pid"], signal.SIGSTOP)
    record = shell.opencode.home / f"data/opencode-tray/servers/{locked}.json"
    wrong = json.loads(record.read_text()) | {"password": "wrong"}
    record.write_text(json.dumps(wrong))
    until(lambda: not psutil.pid_exists(servers[killed]["pid"]), 10, "the end of the one that was killed")
    states = {name: server["state"] for name, server in shell.listed().items()}
    assert (states.pop(killed), states.pop(hung), states.pop(locked)) == ("ended", "silent", "locked")
    assert set(states.values()) == {"healthy"}

    # The first of all sessions makes OpenCode set its storage up, which 1.1 cannot do many at a time.
    well = [name for name in names if name in states]
    shell.serve("send", well[0], script(words=1))

    told = [json.loads(line) for line in shell.serve("send", "--all", "--json", script(words=1)).splitlines()]
    assert sorted((one["server"], one["output"].strip()) for one in told) == sorted((name, "word0") for name in well)

    # Each prompt of a batch goes to a server that can take it; the three others are said, and cost the rest nothing.
    batch = shell.project / "batch"
    batch.write_text("# all of them\n\n" + "".join(f"{name}: {script(words=2)}\n" for name in well), encoding="utf-8")
    told = [json.loads(line) for line in shell.serve("batch", str(batch), "--parallel", "6", "--json").splitlines()]
    assert [one for one in told if not one["ok"]] == []
    assert sorted(one["server"] for one in told) == sorted(well)
    assert {(one["ok"], one["output"].strip()) for one in told} == {(True, "word0 word1")}
    batch.write_text(f"{locked}: hello\n{killed}: hello\n{well[0]}: {script(words=1)}\n", encoding="utf-8")
    table = shell.serve("batch", str(batch), expected=1)
    assert re.search(rf"{locked} +✕.*password", table), table
    assert re.search(rf"{killed} +✕.*it has ended", table), table
    assert re.search(rf"{well[0]} +✓.*word0", table), table

    # A number that another process has by now is not its server any more.
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        other = json.loads((record.parent / f"{killed}.json").read_text()) | {"pid": stranger.pid}
        (record.parent / f"{killed}.json").write_text(json.dumps(other))
        shell.serve("stop", "--all")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert (shell.processes(), shell.listed()) == ([], {})
    assert not any(is_taken(int(name)) for name in names)
    shell.serve("clean")
    assert [path for path in shell.files() if "servers" in path.parts] == []


def test_a_port_that_somebody_else_has_is_passed_over_and_one_that_was_asked_for_is_said(old_shell: Shell) -> None:
    shell = old_shell
    first = int(shell.started()[0]["id"])
    with taken(first + 1):  # nobody looks whether it is free: the server itself finds out
        (second,) = shell.started()
        assert int(second["id"]) not in (first, first + 1)
        assert f"port {first + 1} is taken" in shell.serve("start", "--port", str(first + 1), expected=1)
    logs = {path.stem for path in shell.files() if path.suffix == ".log"}
    assert logs == {str(first), second["id"]}  # whom a port did not go to has nothing to tell
    assert "needs a terminal" in shell.serve("attach", str(first), expected=2)  # a pipe is none
    shell.serve("stop", "--all")
    assert shell.processes() == []


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(old_shell: Shell) -> None:
    shell = old_shell
    config = shell.opencode.home / "config/opencode/opencode.json"
    config.write_text("{ this is no configuration", encoding="utf-8")
    told = shell.serve("start", expected=1)
    assert "opencode.json" in told, told
    assert (shell.processes(), shell.listed()) == ([], {})
    assert [path for path in shell.files() if path.suffix == ".json"] == []
    assert "is no directory" in shell.serve("start", "--dir", "/nowhere", expected=1)
    assert "was not found" in shell.serve("start", expected=1, OPENCODE_TRAY_ATTACH_OPENCODE="/no/opencode")


def test_the_password_is_no_argument_and_a_server_for_others_has_one(old_shell: Shell) -> None:
    shell = old_shell
    assert "--password must be auto" in shell.serve("start", "--password", "secret", expected=2)
    assert "needs a password" in shell.serve("start", "--hostname", "0.0.0.0", "--password", "none", expected=2)  # noqa: S104
    shell.serve("start", "--password", "env:MINE", MINE="secret-of-mine")
    (name,) = shell.listed()
    assert shell.serve("password", name) == "secret-of-mine\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("start", "--count", "51"), "from 1 to 50"),
        (("start", "--port", "65536"), "from 1 to 65535"),
        (("start", "--count", "2", "--port", "4096"), "--port works only for a single server"),
        (("logs", "4096", "-n", "0"), "from 1 to"),
        (("stop",), "pass the IDs of the servers"),
        (("stop", "--all", "4096"), "pass the IDs of the servers"),
        (("send", "4096"), "usage: opencode-tray serve send ID PROMPT"),
        (("send", "--all"), "missing prompt"),
        (("send", "--all", "go", "--session", "ses_1"), "work only for a single server"),
        (("send", "4096", "go", "--file", "/no/file"), "not a file"),
        (("send", "4096", "go", "--fiel", "/no/file"), "unrecognized arguments"),
        (("batch", "/no/file"), "No such file"),
        (("start", "--password", "ask"), "no password was typed"),
    ],
)
def test_invalid_arguments_are_refused(words: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tray", "serve", *words], env=Home(tmp_path).environment, cwd=tmp_path,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False, start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, expected in done.stderr) == (2, True), done.stderr


def test_a_log_is_followed_by_whole_lines_and_over_its_rotation(tmp_path: Path) -> None:
    home, log = Home(tmp_path), tmp_path / "log"
    ended = StartedServer(name="1", url="http://127.0.0.1:1", directory="/work", pid=1, started=0, log=str(log))
    write_server(tmp_path / "data/opencode-tray/servers", ended)
    log.write_text("".join(f"line {number}\n" for number in range(9)) + "begun ")
    assert home.run("serve", "logs", "1", "-n", "2").stdout == "line 8\nbegun\n"
    following = home.start("serve", "logs", "1", "-n", "1", "--follow")
    assert following.stdout is not None
    try:
        assert following.stdout.readline() == "line 8\n"
        with log.open("a") as stream:
            stream.write("and ended\nmore\n")
        assert [following.stdout.readline() for _ in range(2)] == ["begun and ended\n", "more\n"]
        log.write_text("anew\n")  # as it is when it has become too long
        assert following.stdout.readline() == "anew\n"
    finally:
        home.stop()


def test_ctrl_c_stops_the_turns_that_a_batch_has_begun(old_shell: Shell) -> None:
    shell = old_shell
    (server,) = shell.started()
    batch = shell.project / "batch"
    batch.write_text(f"{script(words=2000, pause=0.05)}\n" * 2, encoding="utf-8")
    begun = subprocess.Popen(
        [sys.executable, "-m", "tray", "serve", "batch", str(batch)],
        env=shell.home.environment, cwd=shell.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    shell.opencode.url = server["url"]
    shell.opencode.environment["OPENCODE_SERVER_PASSWORD"] = shell.serve("password", server["id"]).strip()
    with begun:
        try:
            until(lambda: len(shell.opencode.call("GET", "/session/status")) == 2, 20, "both turns")
        finally:
            begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=20)
    assert begun.returncode == 130
    until(lambda: shell.opencode.call("GET", "/session/status") == {}, 10, "the end of both turns")


class Ways:
    """The ways to a server, remembered instead of gone."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    async def attach(self, url: str, directory: str) -> CommandResult:
        self.gone.append(f"attach {url} {directory}")
        return CommandResult("There")

    async def copy(self, text: str) -> CommandResult:
        self.gone.append(f"copy {text}")
        return CommandResult("Copied")


def test_the_menu_does_with_servers_what_the_commands_do(old_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell, ways, prompt = old_shell, Ways(), script(words=2)
    typed = [str(shell.project), prompt]
    for name, value in shell.home.environment.items():
        monkeypatch.setenv(name, value)

    async def ask(title: str, question: str, first: str) -> str | None:
        return typed.pop(0) if typed else None

    async def story() -> None:
        deeds = ServerActions(Paths.of(os.environ), lambda: load_settings(shell.project / "none", {}, {}), ways, ask)
        assert (await deeds.carry_out(StartServer())).ok  # the folder is asked for
        (server,) = shell.listed().values()
        url, pid = server["url"], server["pid"]

        assert (await deeds.carry_out(PromptServer(url))).message == "Sent"
        until(lambda: prompt in shell.prompts, 20, "the prompt")
        assert (await deeds.carry_out(PromptServer(url))).message == "Nothing was sent"  # they thought better of it
        await deeds.carry_out(AttachServer(url))
        await deeds.carry_out(CopyServerAddress(url))
        assert ways.gone == [f"attach {url} {shell.project}", f"copy {url}"]

        assert (await deeds.carry_out(RestartServer(url))).ok
        (again,) = shell.listed().values()
        assert (again["url"], again["state"], again["pid"] != pid) == (url, "healthy", True)
        assert (await deeds.carry_out(StopServer(url))).message == f"Stopped {again['id']}"
        assert not (await deeds.carry_out(StopServer(url))).ok  # a menu may show what has ended
        assert (await deeds.carry_out(StopServers())).message == "Stopped 0"
        assert (await deeds.carry_out(CleanServers())).message.startswith("Removed 1")  # its log
        assert not (await deeds.carry_out(StartServer("/nowhere"))).ok

    asyncio.run(story())
    assert shell.processes() == []


def test_the_tray_shows_what_was_started_and_goes_without_it(old_shell: Shell) -> None:
    shell = old_shell
    shell.home.environment["OPENCODE_TRAY_DISCOVERY_PROCESSES"] = "1"
    shell.home.tray("--no-notify")
    try:
        (server,) = shell.started()
        mine = str(shell.project)
        until(
            lambda: [s for s in shell.home.status()["servers"] if s["directory"] == mine and s["source"] == "http"],
            20,
            "the server in the tray",
        )
        shell.serve("send", server["id"], script(words=2))
        told = until(lambda: [s for s in shell.home.status()["sessions"] if s["directory"] == mine], 20, "its session")
        assert told[0]["status"] in ("completed", "busy", "idle")
    finally:
        shell.home.stop()
    assert shell.listed()[server["id"]]["state"] == "healthy"
