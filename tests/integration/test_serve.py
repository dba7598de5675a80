"""`opencode-tray serve` with the real OpenCode: many servers, what can happen to them, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from model_server import ModelServer
from opencode import LAST_YEAR, NEWEST, OpenCode
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
from waiting import until

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


class Shell:
    """A shell with its own home folder, in which OpenCode is installed."""

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
        """Return the servers of this project; the machine may run others."""
        found = json.loads(self.serve("list", "--json"))
        return {server["id"]: server for server in found if server["directory"] == str(self.project)}

    def started(self, *words: str) -> list[dict[str, Any]]:
        result = json.loads(self.serve("start", "--json", *words))
        assert result["failed"] == []
        return list(result["started"])

    def files(self) -> list[Path]:
        """Return the records and logs of servers."""
        folders = [self.opencode.home / "data/opencode-tray", self.opencode.home / "state/opencode-tray"]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def processes(self) -> list[psutil.Process]:
        """Return every OpenCode process in this project."""
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
    """Listen on the port, unless another program does already."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield


def script(**reply: Any) -> str:
    """Return a unique prompt: the model server answers each prompt once."""
    return f"go {time.monotonic_ns()} ##{json.dumps(reply)}"


def test_a_server_is_started_prompted_restarted_and_stopped(shell: Shell) -> None:
    (server,) = shell.started()
    name = server["id"]
    listed = shell.listed()[name]
    assert (listed["state"], listed["version"], listed["pid"], listed["started_by"]) == (
        "healthy", shell.opencode.version, server["pid"], "opencode-tray",
    )  # fmt: skip
    assert listed["memory"] > 10_000_000
    assert 0 <= listed["uptime"] < 60
    assert listed["sessions"] == 0

    # The password is in the private record, and nowhere that other users can read.
    password = shell.serve("password", name).strip()
    record = shell.opencode.home / f"data/opencode-tray/servers/{name}.json"
    assert (record.stat().st_mode & 0o777, password in record.read_text()) == (0o600, True)
    assert password not in " ".join(psutil.Process(server["pid"]).cmdline())
    assert password not in Path(server["log"]).read_text() + json.dumps(shell.listed())

    # A prompt streams its answer; the exit code reports the outcome.
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


