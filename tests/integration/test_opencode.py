"""The real OpenCode with the plugin reports to the real tray; `status --json` shows each event."""

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
from opencode import LAST_YEAR, NEWEST, OLDEST, PATCHING_MODEL
from tray.storage.history.activity import file_kinds
from tray.storage.history.selection import Selection
from tray.system.local_day import day_number
from tray_and_opencode import TrayAndOpenCode
from tray_process import free_port
from waiting import until

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


@pytest.fixture(scope="module", params=[NEWEST, LAST_YEAR, OLDEST])
def setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ModelServer
) -> Iterator[TrayAndOpenCode]:
    """Start `opencode serve` of each version with one tray, for all tests that end neither."""
    made = TrayAndOpenCode(request.param, tmp_path_factory.mktemp("setup"), model)
    try:
        made.opencode.serve()
        yield made
    finally:
        made.close()


@pytest.fixture
def own(tmp_path: Path, model: ModelServer) -> Iterator[Callable[[str], TrayAndOpenCode]]:
    """Return a function that starts a separate tray and OpenCode, for tests that end one of them."""
    made: list[TrayAndOpenCode] = []

    def make(version: str) -> TrayAndOpenCode:
        made.append(TrayAndOpenCode(version, tmp_path, model))
        return made[-1]

    yield make
    for setup in made:
        setup.close()


def test_a_server_reports_directory_version_url_and_branch(setup: TrayAndOpenCode) -> None:
    setup.opencode.session()
    server = until(lambda: setup.tray.status()["servers"])[0]
    assert server["directory"] == str(setup.opencode.project)
    assert server["connected"]
    assert server["verified"]
    assert server["version"] in (setup.opencode.version, "")
    assert server["url"] == (None if setup.opencode.version == OLDEST else setup.opencode.url)  # reported since 1.1.11
    # A snapshot brings it if OpenCode did not know it at the first connection.
    until(lambda: setup.tray.status()["servers"][0]["branch"] in ("master", "main"))


def test_a_streamed_turn_is_busy_and_then_finished(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"words": 30, "pause": 0.1})
    setup.status(session, "busy")
    done = setup.status(session, "completed")
    assert done["title"] == TITLE
    assert done["model"] == "fake/fake-1"
    assert done["agent"] == "build"
    assert done["tokens"]["output"] == 34
    assert done["context_percent"] == pytest.approx(15.4)
    assert done["last_output"].endswith("word29")
    assert done["cost"] > 0
    assert done["messages"] == 2


def test_a_permission_is_pending_until_opencode_closes_it(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH]})
    waiting = setup.status(session, "waiting_for_permission")
    request = waiting["requests"][0]
    assert request["kind"] == "permission"
    assert request["title"] == "bash"
    assert "echo hi" in request["detail"]
    assert setup.tray.status()["attention"]["state"] == "waiting_for_permission"
    setup.opencode.call("POST", f"/session/{session}/permissions/{request['id']}", {"response": "once"})
    done = setup.status(session, "completed")
    assert done["requests"] == []


def test_a_permission_of_a_subagent_is_pending_at_its_root_session(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [[["task", TASK]]]})
    waiting = setup.status(session, "waiting_for_permission")
    request = waiting["requests"][0]
    assert request["session"] != session
    child = setup.tray.session(request["session"])
    assert child["parent"] == session
    assert setup.tray.status()["attention"]["waiting"] == 1
    setup.opencode.call("POST", f"/session/{request['session']}/permissions/{request['id']}", {"response": "once"})
    setup.status(session, "completed")


