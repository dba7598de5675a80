"""The real OpenCode reports to the real tray: what happens there is what `status --json` says."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from model_server import TITLE, ModelServer
from opencode import LAST_YEAR, NEWEST, OLDEST, OpenCode, until
from tray_process import Home, free_port

pytestmark = pytest.mark.opencode

BASH = [["bash", {"command": "echo hi", "description": "say hi"}]]
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}
TASK = {
    "description": "Look around",
    "prompt": 'look ##{"calls": [[["bash", {"command": "ls child", "description": "list"}]]]}',
    "subagent_type": "general",
}
TODOS = [{"id": "1", "content": "Write the test", "status": "pending", "priority": "high"}]


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


class Desk:
    """A tray and an OpenCode that reports to it."""

    def __init__(self, version: str, folder: Path, model: ModelServer) -> None:
        self.tray = Home(folder / "tray")
        self.tray.path.mkdir()
        self.process = self.tray.tray("--no-notify")
        # The port stands in the file beside the token.
        environment = {"OPENCODE_TRAY_TOKEN_FILE": str(self.tray.path / "data/opencode-tray/token")}
        self.opencode = OpenCode(version, folder / "home", model.port, environment)

    def close(self) -> None:
        self.opencode.kill()
        self.tray.stop()

    def told(self, session: str, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """What the tray tells of the session, as soon as it is what is wanted."""
        found: dict[str, Any] = {}

        def look() -> bool:
            found.clear()
            found.update(self.tray.session(session))
            return bool(found and wanted(found))

        try:
            until(look, 20)
        except BaseException:
            print("the last report:", self.tray.status())
            raise
        return found

    def status(self, session: str, status: str) -> dict[str, Any]:
        return self.told(session, lambda told: told["status"] == status)

    def asks(self, session: str, kind: str = "permission") -> dict[str, Any]:
        """The request that the session waits with, whole: OpenCode 1.1 tells the command a moment later."""
        waiting = "waiting_for_permission" if kind == "permission" else "waiting_for_answer"
        told = self.told(session, lambda told: told["status"] == waiting and told["requests"][0]["complete"])
        request: dict[str, Any] = told["requests"][0]
        return request

    def run(self, *words: str) -> tuple[int, str]:
        """A command's exit code, and what it said."""
        done = self.tray.run(*words, "--port", str(self.tray.port))
        return done.returncode, (done.stdout + done.stderr).strip()

    def messages(self, session: str) -> str:
        """All that was said in the session, as JSON."""
        return json.dumps(self.opencode.call("GET", f"/session/{session}/message")).replace('\\"', '"')


@pytest.fixture(scope="module", params=[NEWEST, LAST_YEAR, OLDEST])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ModelServer
) -> Iterator[Desk]:
    """`opencode serve` of each version, with one tray, for all tests that disturb neither."""
    made = Desk(request.param, tmp_path_factory.mktemp("desk"), model)
    try:
        made.opencode.serve()
        yield made
    finally:
        made.close()


@pytest.fixture
def own(tmp_path: Path, model: ModelServer) -> Iterator[Callable[[str], Desk]]:
    """A desk of its own, for tests that kill."""
    made: list[Desk] = []

    def make(version: str) -> Desk:
        made.append(Desk(version, tmp_path, model))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_server_is_introduced(desk: Desk) -> None:
    desk.opencode.session()
    server = until(lambda: desk.tray.status()["servers"])[0]
    assert server["directory"] == str(desk.opencode.project)
    assert server["connected"]
    assert server["verified"]
    assert server["opencode"] in (desk.opencode.version, "")
    assert server["url"] == (None if desk.opencode.version == OLDEST else desk.opencode.url)  # told since 1.1.11
    # It comes with the first snapshot where OpenCode was too busy with its start to tell it at once.
    until(lambda: desk.tray.status()["servers"][0]["branch"] in ("master", "main"))


def test_a_streamed_turn_is_busy_and_then_finished(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"words": 30, "pause": 0.1})
    desk.status(session, "busy")
    done = desk.status(session, "completed")
    assert done["title"] == TITLE
    assert done["model"] == "fake/fake-1"
    assert done["agent"] == "build"
    assert done["tokens"]["output"] == 34
    assert done["context_percent"] == pytest.approx(15.4)
    assert done["last_output"].endswith("word29")
    assert done["cost"] > 0
    assert done["messages"] == 2


