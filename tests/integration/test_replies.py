"""An answer is sent once, to its request, shown as sending until OpenCode confirms it, and logged."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fake_programs import Programs
from fakes import FRAMES, FakePlugin, connection
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.actions import reply
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.click_guard import REFUSED
from tray.core.commands import (
    AnswerRequest,
    AskForAnswer,
    CommandResult,
    DeleteSession,
    SendDraftAnswer,
    StopTurn,
    Surface,
    ToggleOption,
)
from tray.core.sessions import SessionKey
from tray.storage import audit
from waiting import run
from waiting import until_async as until

SERVER = FRAMES["hello"]["instance"]
KEY = RequestKey(SERVER, "per_1")
ONCE, REJECT = Permit(Verdict.ONCE), Permit(Verdict.REJECT)
REPLIED = {"sessionID": SES, "requestID": "per_1", "reply": "once"}
AtWork = Callable[[], Any]


async def asked(running: RunningApp, link: FakePlugin, **more: Any) -> None:
    await link.event("permission.asked", **{**ASK, **more})
    await until(lambda: running.waiting == 1)


def requests(running: RunningApp) -> list[dict[str, Any]]:
    return [request for session in running.app.status()["sessions"] for request in session["requests"]]


def written(running: RunningApp) -> list[str]:
    lines = running.paths.audit.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["result"] for line in lines]


def test_an_answer_is_sending_until_opencode_confirms_it(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            params = {"requestID": "per_1", "sessionID": SES, "reply": "once"}
            assert (call["method"], call["params"]) == ("permission.reply", params)
            await link.send({"id": call["id"], "result": {}})
            await until(lambda: requests(running)[0]["sending"])
            assert not answering.done()
            await link.event("permission.replied", **REPLIED)
            assert await answering == CommandResult("Allowed once: bash")
            assert requests(running) == []
            assert written(running) == ["sending", "answered"]

    run(test())


def test_a_double_click_sends_one_answer(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            first = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            again = await running.choose(AnswerRequest(KEY, REJECT))
            assert again == CommandResult("An answer is already being sent", as_requested=False)
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", **REPLIED)
            assert (await first).ok
            late = await running.choose(AnswerRequest(KEY, REJECT))
            assert late == CommandResult("Already answered", as_requested=False)
            assert written(running) == ["sending", "answered"]

    run(test())


def test_a_quick_second_click_does_not_answer_another_request(at_work: AtWork) -> None:
    """When a notification or row disappears, the next button moves under the pointer."""

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            await link.event("permission.asked", **{**ASK, "id": "per_2", "metadata": {"command": "kubectl delete ns"}})
            await until(lambda: len(requests(running)) == 2)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", **REPLIED)
            assert (await answering).ok
            second = await running.choose(AnswerRequest(RequestKey(SERVER, "per_2"), ONCE))
            assert second == CommandResult(REFUSED, ok=False)
            assert [request["id"] for request in requests(running)] == ["per_2"]
            assert written(running) == ["sending", "answered"]

    run(test())


def test_an_answer_to_a_replaced_request_is_not_sent(at_work: AtWork) -> None:
    """Neither the next request nor a changed request with the same ID gets an answer meant for the old one."""

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link, metadata={"command": "ls"})
            seen = running.app.state.fleet.request(KEY)
            assert seen is not None
            old = AnswerRequest(KEY, ONCE, seen)
            await link.event("permission.replied", **REPLIED)
            await link.event("permission.asked", **{**ASK, "id": "per_2", "metadata": {"command": "rm -rf /"}})
            await until(lambda: [r["id"] for r in requests(running)] == ["per_2"])
            assert (await running.choose(old)).message == "Already answered"
            two = RequestKey(SERVER, "per_2")
            before = replace(seen, id="per_2")
            for same_id in (AnswerRequest(two, ONCE, before), SendDraftAnswer(two, before)):
                assert not (await running.choose(same_id)).ok
            assert [request["sending"] for request in requests(running)] == [False]
            await link.send({"type": "snapshot", **{k: v for k, v in SNAPSHOT.items() if k != "type"}})
            await until(lambda: not requests(running))
            assert not running.paths.audit.exists()

    run(test())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": {"code": -32000, "message": "no"}}, "OpenCode refused the request: no"),
        ({"error": {"code": -32002, "message": "x"}}, "cannot do that"),
        ({"error": 7}, "OpenCode refused the request"),
        ({"result": {}}, "did not confirm"),
    ],
)
def test_after_a_failed_answer_the_request_is_pending_again_with_the_reason(
    at_work: AtWork, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(reply, "CONFIRMATION_TIMEOUT", 0.3)

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            await link.send({"id": call["id"], **answer})
            done = await answering
            assert not done.ok
            assert reason in done.message
            waiting = running.app.state.fleet.request(KEY)
            assert waiting is not None
            assert (waiting.sending, reason in waiting.refusal) == (False, True)
            assert written(running)[0] == "sending"
            assert reason in written(running)[1]

    run(test())


def test_not_found_means_answered_elsewhere_and_is_not_an_error(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            await link.send({"id": call["id"], "error": {"code": -32001, "message": "gone"}})
            done = await answering
            assert (done.ok, done.message) == (True, "Already answered elsewhere")
            assert requests(running) == []

    run(test())


def test_an_answer_given_elsewhere_first_is_not_reported_as_ours(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            await link.event("permission.replied", **{**REPLIED, "reply": "reject"})
            await link.send({"id": call["id"], "result": {}})
            assert await answering == CommandResult("Already answered elsewhere: reject", as_requested=False)
            assert written(running) == ["sending", "Already answered elsewhere: reject"]

    run(test())


def test_a_changed_question_discards_the_draft_answer(at_work: AtWork) -> None:
    def question(*labels: str) -> dict[str, Any]:
        return {"question": "Which?", "multiple": True, "options": [{"label": label} for label in labels]}

    async def test() -> None:
        async with at_work() as (running, link):
            key = RequestKey(SERVER, "que_1")
            await link.event("question.asked", id="que_1", sessionID=SES, questions=[question("A"), question("B")])
            await until(lambda: running.waiting == 1)
            await running.choose(ToggleOption(key, 1, "B"))
            await link.event("question.asked", id="que_1", sessionID=SES, questions=[question("C")])
            await until(lambda: len(requests(running)[0]["questions"]) == 1)
            running.app.view()
            await running.choose(ToggleOption(key, 0, "C"))
            now = running.app.state.fleet.request(key)
            assert now is not None
            assert now.draft == (("C",),)

    run(test())


@pytest.mark.fault
def test_after_a_lost_connection_the_snapshot_decides_what_is_pending(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            await link.receive()
            await link.socket.close()
            assert "connection was lost" in (await answering).message
            async with connection(f"http://127.0.0.1:{running.app.port}/") as again:
                await again.authenticate()
                await again.send({**SNAPSHOT, "permissions": [ASK]})
                await until(lambda: running.waiting == 1)
                assert not requests(running)[0]["sending"]
                await again.send({**SNAPSHOT, "permissions": []})
                await until(lambda: running.waiting == 0)

    run(test())


def test_an_unverified_connection_receives_only_calls_that_read(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/") as seed:
            await seed.send(FRAMES["protocol1"]["hello_without_token"])
            methods = set()
            for _ in range(5):
                call = await seed.receive()
                methods.add(call["method"])
                await seed.send({"id": call["id"], "error": {"code": -1}})
            await seed.send(
                {"type": "event", "event": {"type": "permission.asked", "properties": {**ASK, "sessionID": "ses_2"}}}
            )
            await until(lambda: running.waiting == 1)
            server = next(server["id"] for server in running.app.status()["servers"] if not server["verified"])
            done = await running.choose(AnswerRequest(RequestKey(server, "per_1"), ONCE))
            assert (done.ok, "read-only" in done.message) == (False, True)
            for command in (StopTurn, DeleteSession):
                assert not (await running.choose(command(SessionKey(server, "ses_2")))).ok
            assert methods == {"session.list", "session.status", "_client.get", "config.providers"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(seed.receive(), 0.2)

    run(test())


def test_a_draft_answer_is_sent_in_one_call(at_work: AtWork) -> None:
    questions = [
        {"question": "Which?", "header": "W", "options": [{"label": "A"}, {"label": "B"}]},
        {"question": "How?", "header": "H", "multiple": True, "options": [{"label": "C"}, {"label": "D"}]},
    ]

    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("question.asked", id="que_1", sessionID=SES, questions=questions)
            await until(lambda: running.waiting == 1)
            key = RequestKey(SERVER, "que_1")
            for number, label in ((0, "A"), (0, "B"), (1, "C")):
                await running.choose(ToggleOption(key, number, label))
            seen = running.app.state.fleet.request(key)
            assert seen is not None
            answering = asyncio.create_task(running.choose(SendDraftAnswer(key, seen)))
            call = await link.receive()
            assert (call["method"], call["params"]["answers"]) == ("question.reply", [["B"], ["C"]])
            await link.send({"id": call["id"], "result": {}})
            await link.event("question.replied", sessionID=SES, requestID="que_1")
            assert (await answering).ok

    run(test())


@pytest.mark.skipif(sys.platform == "win32", reason="the dialog is a script")
def test_a_rejection_message_is_asked_for_in_a_dialog_else_a_command_is_shown(
    at_work: AtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.folder))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            seen = running.app.state.fleet.request(KEY)
            assert seen is not None
            nothing = await running.choose(AskForAnswer(KEY, seen))
            assert (nothing.ok, "opencode-tray reply per_1" in nothing.message) == (False, True)
            programs.add("zenity", {"": "use a branch"})
            answering = asyncio.create_task(running.choose(AskForAnswer(KEY, seen)))
            call = await link.receive()
            params = {"requestID": "per_1", "sessionID": SES, "reply": "reject", "message": "use a branch"}
            assert call["params"] == params
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", **{**REPLIED, "reply": "reject"})
            assert (await answering).message == "Rejected: bash"

    run(test())


def test_the_audit_log_contains_each_answer_and_is_private(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link, always=["ls *"])
            always = AnswerRequest(KEY, Permit(Verdict.ALWAYS))
            answering = asyncio.create_task(running.choose(always))
            call = await link.receive()
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", **REPLIED)
            await answering
            first = json.loads(running.paths.audit.read_text(encoding="utf-8").splitlines()[0])
            assert first["at"] > 0
            del first["at"]
            assert first == {
                "surface": "menu", "host": "workstation", "directory": "/home/dev/project", "session": SES,
                "request": "per_1", "kind": "permission", "asked": "bash: ls", "answer": "Allowed always",
                "verdict": "always", "always": ["ls *"], "result": "sending",
            }  # fmt: skip
            if sys.platform != "win32":
                assert stat.S_IMODE(running.paths.audit.stat().st_mode) == 0o600

    run(test())


def test_the_audit_log_contains_labels_and_verdicts_but_no_typed_text(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            questions = [
                {"question": "Which?", "options": [{"label": "Red"}, {"label": "Blue"}], "multiple": True},
                {"question": "Why?", "options": [{"label": "No reason"}]},
            ]
            await link.event("question.asked", id="que_1", sessionID=SES, questions=questions)
            await asked(running, link)
            labels_and_text = Reply((("Red", "Blue"), ("because of the SECRET",)))
            instead = Permit(Verdict.REJECT, "use the SECRET branch")
            for key, answer in ((RequestKey(KEY.server, "que_1"), labels_and_text), (KEY, instead)):
                answering = asyncio.create_task(running.choose(AnswerRequest(key, answer), Surface.COMMAND))
                await link.send({"id": (await link.receive())["id"], "error": {"code": -32000, "message": "no"}})
                await answering
            text = running.paths.audit.read_text(encoding="utf-8")
            entries = [json.loads(line) for line in text.splitlines() if "sending" in line]
            assert entries[0]["answers"] == [["Red", "Blue"], [{"own_words": 21}]]
            assert (entries[1]["verdict"], entries[1]["message"]) == ("reject", {"own_words": 21})
            assert "SECRET" not in text

    run(test())


def test_a_line_of_the_audit_log_that_is_not_valid_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    written = audit.AuditLog(log)
    written.add({"result": "first"})
    assert written.write() == ""
    with log.open("ab") as file:
        file.write(b"[" * 10_000 + b"\n" + b"\xff\x00{\n" + b"[]\n")
    written.add({"result": "second"})
    assert written.write() == ""
    assert [entry["result"] for entry in audit.newest(log, 5)] == ["second", "first"]


def test_the_newest_entries_of_the_audit_log_are_read_from_both_files_whatever_they_contain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    asked = ["bash: echo a\u2028b", "bash: echo \x85", "write: \r\n", "bash: ls"]  # separators of lines for Python
    for file, texts in ((tmp_path / "audit.jsonl.1", asked[:2]), (path, asked[2:])):
        written = audit.AuditLog(file)
        for text in texts:
            written.add({"asked": text})
        assert written.write() == ""
    assert [entry["asked"] for entry in audit.newest(path, 200)] == asked[::-1]
    assert [entry["asked"] for entry in audit.newest(path, 2)] == ["bash: ls", "write: \r\n"]


def test_the_audit_log_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_SIZE", 100)
    path = tmp_path / "audit.jsonl"
    written = audit.AuditLog(path)
    for number in range(20):
        written.add({"number": number, "text": "x" * 40})
        assert written.write() == ""
    assert {found.name for found in tmp_path.iterdir()} == {"audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"}
    assert json.loads(path.read_text().splitlines()[-1])["number"] == 19