def test_after_reply_once_the_agent_continues(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = setup.request(session)
    assert "echo hi" in request["detail"]
    assert setup.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    assert setup.status(session, "completed")["last_output"] == "word0 word1 word2"
    assert setup.run("reply", request["id"], "reject") == (0, "Already answered")


def test_always_allows_the_patterns_that_opencode_proposes(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    command = [["bash", {"command": "printf always", "description": "d"}]]
    setup.opencode.prompt(session, {"calls": [command]})
    request = setup.request(session)
    assert request["always"] in (["printf *"], ["printf always *"])  # as the version has it
    assert setup.run("reply", request["id"], "always") == (0, "Allowed always: bash")
    setup.status(session, "completed")
    setup.opencode.prompt(session, {"calls": [command], "words": 4})
    assert setup.session(session, lambda found: found["last_output"].endswith("word3"))["requests"] == []


def test_a_rejection_passes_its_message_to_the_agent_if_opencode_supports_it(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = setup.request(session)
    code, output = setup.run("reply", request["id"], "reject", "--message", "use a branch")
    if setup.opencode.version == OLDEST:
        assert (code, "cannot do that" in output) == (1, True)
        assert not setup.request(session)["sending"]
        assert setup.run("reply", request["id"], "reject") == (0, "Rejected: bash")
        return
    assert (code, output) == (0, "Rejected: bash")
    setup.status(session, "completed")
    assert "use a branch" in setup.messages(session)


def test_a_permission_of_a_subagent_can_be_answered_at_its_root_session(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [[["task", TASK]]]})
    request = setup.request(session)
    assert request["session"] != session
    assert setup.run("reply", request["id"], "once")[0] == 0
    setup.status(session, "completed")


@pytest.mark.parametrize("setup", [NEWEST, LAST_YEAR], indirect=True)  # OpenCode 1.0 has no question tool
def test_two_questions_are_answered_at_once(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    sizes = {
        "question": "Sizes?",
        "header": "Size",
        "multiple": True,
        "options": [{"label": "S", "description": "s"}, {"label": "L", "description": "l"}],
    }
    setup.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION, sizes]}]]]})
    request = setup.request(session, "question")
    assert setup.run("reply", request["id"], "--answer", "blue")[0] == 2
    assert setup.run("reply", request["id"], "--answer", "blue", "--answer", "s, L")[0] == 0
    setup.status(session, "completed")
    assert '"Which colour?"="Blue"' in setup.messages(session)
    assert '"Sizes?"="S, L"' in setup.messages(session)


@pytest.mark.parametrize("setup", [NEWEST, LAST_YEAR], indirect=True)
def test_a_question_is_rejected(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION]}]]]})
    request = setup.request(session, "question")
    assert setup.run("reply", request["id"], "reject") == (0, "Rejected: Colour")
    assert setup.session(session, lambda found: not found["requests"])["status"] in (
        "idle",
        "completed",
        "aborted",
        "busy",
    )


@pytest.mark.fault
def test_of_two_simultaneous_answers_one_counts(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
    request = setup.request(session)
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(setup.run, "reply", request["id"], "once") for _ in range(4)]
        results = [answer.result() for answer in answers]
    assert {code for code, _ in results} == {0}
    assert [output for _, output in results].count("Allowed once: bash") == 1
    setup.status(session, "completed")
    assert setup.messages(session).count('"status": "completed"') == 1  # the tool ran once


def test_a_reply_racing_with_opencodes_own_reports_what_opencode_did(setup: TrayAndOpenCode) -> None:
    """One user allows here while another rejects in OpenCode: the reply reports what OpenCode did."""
    for _ in range(3):
        session = setup.opencode.session()
        setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
        request = setup.request(session)
        path, body = f"/session/{session}/permissions/{request['id']}", {"response": "reject"}
        with ThreadPoolExecutor() as pool:
            here = pool.submit(setup.run, "reply", request["id"], "once")
            time.sleep(0.25)  # the start of the command: both answers arrive at about the same time
            with suppress(AssertionError):  # 1.18 refuses the later answer
                setup.opencode.call("POST", path, body)
            code, output = here.result()
        setup.session(session, lambda found: not found["requests"] and found["status"] != "busy")
        ran = '"status": "completed"' in setup.messages(session)
        assert (code, output == "Allowed once: bash") == (0, ran), output