def test_a_permission_waits_and_is_gone_when_opencode_says_so(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH]})
    waiting = desk.status(session, "waiting_for_permission")
    request = waiting["requests"][0]
    assert request["kind"] == "permission"
    assert request["title"] == "bash"
    assert "echo hi" in request["detail"]
    assert desk.tray.status()["attention"]["state"] == "waiting_for_permission"
    desk.opencode.call("POST", f"/session/{session}/permissions/{request['id']}", {"response": "once"})
    done = desk.status(session, "completed")
    assert done["requests"] == []


def test_a_subagents_permission_waits_at_its_root(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [[["task", TASK]]]})
    waiting = desk.status(session, "waiting_for_permission")
    request = waiting["requests"][0]
    assert request["session"] != session
    child = desk.tray.session(request["session"])
    assert child["parent"] == session
    assert desk.tray.status()["attention"]["waiting"] == 1
    desk.opencode.call("POST", f"/session/{request['session']}/permissions/{request['id']}", {"response": "once"})
    desk.status(session, "completed")


def test_a_permission_is_answered_from_here_and_the_agent_goes_on(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = desk.asks(session)
    assert "echo hi" in request["detail"]
    assert desk.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    assert desk.status(session, "completed")["last_output"] == "word0 word1 word2"
    assert desk.run("reply", request["id"], "reject") == (0, "Already answered")


def test_always_is_opencodes_own_pattern_and_holds(desk: Desk) -> None:
    session = desk.opencode.session()
    command = [["bash", {"command": "printf always", "description": "d"}]]
    desk.opencode.prompt(session, {"calls": [command]})
    request = desk.asks(session)
    assert request["always"] in (["printf *"], ["printf always *"])  # as the version has it
    assert desk.run("reply", request["id"], "always") == (0, "Allowed always: bash")
    desk.status(session, "completed")
    desk.opencode.prompt(session, {"calls": [command], "words": 4})
    assert desk.told(session, lambda told: told["last_output"].endswith("word3"))["requests"] == []


def test_a_rejection_with_a_message_tells_the_agent_what_to_do_where_opencode_can(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = desk.asks(session)
    code, told = desk.run("reply", request["id"], "reject", "--message", "use a branch")
    if desk.opencode.version == OLDEST:
        assert (code, "cannot do that" in told) == (1, True)
        assert not desk.asks(session)["sending"]
        assert desk.run("reply", request["id"], "reject") == (0, "Rejected: bash")
        return
    assert (code, told) == (0, "Rejected: bash")
    desk.status(session, "completed")
    assert "use a branch" in desk.messages(session)


def test_a_subagents_permission_is_answered_at_its_root(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [[["task", TASK]]]})
    request = desk.asks(session)
    assert request["session"] != session
    assert desk.run("reply", request["id"], "once")[0] == 0
    desk.status(session, "completed")


@pytest.mark.parametrize("desk", [NEWEST, LAST_YEAR], indirect=True)  # OpenCode 1.0 has no question tool
def test_two_questions_are_answered_at_once(desk: Desk) -> None:
    session = desk.opencode.session()
    sizes = {
        "question": "Sizes?",
        "header": "Size",
        "multiple": True,
        "options": [{"label": "S", "description": "s"}, {"label": "L", "description": "l"}],
    }
    desk.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION, sizes]}]]]})
    request = desk.asks(session, "question")
    assert desk.run("reply", request["id"], "--answer", "blue")[0] == 2
    assert desk.run("reply", request["id"], "--answer", "blue", "--answer", "s, L")[0] == 0
    desk.status(session, "completed")
    assert '"Which colour?"="Blue"' in desk.messages(session)
    assert '"Sizes?"="S, L"' in desk.messages(session)


@pytest.mark.parametrize("desk", [NEWEST, LAST_YEAR], indirect=True)
def test_a_question_is_rejected(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION]}]]]})
    request = desk.asks(session, "question")
    assert desk.run("reply", request["id"], "reject") == (0, "Rejected: Colour")
    assert desk.told(session, lambda told: not told["requests"])["status"] in ("idle", "completed", "aborted", "busy")


def test_two_people_answer_at_once_and_one_answer_counts(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = desk.asks(session)
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(desk.run, "reply", request["id"], "once") for _ in range(4)]
        told = [answer.result() for answer in answers]
    assert {code for code, _ in told} == {0}
    assert [line for _, line in told].count("Allowed once: bash") == 1
    desk.status(session, "completed")
    assert desk.messages(session).count('"status": "completed"') == 1  # the tool ran once


