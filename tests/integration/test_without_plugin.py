"""The real OpenCode without the plugin: its sessions are read over HTTP or from local files."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model_server import TITLE, ModelServer
from opencode import LAST_YEAR, NEWEST, OpenCode
from tray.sources.local.database import read_sessions
from tray_process import Home
from waiting import until

pytestmark = pytest.mark.opencode

BASH = [["bash", {"command": "echo hi", "description": "say hi"}]]
OPTIONS = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
ASK = [["question", {"questions": [{"question": "Which colour?", "header": "Colour", "options": OPTIONS}]}]]
TODO = [["todowrite", {"todos": [{"id": "1", "content": "Write it", "status": "in_progress", "priority": "high"}]}]]
SCRIPT = {"calls": [BASH, TODO, ASK], "words": 3}


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


class TrayAndOpenCode:
    """A tray with discovery, and an OpenCode without the plugin."""

    def __init__(self, version: str, folder: Path, model: ModelServer, **environment: str) -> None:
        self.opencode = OpenCode(version, folder / "home", model.port, environment, plugin=False)
        self.home = Home(folder / "tray")
        self.home.path.mkdir()
        self.home.environment |= {
            "OPENCODE_TRAY_DISCOVERY_PROCESSES": "1",
            "XDG_DATA_HOME": str(self.opencode.home / "data"),  # as for a user, shared by OpenCode and tray
        }
        self.home.tray("--no-notify")

    def close(self) -> None:
        self.opencode.kill()
        self.home.stop()

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions of this OpenCode: the machine may run others."""
        mine = str(self.opencode.project)
        return [session for session in self.home.status()["sessions"] if session["directory"] == mine]

    def servers(self) -> list[dict[str, Any]]:
        mine = str(self.opencode.project)
        return [server for server in self.home.status()["servers"] if server["directory"] == mine]

    def session(self, wanted: Callable[[dict[str, Any]], Any], deadline: float = 20) -> dict[str, Any]:
        """Return the only session as soon as `wanted` is true for it."""
        last: list[Any] = []

        def look() -> Any:
            last[:] = self.sessions()
            assert len(last) <= 1, last
            return last and wanted(last[0]) and last[0]

        try:
            found: dict[str, Any] = until(look, deadline=deadline)
        except BaseException:
            print("the last report:", last)
            raise
        return found

    def status(self, *statuses: str) -> dict[str, Any]:
        return self.session(lambda session: session["status"] in statuses)

    def reply(self, request: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.home.run("reply", request, *words, "--port", str(self.home.port))


@pytest.fixture(params=[NEWEST, LAST_YEAR])
def setup(request: pytest.FixtureRequest, tmp_path: Path, model: ModelServer) -> Iterator[TrayAndOpenCode]:
    made = TrayAndOpenCode(request.param, tmp_path, model)
    yield made
    made.close()


def test_a_served_session_is_shown_answered_and_disconnected_with_its_server(setup: TrayAndOpenCode) -> None:
    setup.opencode.serve()
    name = setup.opencode.session()
    setup.status("idle")
    setup.opencode.prompt(name, SCRIPT)
    asked = setup.session(lambda found: found["requests"] and found["requests"][0]["complete"])  # later in 1.1
    (permission,) = asked["requests"]
    assert (asked["status"], permission["detail"]) == ("waiting_for_permission", "echo hi")
    done = setup.reply(permission["id"], "once")
    assert (done.returncode, done.stdout) == (0, "Allowed once: bash\n")
    (question,) = setup.status("waiting_for_answer")["requests"]
    done = setup.reply(question["id"], "--answer", "Blue")
    assert (done.returncode, done.stdout) == (0, "Answered: Colour\n")
    finished = setup.status("completed")
    assert (finished["title"], finished["last_output"], finished["cost"] > 0) == (TITLE, "word0 word1 word2", True)
    assert [todo["content"] for todo in finished["todos"]] == ["Write it"]
    assert setup.servers()[0]["source"] == "http"
    done = setup.home.run("session", "new", name, 'go ##{"words": 2}', "--port", str(setup.home.port))
    started = done.stdout.strip().removeprefix("Started: ")
    assert done.returncode == 0, done.stderr
    until(lambda: {each["id"]: each["last_output"] for each in setup.sessions()}.get(started) == "word0 word1")
    assert setup.home.run("session", "delete", started, "--yes", "--port", str(setup.home.port)).returncode == 0
    until(lambda: len(setup.sessions()) == 1, "the end of the new session")
    setup.opencode.kill()
    setup.status("disconnected")


def test_a_terminal_ui_without_the_plugin_is_read_only_and_explains_why(
    setup: TrayAndOpenCode, model: ModelServer
) -> None:
    before = len(model.prompts)
    setup.opencode.tui()
    setup.opencode.type(f"go ##{json.dumps(SCRIPT)}", lambda: len(model.prompts) > before)
    (permission,) = setup.status("waiting_for_permission")["requests"]
    assert ("echo hi" in permission["detail"], permission["complete"]) == (True, False)
    (server,) = setup.servers()
    assert (server["source"], server["verified"]) == ("local", True)
    refused = setup.reply(permission["id"], "once")
    assert (refused.returncode, "opencode-tray doctor" in refused.stderr) == (1, True)
    setup.opencode.allow_in_dialog()
    (question,) = setup.status("waiting_for_answer")["requests"]
    assert [option["label"] for option in question["questions"][0]["options"]] == ["Red", "Blue"]
    setup.opencode.answer_in_dialog("Red")
    finished = setup.status("completed")
    assert (finished["title"], finished["last_output"], finished["cost"] > 0) == (TITLE, "word0 word1 word2", True)
    assert [todo["content"] for todo in finished["todos"]] == ["Write it"]
    setup.opencode.kill()
    until(lambda: not setup.sessions(), "the removal of the idle session", 20)


@pytest.mark.parametrize("plugin", [True, False], ids=["with plugin", "without"])
@pytest.mark.parametrize(
    ("script", "ends"), [({"words": 60, "pause": 0.1}, "completed"), ({"http": 400, "times": 9}, "error")]
)
def test_the_outcome_of_opencode_run_is_shown_after_its_process_ended(
    tmp_path: Path, model: ModelServer, script: dict[str, Any], ends: str, *, plugin: bool
) -> None:
    setup = TrayAndOpenCode(NEWEST, tmp_path, model)
    try:
        if plugin:
            setup.opencode.install_plugin()
            setup.opencode.environment |= {
                "OPENCODE_MONITOR_PORT": str(setup.home.port),
                "OPENCODE_TRAY_TOKEN_FILE": str(setup.opencode.home / "data/opencode-tray/token"),
            }
        process = setup.opencode.run(f"go##{json.dumps(script, separators=(',', ':'))}")
        setup.session(lambda found: found["status"] in ("busy", ends), 60)  # the first start installs packages
        process.wait(60)
        until(lambda: setup.servers() and not any(server["connected"] for server in setup.servers()), "the end", 20)
        session = setup.status(ends)
        assert (session["status"], session["requests"]) == (ends, [])
    finally:
        setup.close()


@pytest.mark.fault
def test_an_opencode_run_killed_during_a_turn_is_disconnected(tmp_path: Path, model: ModelServer) -> None:
    setup = TrayAndOpenCode(NEWEST, tmp_path, model)
    try:
        setup.opencode.run('go##{"words":600,"pause":0.1}')
        setup.status("busy")
        setup.opencode.kill()
        setup.status("disconnected")
    finally:
        setup.close()


def test_a_turn_interrupted_by_a_kill_is_not_shown_as_busy(setup: TrayAndOpenCode, model: ModelServer) -> None:
    before = len(model.prompts)
    setup.opencode.tui()
    script = {"words": 400, "pause": 0.05}
    setup.opencode.type(f"go ##{json.dumps(script)}", lambda: len(model.prompts) > before)
    name = setup.status("busy")["id"]
    setup.opencode.kill()
    setup.status("disconnected")
    setup.opencode.tui("--session", name)
    assert setup.status("idle", "aborted")["id"] == name


def test_with_the_plugin_a_session_is_one_row_with_the_plugin_as_source(setup: TrayAndOpenCode) -> None:
    setup.opencode.serve()
    name = setup.opencode.session()
    setup.status("idle")
    until(lambda: [server["source"] for server in setup.servers()] == ["http"], "the HTTP connection")
    setup.opencode.settle()
    setup.opencode.kill(signal.SIGTERM)
    setup.status("disconnected")
    setup.opencode.install_plugin()
    setup.opencode.environment |= {"OPENCODE_MONITOR_PORT": str(setup.home.port)}
    setup.opencode.environment |= {"OPENCODE_TRAY_TOKEN_FILE": str(setup.opencode.home / "data/opencode-tray/token")}
    setup.opencode.serve()
    setup.status("idle")
    until(lambda: [s["source"] for s in setup.servers() if s["connected"]] == ["plugin"], "the plugin alone", 20)
    setup.opencode.prompt(name, {"calls": [BASH]})
    (permission,) = setup.status("waiting_for_permission")["requests"]
    assert setup.reply(permission["id"], "once").returncode == 0
    setup.status("completed")


@pytest.mark.parametrize("version", [NEWEST])  # older versions report no cost over HTTP
def test_the_cost_of_a_fork_is_right_over_http_and_from_local_files(
    tmp_path: Path, model: ModelServer, version: str
) -> None:
    setup = TrayAndOpenCode(version, tmp_path, model)
    try:
        setup.opencode.serve()
        name = setup.opencode.session()
        setup.opencode.prompt(name, {"words": 3})
        cost = setup.status("completed")["cost"]
        untouched = setup.opencode.call("POST", f"/session/{name}/fork", {})["id"]
        forked = setup.opencode.call("POST", f"/session/{name}/fork", {})["id"]
        setup.opencode.prompt(forked, {"words": 4})
        right = {name: cost, untouched: 0, forked: cost}

        def costs_are_right(source: str) -> bool:
            mine = {server["id"] for server in setup.servers() if server["source"] == source and server["connected"]}
            costs = {session["id"]: session["cost"] for session in setup.sessions() if session["server"] in mine}
            return bool(mine) and {**dict.fromkeys(right), **costs} == pytest.approx(right)

        until(lambda: costs_are_right("http"), "the right costs over HTTP", 20)
        setup.home.kill()
        setup.home.tray("--no-notify")
        until(lambda: costs_are_right("http"), "the right costs in a tray that starts later", 20)
        setup.opencode.kill(signal.SIGTERM)
        setup.home.kill()
        (setup.opencode.home / "data/opencode-tray/cache.json").unlink(missing_ok=True)
        setup.home.tray("--no-notify")
        setup.opencode.tui("--session", forked)
        right = {forked: cost}
        until(lambda: costs_are_right("local"), "the right costs from local files", 20)
    finally:
        setup.close()


def test_the_password_of_the_opencode_process_is_used(tmp_path: Path, model: ModelServer) -> None:
    setup = TrayAndOpenCode(LAST_YEAR, tmp_path, model, OPENCODE_SERVER_PASSWORD="secret-of-the-test")
    try:
        setup.opencode.serve()
        setup.opencode.session()
        setup.status("idle")
        log = setup.home.log
        assert "secret-of-the-test" not in log.read_text(encoding="utf-8")
        assert "secret-of-the-test" not in str(setup.home.status())
    finally:
        setup.close()


def test_reading_the_database_under_load_causes_no_errors(tmp_path: Path, model: ModelServer) -> None:
    """Four sessions stream and call tools while the database is read as fast as possible."""
    with OpenCode(NEWEST, tmp_path / "home", model.port, {}, plugin=False) as opencode:
        opencode.serve()
        todo = ["todowrite", {"todos": [{"id": "1", "content": "x", "status": "pending", "priority": "low"}]}]
        names = [opencode.session() for _ in range(4)]
        stop, reads, failed = threading.Event(), [], []

        def read() -> None:
            while not stop.is_set():
                try:
                    found = read_sessions(opencode.data / "opencode.db", {str(opencode.project)}, 0, ())
                    reads.append(sum(one.count for one in found))
                except sqlite3.Error as error:
                    failed.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for name in names:
                opencode.prompt(name, {"calls": [[todo]] * 4, "words": 40, "pause": 0.01})
            until(lambda: len(opencode.call("GET", "/session/status")) == len(names), "the start of all turns", 20)
            until(lambda: opencode.call("GET", "/session/status") == {}, "the end of all turns", 120)
        finally:
            stop.set()
            reader.join()
        ends = [opencode.call("GET", f"/session/{name}/message")[-1]["info"] for name in names]
        assert [end.get("finish") for end in ends] == ["stop"] * 4
        assert [end.get("error") for end in ends] == [None] * 4
        assert failed == []
        assert len(set(reads)) > 5, reads
        with closing(sqlite3.connect(opencode.data / "opencode.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