def test_session_commands_rename_fork_prompt_stop_archive_and_delete(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"words": 3})
    setup.status(session, "completed")
    code, output = setup.run("session", "new", session, 'begin ##{"words": 2}')
    assert (code, output.startswith("Started: ses_")) == (0, True)
    assert setup.status(output.removeprefix("Started: "), "completed")["last_output"] == "word0 word1"
    assert setup.run("session", "rename", session, "From", "here") == (0, "Renamed")
    setup.session(session, lambda found: found["title"] == "From here")
    code, output = setup.run("session", "fork", session)
    assert code == 0
    forked = output.removeprefix("Forked: ")
    setup.session(forked, bool)
    assert setup.run("session", "prompt", forked, '##{"words": 300, "pause": 0.1}') == (0, "Sent")
    setup.status(forked, "busy")
    assert setup.run("session", "stop", forked, "--yes") == (0, "Stopped")
    setup.status(forked, "aborted")
    code, output = setup.run("messages", forked, "--json")
    assert len(json.loads(output)) >= 2
    assert setup.run("session", "archive", session) == (0, "Archived")
    until(lambda: not setup.tray.session(session))
    assert setup.run("session", "delete", forked, "--yes") == (0, "Deleted")
    until(lambda: not setup.tray.session(forked))
    assert setup.run("session", "stop", forked, "--yes")[0] == 1


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR, OLDEST])
def test_the_cost_of_a_fork_excludes_inherited_messages(own: Callable[[str], TrayAndOpenCode], version: str) -> None:
    """OpenCode includes the copies in the cost of the fork; the tray excludes them, also after a restart."""
    setup = own(version)
    setup.opencode.serve()
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"words": 3})
    cost = setup.status(session, "completed")["cost"]
    untouched = setup.opencode.call("POST", f"/session/{session}/fork", {})["id"]
    forked = setup.opencode.call("POST", f"/session/{session}/fork", {})["id"]
    for name in (untouched, forked):
        assert setup.session(name, lambda found: found["messages"])["cost"] == 0
    setup.opencode.prompt(forked, {"words": 4})
    setup.status(forked, "completed")
    right = {session: cost, untouched: 0, forked: cost}

    def costs_are_right() -> bool:
        sessions = {s["id"]: s for s in setup.tray.status()["sessions"] if s["status"] != "disconnected"}
        costs = {name: sessions[name]["cost"] if name in sessions else None for name in right}
        return costs == pytest.approx(right)

    until(costs_are_right, "the right costs", 20)
    for program in ("tray", "opencode") if version == NEWEST else ("tray",):  # others report no cost then
        setup.process.kill()
        setup.process.wait(5)
        (setup.tray.path / "data/opencode-tray/cache.json").unlink(missing_ok=True)
        if program == "opencode":
            setup.opencode.kill(signal.SIGTERM)
            setup.opencode.serve()
        setup.process = setup.tray.tray("--no-notify")
        until(costs_are_right, f"the right costs after a restart of {program}", 40)


def test_reverted_and_compacted_messages_count_as_in_opencodes_own_sum(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    for words in (3, 4):
        setup.opencode.prompt(session, {"words": words})
        last = f"word{words - 1}"
        setup.session(
            session, lambda found, last=last: found["status"] == "completed" and found["last_output"].endswith(last)
        )  # type: ignore[misc]
    turn = setup.session(session, bool)["cost"] / 2
    listed = setup.opencode.call("GET", f"/session/{session}/message")
    second = [message["info"]["id"] for message in listed if message["info"]["role"] == "user"][-1]
    setup.opencode.call("POST", f"/session/{session}/revert", {"messageID": second})
    assert setup.session(session, bool)["cost"] == pytest.approx(2 * turn)  # the revert can still be undone
    setup.opencode.prompt(session, {"words": 5})
    setup.session(session, lambda found: found["status"] == "completed" and found["last_output"].endswith("word4"))
    model = {"providerID": "fake", "modelID": "fake-1"}
    setup.opencode.call("POST", f"/session/{session}/summarize", {**model, "auto": False})
    steps = 3 if setup.opencode.version == NEWEST else 4  # it subtracts reverted messages from its sum
    setup.session(session, lambda found: found["cost"] == pytest.approx(steps * turn))
    if steps == 3:
        assert setup.opencode.call("GET", f"/session/{session}")["cost"] == pytest.approx(steps * turn)


@pytest.mark.fault
def test_the_plugin_reconnects_after_a_token_rotation(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
    setup.request(session)
    assert setup.run("token", "rotate")[0] == 0
    request = setup.request(session)  # disconnected until the plugin has authenticated again
    assert setup.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    setup.status(session, "completed")


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_a_server_with_a_password_works_like_any_other(own: Callable[[str], TrayAndOpenCode], version: str) -> None:
    setup = own(version)
    setup.opencode.environment["OPENCODE_SERVER_PASSWORD"] = "secret-of-the-test"
    setup.opencode.serve()
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH], "words": 3})
    assert setup.run("reply", setup.request(session)["id"], "once") == (0, "Allowed once: bash")
    assert setup.status(session, "completed")["messages"] == 3
    setup.process.kill()
    setup.process.wait(5)
    setup.process = setup.tray.tray("--no-notify")
    assert setup.session(session, lambda found: found["messages"] == 3)  # the snapshot needs the password as well