def test_whoever_is_faster_is_told_and_the_other_knows(desk: Desk) -> None:
    """One allows from here while another rejects in OpenCode: what is said here is what OpenCode did."""
    for _ in range(3):
        session = desk.opencode.session()
        desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
        request = desk.asks(session)
        path, body = f"/session/{session}/permissions/{request['id']}", {"response": "reject"}
        with ThreadPoolExecutor() as pool:
            here = pool.submit(desk.run, "reply", request["id"], "once")
            time.sleep(0.25)  # what the command takes to start: both come at about the same time
            with suppress(AssertionError):  # 1.18 says no to whoever is late
                desk.opencode.call("POST", path, body)
            code, told = here.result()
        desk.told(session, lambda told: not told["requests"] and told["status"] != "busy")
        ran = '"status": "completed"' in desk.messages(session)
        assert (code, told == "Allowed once: bash") == (0, ran), told


def test_a_session_is_named_forked_prompted_stopped_archived_and_deleted_from_here(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"words": 3})
    desk.status(session, "completed")
    assert desk.run("session", "rename", session, "From", "here") == (0, "Renamed")
    desk.told(session, lambda told: told["title"] == "From here")
    code, told = desk.run("session", "fork", session)
    assert code == 0
    forked = told.removeprefix("Forked: ")
    desk.told(forked, bool)
    assert desk.run("session", "prompt", forked, '##{"words": 300, "pause": 0.1}') == (0, "Sent")
    desk.status(forked, "busy")
    assert desk.run("session", "stop", forked, "--yes") == (0, "Stopped")
    desk.status(forked, "aborted")
    code, told = desk.run("messages", forked, "--json")
    assert len(json.loads(told)) >= 2
    assert desk.run("session", "archive", session) == (0, "Archived")
    until(lambda: not desk.tray.session(session))
    assert desk.run("session", "delete", forked, "--yes") == (0, "Deleted")
    until(lambda: not desk.tray.session(forked))
    assert desk.run("session", "stop", forked, "--yes")[0] == 1


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR, OLDEST])
def test_a_fork_costs_what_was_done_in_it(own: Callable[[str], Desk], version: str) -> None:
    """OpenCode sums the copies in the fork's own cost; whoever starts anew, they are not the fork's."""
    desk = own(version)
    desk.opencode.serve()
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"words": 3})
    cost = desk.status(session, "completed")["cost"]
    untouched = desk.opencode.call("POST", f"/session/{session}/fork", {})["id"]
    forked = desk.opencode.call("POST", f"/session/{session}/fork", {})["id"]
    for name in (untouched, forked):
        assert desk.told(name, lambda told: told["messages"])["cost"] == 0
    desk.opencode.prompt(forked, {"words": 4})
    desk.status(forked, "completed")
    right = {session: cost, untouched: 0, forked: cost}

    def told() -> bool:
        sessions = {told["id"]: told for told in desk.tray.status()["sessions"] if told["status"] != "disconnected"}
        costs = {name: sessions[name]["cost"] if name in sessions else None for name in right}
        return costs == pytest.approx(right)

    until(told, 20, "the right costs")
    for what in ("tray", "opencode") if version == NEWEST else ("tray",):  # older ones tell no cost without messages
        desk.process.kill()
        desk.process.wait(5)
        (desk.tray.path / "data/opencode-tray/cache.json").unlink(missing_ok=True)
        if what == "opencode":
            desk.opencode.kill(signal.SIGTERM)
            desk.opencode.serve()
        desk.process = desk.tray.tray("--no-notify")
        until(told, 40, f"the right costs after a new start of {what}")


def test_what_was_taken_back_or_compacted_is_in_the_sum_as_opencode_sums(desk: Desk) -> None:
    session = desk.opencode.session()
    for words in (3, 4):
        desk.opencode.prompt(session, {"words": words})
        last = f"word{words - 1}"
        desk.told(session, lambda told, last=last: told["status"] == "completed" and told["last_output"].endswith(last))  # type: ignore[misc]
    one = desk.told(session, bool)["cost"] / 2
    listed = desk.opencode.call("GET", f"/session/{session}/message")
    second = [told["info"]["id"] for told in listed if told["info"]["role"] == "user"][-1]
    desk.opencode.call("POST", f"/session/{session}/revert", {"messageID": second})
    assert desk.told(session, bool)["cost"] == pytest.approx(2 * one)  # it can be brought back yet
    desk.opencode.prompt(session, {"words": 5})
    desk.told(session, lambda told: told["status"] == "completed" and told["last_output"].endswith("word4"))
    model = {"providerID": "fake", "modelID": "fake-1"}
    desk.opencode.call("POST", f"/session/{session}/summarize", {**model, "auto": False})
    steps = 3 if desk.opencode.version == NEWEST else 4  # it takes out of its sum what was taken back
    desk.told(session, lambda told: told["cost"] == pytest.approx(steps * one))
    if steps == 3:
        assert desk.opencode.call("GET", f"/session/{session}")["cost"] == pytest.approx(steps * one)