def test_several_first_servers_start_and_are_listed_at_any_width(
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


def test_events_are_printed_until_the_server_ends(shell: Shell) -> None:
    (server,) = shell.started()
    name = server["id"]
    words, lines = [sys.executable, "-m", "tray", "serve", "events", name], list[str]()
    following = [
        subprocess.Popen([*words, *more], env=shell.home.environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        for more, errors in (((), subprocess.STDOUT), (("--json",), subprocess.DEVNULL))
    ]
    try:
        until(lambda: shell.listed()[name]["connections"] >= len(following), "both to listen", 20)
        shell.serve("send", name, script(words=2))
        os.kill(server["pid"], signal.SIGKILL)
        lines, json_lines = (process.communicate(timeout=20)[0].splitlines() for process in following)
        assert [process.returncode for process in following] == [1, 1]
    finally:
        for process in following:
            process.kill()
            process.wait()
    assert lines.pop() == f"opencode-tray: {name}: the connection was lost"
    assert any(re.fullmatch(rf"\d\d:\d\d:\d\d {name} session\.idle \{{.*ses_.*\}}", line) for line in lines), lines
    assert not any("heartbeat" in line for line in lines)
    assert json.loads(json_lines.pop()) == {"ok": False, "message": f"{name}: the connection was lost"}
    events = [json.loads(line) for line in json_lines]
    ended = [event for event in events if event["payload"]["type"] == "session.idle"]
    assert {event["directory"] for event in ended} == {str(shell.project)}
    assert {"session.created", "message.updated", "message.part.updated"} <= {
        event["payload"]["type"] for event in events
    }


@pytest.mark.fault
def test_twenty_servers_of_which_some_are_killed_hung_or_locked(old_shell: Shell) -> None:
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
    until(lambda: not psutil.pid_exists(servers[killed]["pid"]), "the end of the killed server", 10)
    states = {name: server["state"] for name, server in shell.listed().items()}
    assert (states.pop(killed), states.pop(hung), states.pop(locked)) == ("ended", "silent", "locked")
    assert set(states.values()) == {"healthy"}

    # OpenCode sets up its storage for the first session, which 1.1 cannot do in parallel.
    well = [name for name in names if name in states]
    shell.serve("send", well[0], script(words=1))

    turns = [json.loads(line) for line in shell.serve("send", "--all", "--json", script(words=1)).splitlines()]
    assert sorted((turn["server"], turn["output"].strip()) for turn in turns) == sorted(
        (name, "word0") for name in well
    )

    # A batch reports the servers that cannot take prompts; the other prompts still run.
    batch = shell.project / "batch"
    batch.write_text("# all of them\n\n" + "".join(f"{name}: {script(words=2)}\n" for name in well), encoding="utf-8")
    turns = [json.loads(line) for line in shell.serve("batch", str(batch), "--parallel", "6", "--json").splitlines()]
    assert [turn for turn in turns if not turn["ok"]] == []
    assert sorted(turn["server"] for turn in turns) == sorted(well)
    assert {(turn["ok"], turn["output"].strip()) for turn in turns} == {(True, "word0 word1")}
    batch.write_text(f"{locked}: hello\n{killed}: hello\n{well[0]}: {script(words=1)}\n", encoding="utf-8")
    table = shell.serve("batch", str(batch), expected=1)
    assert re.search(rf"{locked} +✕.*password", table), table
    assert re.search(rf"{killed} +✕.*the server has ended", table), table
    assert re.search(rf"{well[0]} +✓.*word0", table), table

    # A process that has reused the ID of an ended server is not stopped.
    other_process = subprocess.Popen(["sleep", "600"])
    try:
        other = json.loads((record.parent / f"{killed}.json").read_text()) | {"pid": other_process.pid}
        (record.parent / f"{killed}.json").write_text(json.dumps(other))
        shell.serve("stop", "--all")
        assert other_process.poll() is None
    finally:
        other_process.kill()
        other_process.wait()
    assert (shell.processes(), shell.listed()) == ([], {})
    assert not any(is_taken(int(name)) for name in names)
    shell.serve("clean")
    assert [path for path in shell.files() if "servers" in path.parts] == []


def test_a_port_in_use_is_skipped_or_reported_if_it_was_requested(old_shell: Shell) -> None:
    shell = old_shell
    first = int(shell.started()[0]["id"])
    with taken(first + 1):
        (second,) = shell.started()
        assert int(second["id"]) not in (first, first + 1)
        assert f"port {first + 1} is in use" in shell.serve("start", "--port", str(first + 1), expected=1)
    logs = {path.stem for path in shell.files() if path.suffix == ".log"}
    assert logs == {str(first), second["id"]}  # no log of a failed attempt
    assert "needs a terminal" in shell.serve("attach", str(first), expected=2)  # a pipe is not a terminal
    shell.serve("stop", "--all")
    assert shell.processes() == []


def test_a_failed_start_prints_the_reason_and_leaves_nothing_behind(old_shell: Shell) -> None:
    shell = old_shell
    config = shell.opencode.home / "config/opencode/opencode.json"
    config.write_text("{ this is no configuration", encoding="utf-8")
    output = shell.serve("start", expected=1)
    assert "opencode.json" in output, output
    assert (shell.processes(), shell.listed()) == ([], {})
    assert [path for path in shell.files() if path.suffix == ".json"] == []
    assert "not a directory: /nowhere" in shell.serve("start", "--dir", "/nowhere", expected=1)
    assert "was not found" in shell.serve("start", expected=1, OPENCODE_TRAY_ATTACH_OPENCODE="/no/opencode")


def test_passwords_are_not_arguments_and_required_for_open_servers(old_shell: Shell) -> None:
    shell = old_shell
    assert "--password must be auto" in shell.serve("start", "--password", "secret", expected=2)
    assert "needs a password" in shell.serve("start", "--hostname", "0.0.0.0", "--password", "none", expected=2)  # noqa: S104
    shell.serve("start", "--password", "env:MINE", MINE="secret-of-mine")
    (name,) = shell.listed()
    assert shell.serve("password", name) == "secret-of-mine\n"
    (holder,) = (path for path in shell.files() if b"secret-of-mine" in path.read_bytes())
    assert (holder.name, stat.S_IMODE(holder.stat().st_mode)) == (f"{name}.json", 0o600)
    shown = shell.serve("list") + shell.serve("list", "--json") + shell.serve("logs", name, "-n", "100")
    shown += " ".join(word for process in shell.processes() for word in process.cmdline())
    assert "secret-of-mine" not in shown


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


def test_a_log_is_followed_in_whole_lines_and_after_its_rotation(tmp_path: Path) -> None:
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
        log.write_text("anew\n")  # as a rotation does
        assert following.stdout.readline() == "anew\n"
    finally:
        home.stop()


def test_ctrl_c_stops_the_turns_of_a_batch(old_shell: Shell) -> None:
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
            until(lambda: len(shell.opencode.call("GET", "/session/status")) == 2, "both turns", 20)
        finally:
            begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=20)
    assert begun.returncode == 130
    until(lambda: shell.opencode.call("GET", "/session/status") == {}, "the end of both turns", 10)


class FakeOpener:
    """Records what would be opened."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def attach(self, url: str, directory: str) -> CommandResult:
        self.opened.append(f"attach {url} {directory}")
        return CommandResult("Opened")

    async def copy(self, text: str) -> CommandResult:
        self.opened.append(f"copy {text}")
        return CommandResult("Copied")


def test_the_server_commands_of_the_menu(old_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell, opener, prompt = old_shell, FakeOpener(), script(words=2)
    typed = [str(shell.project), prompt]
    for name, value in shell.home.environment.items():
        monkeypatch.setenv(name, value)

    async def ask(title: str, question: str, first: str) -> str | None:
        return typed.pop(0) if typed else None

    async def test() -> None:
        actions = ServerActions(
            Paths.of(os.environ), lambda: load_settings(shell.project / "none", {}, {}), opener, ask
        )
        assert (await actions.execute(StartServer())).ok  # asks for the folder
        (server,) = shell.listed().values()
        url, pid = server["url"], server["pid"]

        assert (await actions.execute(PromptServer(url))).message == "Sent"
        until(lambda: prompt in shell.prompts, "the prompt", 20)
        assert (await actions.execute(PromptServer(url))).message == "Nothing was sent"  # cancelled
        await actions.execute(AttachServer(url))
        await actions.execute(CopyServerAddress(url))
        assert opener.opened == [f"attach {url} {shell.project}", f"copy {url}"]

        assert (await actions.execute(RestartServer(url))).ok
        (again,) = shell.listed().values()
        assert (again["url"], again["state"], again["pid"] != pid) == (url, "healthy", True)
        assert (await actions.execute(StopServer(url))).message == f"Stopped {again['id']}"
        assert not (await actions.execute(StopServer(url))).ok  # a menu may still show it
        assert (await actions.execute(StopServers())).message == "Stopped 0 servers"
        assert (await actions.execute(CleanServers())).message.startswith("Removed 1")  # its log
        assert not (await actions.execute(StartServer("/nowhere"))).ok

    asyncio.run(test())
    assert shell.processes() == []


def test_the_tray_shows_started_servers_which_outlive_it(old_shell: Shell) -> None:
    shell = old_shell
    shell.home.environment["OPENCODE_TRAY_DISCOVERY_PROCESSES"] = "1"
    shell.home.tray("--no-notify")
    try:
        (server,) = shell.started()
        mine = str(shell.project)
        until(
            lambda: [s for s in shell.home.status()["servers"] if s["directory"] == mine and s["source"] == "http"],
            "the server in the tray",
            20,
        )
        shell.serve("send", server["id"], script(words=2))
        sessions = until(
            lambda: [s for s in shell.home.status()["sessions"] if s["directory"] == mine], "its session", 20
        )
        assert sessions[0]["status"] in ("completed", "busy", "idle")
    finally:
        shell.home.stop()
    assert shell.listed()[server["id"]]["state"] == "healthy"
