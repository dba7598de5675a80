"""The real OpenCode without our plugin: its sessions are seen all the same, over HTTP, or from its files."""

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
from opencode import LAST_YEAR, NEWEST, OpenCode, until
from tray.sources.local.database import read_sessions
from tray_process import Home

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


class Desk:
    """A tray that looks around, and an OpenCode that knows nothing of it."""

    def __init__(self, version: str, folder: Path, model: ModelServer, **environment: str) -> None:
        self.opencode = OpenCode(version, folder / "home", model.port, environment, plugin=False)
        self.home = Home(folder / "tray")
        self.home.path.mkdir()
        self.home.environment |= {
            "OPENCODE_TRAY_DISCOVERY_PROCESSES": "1",
            "XDG_DATA_HOME": str(self.opencode.home / "data"),  # where a person's OpenCode and tray both look
        }
        self.home.tray("--no-notify")

    def close(self) -> None:
        self.opencode.kill()
        self.home.stop()

    def sessions(self) -> list[dict[str, Any]]:
        """The rows of this OpenCode's: the machine may run others."""
        mine = str(self.opencode.project)
        return [told for told in self.home.status()["sessions"] if told["directory"] == mine]

    def servers(self) -> list[dict[str, Any]]:
        mine = str(self.opencode.project)
        return [told for told in self.home.status()["servers"] if told["directory"] == mine]

    def told(self, wanted: Callable[[dict[str, Any]], Any], deadline: float = 20) -> dict[str, Any]:
        """The one session, as soon as it is what is wanted."""
        last: list[Any] = []

        def look() -> Any:
            last[:] = self.sessions()
            assert len(last) <= 1, last
            return last and wanted(last[0]) and last[0]

        try:
            found: dict[str, Any] = until(look, deadline)
        except BaseException:
            print("the last report:", last)
            raise
        return found

    def status(self, *statuses: str) -> dict[str, Any]:
        return self.told(lambda told: told["status"] in statuses)

    def reply(self, request: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.home.run("reply", request, *words, "--port", str(self.home.port))


@pytest.fixture(params=[NEWEST, LAST_YEAR])
def desk(request: pytest.FixtureRequest, tmp_path: Path, model: ModelServer) -> Iterator[Desk]:
    made = Desk(request.param, tmp_path, model)
    yield made
    made.close()


def test_a_served_session_is_seen_answered_and_gone_with_its_server(desk: Desk) -> None:
    desk.opencode.serve()
    name = desk.opencode.session()
    desk.status("idle")
    desk.opencode.prompt(name, SCRIPT)
    asked = desk.told(lambda told: told["requests"] and told["requests"][0]["complete"])  # 1.1 tells the command later
    (permission,) = asked["requests"]
    assert (asked["status"], permission["detail"]) == ("waiting_for_permission", "echo hi")
    done = desk.reply(permission["id"], "once")
    assert (done.returncode, done.stdout) == (0, "Allowed once: bash\n")
    (question,) = desk.status("waiting_for_answer")["requests"]
    done = desk.reply(question["id"], "--answer", "Blue")
    assert (done.returncode, done.stdout) == (0, "Answered: Colour\n")
    finished = desk.status("completed")
    assert (finished["title"], finished["last_output"], finished["cost"] > 0) == (TITLE, "word0 word1 word2", True)
    assert [todo["content"] for todo in finished["todos"]] == ["Write it"]
    assert desk.servers()[0]["source"] == "http"
    desk.opencode.kill()
    desk.status("disconnected")


def test_a_session_in_the_terminal_ui_is_seen_from_outside_and_says_how_to_answer_it(
    desk: Desk, model: ModelServer
) -> None:
    before = len(model.prompts)
    desk.opencode.tui()
    desk.opencode.type(f"go ##{json.dumps(SCRIPT)}", lambda: len(model.prompts) > before)
    (permission,) = desk.status("waiting_for_permission")["requests"]
    assert ("echo hi" in permission["detail"], permission["complete"]) == (True, False)
    (server,) = desk.servers()
    assert (server["source"], server["verified"]) == ("local", True)
    refused = desk.reply(permission["id"], "once")
    assert (refused.returncode, "opencode-tray doctor" in refused.stderr) == (1, True)
    desk.opencode.tmux("send-keys", "-t", "tui", "Enter")  # Allow once, in OpenCode itself
    (question,) = desk.status("waiting_for_answer")["requests"]
    assert [option["label"] for option in question["questions"][0]["options"]] == ["Red", "Blue"]
    desk.opencode.tmux("send-keys", "-t", "tui", "Enter")
    finished = desk.status("completed")
    assert (finished["title"], finished["last_output"], finished["cost"] > 0) == (TITLE, "word0 word1 word2", True)
    assert [todo["content"] for todo in finished["todos"]] == ["Write it"]
    desk.opencode.kill()
    until(lambda: not desk.sessions(), 20, "the end of what had nothing to do any more")


@pytest.mark.parametrize("plugin", [True, False], ids=["with plugin", "without"])
@pytest.mark.parametrize(
    ("script", "ends"), [({"words": 60, "pause": 0.1}, "completed"), ({"http": 400, "times": 9}, "error")]
)
def test_how_an_opencode_run_ended_is_shown_when_its_process_is_gone(
    tmp_path: Path, model: ModelServer, script: dict[str, Any], ends: str, *, plugin: bool
) -> None:
    desk = Desk(NEWEST, tmp_path, model)
    try:
        if plugin:
            desk.opencode.install_plugin()
            desk.opencode.environment |= {
                "OPENCODE_MONITOR_PORT": str(desk.home.port),
                "OPENCODE_TRAY_TOKEN_FILE": str(desk.opencode.home / "data/opencode-tray/token"),
            }
        process = desk.opencode.run(f"go##{json.dumps(script, separators=(',', ':'))}")
        desk.told(lambda told: told["status"] in ("busy", ends), 60)  # the first start with a plugin installs things
        process.wait(60)
        until(lambda: desk.servers() and not any(one["connected"] for one in desk.servers()), 20, "the end")
        told = desk.status(ends)
        assert (told["status"], told["requests"]) == (ends, [])
    finally:
        desk.close()


def test_an_opencode_run_that_is_killed_at_work_is_shown_as_gone(tmp_path: Path, model: ModelServer) -> None:
    desk = Desk(NEWEST, tmp_path, model)
    try:
        desk.opencode.run('go##{"words":600,"pause":0.1}')
        desk.status("busy")
        desk.opencode.kill()
        desk.status("disconnected")
    finally:
        desk.close()


def test_what_a_kill_left_in_the_middle_of_a_turn_is_not_shown_as_work(desk: Desk, model: ModelServer) -> None:
    before = len(model.prompts)
    desk.opencode.tui()
    script = {"words": 400, "pause": 0.05}
    desk.opencode.type(f"go ##{json.dumps(script)}", lambda: len(model.prompts) > before)
    name = desk.status("busy")["id"]
    desk.opencode.kill()
    desk.status("disconnected")
    desk.opencode.tui("--session", name)
    assert desk.status("idle", "aborted")["id"] == name


def test_with_the_plugin_it_is_still_one_row_and_the_plugin_has_it(desk: Desk) -> None:
    desk.opencode.serve()
    name = desk.opencode.session()
    desk.status("idle")
    desk.opencode.settle()
    desk.opencode.kill(signal.SIGTERM)
    desk.status("disconnected")
    desk.opencode.install_plugin()
    desk.opencode.environment |= {"OPENCODE_MONITOR_PORT": str(desk.home.port)}
    desk.opencode.environment |= {"OPENCODE_TRAY_TOKEN_FILE": str(desk.opencode.home / "data/opencode-tray/token")}
    desk.opencode.serve()
    desk.status("idle")
    until(lambda: [s["source"] for s in desk.servers() if s["connected"]] == ["plugin"], 20, "the plugin alone")
    desk.opencode.prompt(name, {"calls": [BASH]})
    (permission,) = desk.status("waiting_for_permission")["requests"]
    assert desk.reply(permission["id"], "once").returncode == 0
    desk.status("completed")


@pytest.mark.parametrize("version", [NEWEST])  # older ones tell no cost over HTTP
def test_a_fork_costs_what_was_done_in_it_over_http_and_seen_from_outside(
    tmp_path: Path, model: ModelServer, version: str
) -> None:
    desk = Desk(version, tmp_path, model)
    try:
        desk.opencode.serve()
        name = desk.opencode.session()
        desk.opencode.prompt(name, {"words": 3})
        cost = desk.status("completed")["cost"]
        untouched = desk.opencode.call("POST", f"/session/{name}/fork", {})["id"]
        forked = desk.opencode.call("POST", f"/session/{name}/fork", {})["id"]
        desk.opencode.prompt(forked, {"words": 4})
        right = {name: cost, untouched: 0, forked: cost}

        def told(source: str) -> bool:
            mine = {one["id"] for one in desk.servers() if one["source"] == source and one["connected"]}
            costs = {one["id"]: one["cost"] for one in desk.sessions() if one["server"] in mine}
            return bool(mine) and {**dict.fromkeys(right), **costs} == pytest.approx(right)

        until(lambda: told("http"), 20, "the right costs over HTTP")
        desk.home.kill()
        desk.home.tray("--no-notify")
        until(lambda: told("http"), 20, "the right costs to a tray that starts later")
        desk.opencode.kill(signal.SIGTERM)
        desk.home.kill()
        (desk.opencode.home / "data/opencode-tray/cache.json").unlink(missing_ok=True)
        desk.home.tray("--no-notify")
        desk.opencode.tui("--session", forked)
        right = {forked: cost}
        until(lambda: told("local"), 20, "the right costs seen from outside")
    finally:
        desk.close()


def test_a_password_that_its_process_was_given_is_used(tmp_path: Path, model: ModelServer) -> None:
    desk = Desk(LAST_YEAR, tmp_path, model, OPENCODE_SERVER_PASSWORD="secret-of-the-test")
    try:
        desk.opencode.serve()
        desk.opencode.session()
        desk.status("idle")
        log = desk.home.path / "state/opencode-tray/log/tray.log"
        assert "secret-of-the-test" not in log.read_text(encoding="utf-8")
        assert "secret-of-the-test" not in str(desk.home.status())
    finally:
        desk.close()


def test_the_database_is_read_under_load_without_an_error_on_either_side(tmp_path: Path, model: ModelServer) -> None:
    """Four sessions stream and call tools while the database is read as fast as it can be."""
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
                opencode.prompt(name, {"calls": [[todo]] * 10, "words": 40, "pause": 0.01})
            until(lambda: len(opencode.call("GET", "/session/status")) == len(names), 20, "the begin of all turns")
            until(lambda: opencode.call("GET", "/session/status") == {}, 60, "the end of all turns")
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
