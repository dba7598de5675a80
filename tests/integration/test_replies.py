"""An answer's way: sent once and to the request it was given to, sending until OpenCode says so, and written down."""

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
from fakes import FRAMES, FakePlugin, connection, until
from running_app import ASK, SES, SNAPSHOT, RunningApp, run
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
from tray.core.model import SessionKey
from tray.storage import audit

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


def test_an_answer_is_sending_until_opencodes_own_event_says_so(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            told = {"requestID": "per_1", "sessionID": SES, "reply": "once"}
            assert (call["method"], call["params"]) == ("permission.reply", told)
            await link.send({"id": call["id"], "result": {}})
            await until(lambda: requests(running)[0]["sending"])
            assert not answering.done()
            await link.event("permission.replied", **REPLIED)
            assert await answering == CommandResult("Allowed once: bash")
            assert requests(running) == []
            assert written(running) == ["sending", "answered"]

    run(test())


def test_a_doubled_click_sends_nothing_twice(at_work: AtWork) -> None:
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


def test_a_quick_second_click_answers_no_other_session(at_work: AtWork) -> None:
    """The neighbour's button slid under the pointer when the first notification, or the first row, went away."""

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


def test_the_button_of_a_request_that_was_swapped_for_another_does_nothing(at_work: AtWork) -> None:
    """Neither the next request of the session nor another text under the same id gets an answer meant for the old."""

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link, metadata={"command": "ls"})
            seen = running.app.request(KEY)
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
    ("answer", "told"),
    [
        ({"error": {"code": -32000, "message": "no"}}, "OpenCode said no: no"),
        ({"error": {"code": -32002, "message": "x"}}, "cannot do that"),
        ({"error": 7}, "OpenCode said no"),
        ({"result": {}}, "did not confirm"),
    ],
)
def test_an_answer_that_failed_waits_again_with_the_reason(
    at_work: AtWork, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(reply, "CONFIRMED_WITHIN", 0.3)

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            answering = asyncio.create_task(running.choose(AnswerRequest(KEY, ONCE)))
            call = await link.receive()
            await link.send({"id": call["id"], **answer})
            done = await answering
            assert not done.ok
            assert told in done.message
            waiting = running.app.request(KEY)
            assert waiting is not None
            assert (waiting.sending, told in waiting.refusal) == (False, True)
            assert written(running)[0] == "sending"
            assert told in written(running)[1]

    run(test())


def test_not_found_is_answered_elsewhere_and_no_error(at_work: AtWork) -> None:
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


def test_an_answer_that_somebody_elses_overtook_is_not_told_as_ours(at_work: AtWork) -> None:
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


def test_the_draft_of_an_answer_to_something_else_is_gone(at_work: AtWork) -> None:
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
            now = running.app.request(key)
            assert now is not None
            assert now.draft == (("C",),)

    run(test())


def test_a_link_that_is_lost_on_the_way_tells_the_truth_when_it_is_back(at_work: AtWork) -> None:
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


def test_nothing_is_answered_on_a_link_that_has_not_proven_the_token(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/") as seed:
            await seed.send(FRAMES["protocol1"]["hello_without_token"])
            asked_of_it = set()
            for _ in range(5):
                call = await seed.receive()
                asked_of_it.add(call["method"])
                await seed.send({"id": call["id"], "error": {"code": -1}})
            await seed.send(
                {"type": "event", "event": {"type": "permission.asked", "properties": {**ASK, "sessionID": "ses_2"}}}
            )
            await until(lambda: running.waiting == 1)
            server = next(server["id"] for server in running.app.status()["servers"] if not server["verified"])
            done = await running.choose(AnswerRequest(RequestKey(server, "per_1"), ONCE))
            assert (done.ok, "read-only" in done.message) == (False, True)
            for deed in (StopTurn, DeleteSession):
                assert not (await running.choose(deed(SessionKey(server, "ses_2")))).ok
            assert asked_of_it == {"session.list", "session.status", "_client.get", "config.providers"}
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(seed.receive(), 0.2)

    run(test())


def test_an_answer_is_put_together_and_sent_as_one(at_work: AtWork) -> None:
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
            seen = running.app.request(key)
            assert seen is not None
            answering = asyncio.create_task(running.choose(SendDraftAnswer(key, seen)))
            call = await link.receive()
            assert (call["method"], call["params"]["answers"]) == ("question.reply", [["B"], ["C"]])
            await link.send({"id": call["id"], "result": {}})
            await link.event("question.replied", sessionID=SES, requestID="que_1")
            assert (await answering).ok

    run(test())


@pytest.mark.skipif(sys.platform == "win32", reason="the dialog is a script")
def test_a_rejection_in_words_asks_for_them_and_says_how_where_nothing_can_ask(
    at_work: AtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.folder))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    async def test() -> None:
        async with at_work() as (running, link):
            await asked(running, link)
            seen = running.app.request(KEY)
            assert seen is not None
            nothing = await running.choose(AskForAnswer(KEY, seen))
            assert (nothing.ok, "opencode-tray reply per_1" in nothing.message) == (False, True)
            programs.add("zenity", {"": "use a branch"})
            answering = asyncio.create_task(running.choose(AskForAnswer(KEY, seen)))
            call = await link.receive()
            told = {"requestID": "per_1", "sessionID": SES, "reply": "reject", "message": "use a branch"}
            assert call["params"] == told
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", **{**REPLIED, "reply": "reject"})
            assert (await answering).message == "Rejected: bash"

    run(test())


def test_the_audit_log_says_who_was_answered_what_from_where_and_is_the_owners_alone(at_work: AtWork) -> None:
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


def test_the_audit_log_keeps_labels_and_verdicts_and_of_own_words_only_that_there_were_some(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            questions = [
                {"question": "Which?", "options": [{"label": "Red"}, {"label": "Blue"}], "multiple": True},
                {"question": "Why?", "options": [{"label": "No reason"}]},
            ]
            await link.event("question.asked", id="que_1", sessionID=SES, questions=questions)
            await asked(running, link)
            told = Reply((("Red", "Blue"), ("because of the SECRET",)))
            instead = Permit(Verdict.REJECT, "use the SECRET branch")
            for key, answer in ((RequestKey(KEY.server, "que_1"), told), (KEY, instead)):
                answering = asyncio.create_task(running.choose(AnswerRequest(key, answer), Surface.COMMAND))
                await link.send({"id": (await link.receive())["id"], "error": {"code": -32000, "message": "no"}})
                await answering
            text = running.paths.audit.read_text(encoding="utf-8")
            entries = [json.loads(line) for line in text.splitlines() if "sending" in line]
            assert entries[0]["answers"] == [["Red", "Blue"], [{"own_words": 21}]]
            assert (entries[1]["verdict"], entries[1]["message"]) == ("reject", {"own_words": 21})
            assert "SECRET" not in text

    run(test())


def test_the_audit_log_is_rotated_and_a_write_error_is_only_logged(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_SIZE", 100)
    path = tmp_path / "audit.jsonl"
    for number in range(20):
        audit.append(path, {"number": number, "text": "x" * 40})
    assert {found.name for found in tmp_path.iterdir()} == {"audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"}
    assert json.loads(path.read_text().splitlines()[-1])["number"] == 19
    audit.append(tmp_path / "audit.jsonl" / "no folder" / "x", {"number": 1})