@pytest.mark.parametrize("setup", [NEWEST, LAST_YEAR], indirect=True)  # OpenCode 1.0 has no question tool
def test_a_pending_question_has_its_options(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [[["question", {"questions": [QUESTION]}]]]})
    request = setup.status(session, "waiting_for_answer")["requests"][0]
    assert (request["title"], request["detail"]) == ("Colour", "Which colour?")
    assert [option["label"] for option in request["questions"][0]["options"]] == ["Red", "Blue"]
    setup.opencode.call("POST", f"/question/{request['id']}/reply", {"answers": [["Red"]]})
    setup.status(session, "completed")


def test_todos_are_reported(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [[["todowrite", {"todos": TODOS}]]]})
    found = setup.session(session, lambda found: found["todos"])
    assert found["todos"] == [{"content": "Write the test", "status": "pending"}]


def test_changed_files_are_recorded_by_their_extension(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    path = str(setup.opencode.project / "notes.md")
    setup.opencode.prompt(session, {"calls": [[["write", {"filePath": path, "content": "one\ntwo\n"}]]]})
    setup.status(session, "completed")
    edit = {"filePath": path, "oldString": "two", "newString": "2\n3"}
    setup.opencode.prompt(session, {"calls": [[["edit", edit]]]})
    expected = {".md": (2, 4, 1)}
    if setup.opencode.version != OLDEST:  # its models have no apply_patch
        patch = "*** Begin Patch\n*** Add File: a.toml\n+x\n*** Update File: notes.md\n@@\n-3\n+three\n*** End Patch\n"
        setup.status(session, "completed")
        setup.opencode.prompt(session, {"calls": [[["apply_patch", {"patchText": patch}]]]}, model=PATCHING_MODEL)
        expected = {".md": (3, 5, 2), ".toml": (1, 1, 0)}
    today = day_number(time.time_ns() // 1_000_000)
    chosen = Selection(today - 1, today, project=str(setup.opencode.project))

    def found() -> dict[str, tuple[int, int, int]]:
        kinds = file_kinds(setup.tray.path / "data/opencode-tray/history.db", chosen) or []
        return {kind.extension: (kind.edits, kind.added, kind.removed) for kind in kinds}

    until(lambda: found() == expected, f"{expected}; it is {found()}")


def test_an_error_stays_until_the_next_turn(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"http": 400})
    assert "scripted 400" in setup.status(session, "error")["error"]


def test_a_provider_error_is_shown_as_a_retry_with_its_reason(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"http": 429, "times": 1, "retry_after": 5})
    retry = setup.status(session, "retry")["retry"]
    assert retry["attempt"] == 1
    assert retry["next_at"] > 0
    setup.status(session, "completed")


def test_a_turn_stopped_by_the_user_is_not_an_error(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"words": 300, "pause": 0.1})
    setup.status(session, "busy")
    setup.opencode.call("POST", f"/session/{session}/abort")
    setup.status(session, "aborted")


def test_renamed_and_deleted_sessions_are_updated(setup: TrayAndOpenCode) -> None:
    session = setup.opencode.session()
    setup.session(session, lambda found: found)
    setup.opencode.call("PATCH", f"/session/{session}", {"title": "By hand"})
    setup.session(session, lambda found: found["title"] == "By hand")
    setup.opencode.call("DELETE", f"/session/{session}")
    until(lambda: not setup.tray.session(session))


def test_two_directories_of_one_process_are_two_servers(setup: TrayAndOpenCode) -> None:
    second = setup.opencode.home / "second"
    second.mkdir(exist_ok=True)
    session = setup.opencode.session(second)
    found = setup.session(session, lambda found: found["directory"] == str(second))
    servers = {server["id"]: server for server in setup.tray.status()["servers"]}
    assert len({server["directory"] for server in servers.values()}) == 2
    assert len({server["pid"] for server in servers.values()}) == 1
    assert servers[found["server"]]["directory"] == str(second)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such name")
def test_a_folder_name_is_reported_unchanged_and_never_executed(setup: TrayAndOpenCode) -> None:
    folder = setup.opencode.home / "Größe & $(touch x) 'q' 日本"
    folder.mkdir(exist_ok=True)
    session = setup.opencode.session(folder)
    setup.session(session, lambda found: found["directory"] == str(folder))
    setup.opencode.call("PATCH", f"/session/{session}", {"title": "evil\u202egnp.exe\tand a tab"}, folder)
    setup.session(session, lambda found: found["title"].startswith("evil"))
    code, output = setup.run("status")
    assert (code, folder.name in output, "evilgnp.exe and a tab" in output) == (0, True, True)
    setup.opencode.prompt(session, {"calls": [BASH]}, folder)
    assert setup.run("reply", setup.request(session)["id"], "once") == (0, "Allowed once: bash")
    setup.status(session, "completed")
    assert [*setup.opencode.home.rglob("x"), *setup.tray.path.rglob("x")] == []