def test_after_the_token_was_rotated_the_plugin_is_back_by_itself(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
    desk.asks(session)
    assert desk.run("token", "rotate")[0] == 0
    request = desk.asks(session)  # disconnected, until it has proven itself anew
    assert desk.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    desk.status(session, "completed")


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_behind_a_password_everything_works_the_same(own: Callable[[str], Desk], version: str) -> None:
    desk = own(version)
    desk.opencode.environment["OPENCODE_SERVER_PASSWORD"] = "secret-of-the-test"
    desk.opencode.serve()
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH], "words": 3})
    assert desk.run("reply", desk.asks(session)["id"], "once") == (0, "Allowed once: bash")
    assert desk.status(session, "completed")["messages"] == 3
    desk.process.kill()
    desk.process.wait(5)
    desk.process = desk.tray.tray("--no-notify")
    assert desk.told(session, lambda told: told["messages"] == 3)  # a snapshot is read through the password, too


@pytest.mark.parametrize("desk", [NEWEST, LAST_YEAR], indirect=True)  # OpenCode 1.0 has no question tool
def test_a_question_waits_with_its_options(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION]}]]]})
    request = desk.status(session, "waiting_for_answer")["requests"][0]
    assert (request["title"], request["detail"]) == ("Colour", "Which colour?")
    assert [option["label"] for option in request["questions"][0]["options"]] == ["Red", "Blue"]
    desk.opencode.call("POST", f"/question/{request['id']}/reply", {"answers": [["Red"]]})
    desk.status(session, "completed")


def test_todos_are_told(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [[["todowrite", {"todos": TODOS}]]]})
    told = desk.told(session, lambda told: told["todos"])
    assert told["todos"] == [{"content": "Write the test", "status": "pending"}]


def test_an_error_sticks(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"http": 400})
    assert "scripted 400" in desk.status(session, "error")["error"]


def test_a_refusing_provider_is_a_retry_with_its_reason(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"http": 429, "times": 1})
    retry = desk.status(session, "retry")["retry"]
    assert retry["attempt"] == 1
    assert retry["next_at"] > 0
    desk.status(session, "completed")


def test_a_stop_by_the_person_is_quiet(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"words": 300, "pause": 0.1})
    desk.status(session, "busy")
    desk.opencode.call("POST", f"/session/{session}/abort")
    desk.status(session, "aborted")


def test_a_rename_and_a_delete_are_seen(desk: Desk) -> None:
    session = desk.opencode.session()
    desk.told(session, lambda told: told)
    desk.opencode.call("PATCH", f"/session/{session}", {"title": "By hand"})
    desk.told(session, lambda told: told["title"] == "By hand")
    desk.opencode.call("DELETE", f"/session/{session}")
    until(lambda: not desk.tray.session(session))


def test_two_directories_of_one_process_are_two_servers(desk: Desk) -> None:
    second = desk.opencode.home / "second"
    second.mkdir(exist_ok=True)
    session = desk.opencode.session(second)
    told = desk.told(session, lambda told: told["directory"] == str(second))
    servers = {server["id"]: server for server in desk.tray.status()["servers"]}
    assert len({server["directory"] for server in servers.values()}) == 2
    assert len({server["pid"] for server in servers.values()}) == 1
    assert servers[told["server"]]["directory"] == str(second)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such name")