@pytest.mark.fault
@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_a_tray_restarted_on_another_port_gets_the_complete_state(
    own: Callable[[str], TrayAndOpenCode], version: str
) -> None:
    setup = own(version)
    setup.opencode.serve()
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"calls": [BASH]})
    asked = setup.status(session, "waiting_for_permission")["requests"][0]["asked_at"]
    setup.process.kill()
    setup.process.wait(5)
    setup.tray.port = free_port()
    setup.process = setup.tray.tray("--no-notify")
    again = setup.status(session, "waiting_for_permission")
    assert abs(again["requests"][0]["asked_at"] - asked) < 1000


@pytest.mark.fault
@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_a_killed_opencode_is_disconnected_at_once(own: Callable[[str], TrayAndOpenCode], version: str) -> None:
    setup = own(version)
    setup.opencode.serve()
    session = setup.opencode.session()
    setup.opencode.prompt(session, {"words": 300, "pause": 0.1})
    setup.status(session, "busy")
    setup.opencode.kill()
    setup.status(session, "disconnected")
    assert setup.tray.status()["attention"]["state"] == "disconnected"


@pytest.mark.parametrize("version", [NEWEST, LAST_YEAR])
def test_the_terminal_ui_without_an_http_server_reports_all_states(
    own: Callable[[str], TrayAndOpenCode], version: str, model: ModelServer
) -> None:
    setup = own(version)
    opencode = setup.opencode
    opencode.tui()
    server = until(lambda: setup.tray.status()["servers"])[0]
    assert server["url"] is None
    number = 0

    def prompt(**script: Any) -> None:
        nonlocal number
        number += 1
        text = f"{number}. of {version} ##{json.dumps(script)}"
        opencode.type(text, lambda: any(text[:15] in prompt for prompt in model.prompts))

    def root() -> str:
        return next((s["id"] for s in setup.tray.status()["sessions"] if s["parent"] is None), "")

    prompt(words=80, pause=0.1)
    session = until(root)
    setup.status(session, "busy")
    assert setup.status(session, "completed")["title"] == TITLE

    prompt(calls=[BASH])
    waiting = setup.status(session, "waiting_for_permission")
    assert "echo hi" in waiting["requests"][0]["detail"]
    opencode.allow_in_dialog()
    setup.status(session, "completed")

    prompt(calls=[BASH])
    assert setup.run("reply", setup.request(session)["id"], "once") == (0, "Allowed once: bash")
    setup.status(session, "completed")

    prompt(calls=[[["task", TASK]]])
    request = setup.request(session)
    assert request["session"] != session
    assert setup.run("reply", request["id"], "once") == (0, "Allowed once: bash")
    setup.status(session, "completed")

    prompt(calls=[[["question", {"questions": [QUESTION]}]]])
    assert setup.status(session, "waiting_for_answer")["requests"][0]["detail"] == "Which colour?"
    opencode.answer_in_dialog(QUESTION["options"][0]["label"])
    setup.status(session, "completed")

    prompt(calls=[[["question", {"questions": [QUESTION]}]]])
    assert setup.run("reply", setup.request(session, "question")["id"], "--answer", "Blue") == (0, "Answered: Colour")
    setup.status(session, "completed")

    prompt(calls=[[["todowrite", {"todos": TODOS}]]])
    assert setup.session(session, lambda found: found["todos"])["todos"][0]["content"] == "Write the test"
    setup.status(session, "completed")

    prompt(http=429, times=1, retry_after=5)
    setup.status(session, "retry")
    setup.status(session, "completed")

    prompt(words=300, pause=0.1)
    setup.status(session, "busy")
    until(
        lambda: opencode.tmux("send-keys", "-t", "tui", "Escape") or setup.session(session, bool)["status"] == "aborted"
    )

    prompt(http=400)
    assert "scripted 400" in setup.status(session, "error")["error"]

    prompt(words=300, pause=0.1)
    setup.status(session, "busy")
    opencode.kill()
    setup.status(session, "disconnected")