def test_a_folder_of_any_name_is_told_as_it_is_and_nothing_of_it_is_run(desk: Desk) -> None:
    folder = desk.opencode.home / "Größe & $(touch x) 'q' 日本"
    folder.mkdir(exist_ok=True)
    session = desk.opencode.session(folder)
    desk.told(session, lambda told: told["directory"] == str(folder))
    desk.opencode.call("PATCH", f"/session/{session}", {"title": "evil\u202egnp.exe\tand a tab"}, folder)
    desk.told(session, lambda told: told["title"].startswith("evil"))
    code, said = desk.run("status")
    assert (code, folder.name in said, "evilgnp.exe and a tab" in said) == (0, True, True)
    desk.opencode.prompt(session, {"calls": [BASH]}, folder)
    assert desk.run("reply", desk.asks(session)["id"], "once") == (0, "Allowed once: bash")
    desk.status(session, "completed")
    assert [*desk.opencode.home.rglob("x"), *desk.tray.path.rglob("x")] == []


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_a_tray_that_is_started_again_on_another_port_reads_everything_again(
    own: Callable[[str], Desk], version: str
) -> None:
    desk = own(version)
    desk.opencode.serve()
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"calls": [BASH]})
    asked = desk.status(session, "waiting_for_permission")["requests"][0]["asked_at"]
    desk.process.kill()
    desk.process.wait(5)
    desk.tray.port = free_port()
    desk.process = desk.tray.tray("--no-notify")
    again = desk.status(session, "waiting_for_permission")
    assert abs(again["requests"][0]["asked_at"] - asked) < 1000


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_an_opencode_that_was_killed_is_disconnected_at_once(own: Callable[[str], Desk], version: str) -> None:
    desk = own(version)
    desk.opencode.serve()
    session = desk.opencode.session()
    desk.opencode.prompt(session, {"words": 300, "pause": 0.1})
    desk.status(session, "busy")
    desk.opencode.kill()
    desk.status(session, "disconnected")
    assert desk.tray.status()["attention"]["state"] == "disconnected"


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_the_terminal_ui_with_no_http_server_reports_like_any_other(
    own: Callable[[str], Desk], version: str, model: ModelServer
) -> None:
    desk = own(version)
    opencode = desk.opencode
    opencode.tui()
    server = until(lambda: desk.tray.status()["servers"])[0]
    assert server["url"] is None
    number = 0

    def prompt(**script: Any) -> None:
        nonlocal number
        number += 1
        text = f"{number}. of {version} ##{json.dumps(script)}"
        opencode.type(text, lambda: any(text[:15] in prompt for prompt in model.prompts))

    def root() -> str:
        return next((told["id"] for told in desk.tray.status()["sessions"] if told["parent"] is None), "")

    prompt(words=80, pause=0.1)
    session = until(root)
    desk.status(session, "busy")
    assert desk.status(session, "completed")["title"] == TITLE

    prompt(calls=[BASH])
    waiting = desk.status(session, "waiting_for_permission")
    assert "echo hi" in waiting["requests"][0]["detail"]
    opencode.tmux("send-keys", "-t", "tui", "Enter")  # "Allow once" is what the dialog has chosen
    desk.status(session, "completed")

    prompt(calls=[BASH])
    assert desk.run("reply", desk.asks(session)["id"], "once") == (0, "Allowed once: bash")
    desk.status(session, "completed")

    prompt(calls=[[["task", TASK]]])
    request = desk.asks(session)
    assert request["session"] != session
    assert desk.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    desk.status(session, "completed")

    prompt(calls=[[["question", {"questions": [QUESTION]}]]])
    assert desk.status(session, "waiting_for_answer")["requests"][0]["detail"] == "Which colour?"
    opencode.tmux("send-keys", "-t", "tui", "Enter")  # the first answer
    desk.status(session, "completed")

    prompt(calls=[[["question", {"questions": [QUESTION]}]]])
    assert desk.run("reply", desk.asks(session, "question")["id"], "--answer", "Blue") == (0, "Answered: Colour")
    desk.status(session, "completed")

    prompt(calls=[[["todowrite", {"todos": TODOS}]]])
    assert desk.told(session, lambda told: told["todos"])["todos"][0]["content"] == "Write the test"
    desk.status(session, "completed")

    prompt(http=429, times=1)
    desk.status(session, "retry")
    desk.status(session, "completed")

    prompt(words=300, pause=0.1)
    desk.status(session, "busy")
    until(lambda: opencode.tmux("send-keys", "-t", "tui", "Escape") or desk.told(session, bool)["status"] == "aborted")

    prompt(http=400)
    assert "scripted 400" in desk.status(session, "error")["error"]

    prompt(words=300, pause=0.1)
    desk.status(session, "busy")
    opencode.kill()
    desk.status(session, "disconnected")
