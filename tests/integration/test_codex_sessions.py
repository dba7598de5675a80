"""The sessions of the real Codex: of its daemon, which can be answered, and of processes without one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from codex import DIALOG, Codex, touch
from codex_watch import Watch, following
from model_server import TITLE, ModelServer
from tray.core.answers import Decline, Permit, Reply, Verdict
from tray.core.servers import AgentKind, Source
from tray.core.sessions import RequestKind, Status
from tray.core.source_calls import CallError
from waiting import run, until_async

pytestmark = pytest.mark.codex

PATCH = {"calls": [[["apply_patch", "*** Begin Patch\n*** Add File: f.txt\n+hello\n*** End Patch\n"]]]}
OPTIONS = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cool"}]
QUESTION = {
    "calls": [[["request_user_input", {"questions": [
        {"id": "colour", "header": "Colour", "question": "Which colour?", "options": OPTIONS},
    ]}]]],
}  # fmt: skip
LONG = {"words": 600, "pause": 0.1}


@asynccontextmanager
async def tui(codex: Codex) -> AsyncIterator[Watch]:
    async with following(codex.configuration) as watch:
        await asyncio.to_thread(codex.tui)
        await watch.shows(Status.IDLE)
        yield watch


async def prompt(codex: Codex, script: dict[str, Any]) -> None:
    await asyncio.to_thread(codex.prompt, script)


async def dialog(codex: Codex, *, is_open: bool) -> None:
    await until_async(lambda: (DIALOG in codex.terminal.screen()) == is_open, f"the dialog: {is_open}")


def test_a_session_is_followed_from_its_prompt_to_its_end(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, {"words": 30, "pause": 0.05})
            row = await watch.shows(Status.BUSY, 5)
            assert (row.server.agent_kind, row.server.source, row.server.version) == (
                AgentKind.CODEX, Source.AGENT, "0.171.0",
            )  # fmt: skip
            row = await watch.shows(Status.COMPLETED)
            assert row.session.last_output.endswith("word29")
            assert (row.tokens.input, row.tokens.cache_read, row.tokens.output) == (900, 300, 30)
            assert (row.session.model, row.session.directory) == ("scripted/gpt-5.5", str(codex.project))
            row = await until_async(lambda: (row := watch.row()) and row.session.title == TITLE and row, "the title")
            assert watch.fleet.limits[row.server.id] == {"scripted/gpt-5.5": 258_400}

    run(test(), 120)


def test_an_answer_from_here_closes_the_dialog_in_the_terminal(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert [(request.title, request.detail) for request in row.requests] == [("command", "touch a.txt")]
            await dialog(codex, is_open=True)
            result = await watch.answer(row, Permit(Verdict.ONCE))
            assert (result.ok, result.as_requested) == (True, True)
            await dialog(codex, is_open=False)
            await watch.shows(Status.COMPLETED)
            assert (codex.project / "a.txt").exists()

    run(test(), 120)


def test_a_request_that_is_answered_in_the_terminal_disappears_within_500_ms(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            await dialog(codex, is_open=True)
            await watch.shows(Status.WAITING_FOR_PERMISSION, 1)
            await asyncio.to_thread(codex.accept)
            await until_async(lambda: (row := watch.row()) and not row.requests, "the end of the request", 0.5)
            await watch.shows(Status.COMPLETED)

    run(test(), 120)


def test_always_stores_a_rule_of_codex(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert row.requests[0].always == ("touch a.txt *",)
            assert (await watch.answer(row, Permit(Verdict.ALWAYS))).ok
            await watch.shows(Status.COMPLETED)
            watch.seen.clear()
            (codex.project / "a.txt").unlink()
            await prompt(codex, touch("a.txt"))
            await until_async((codex.project / "a.txt").exists, "the command")
            await watch.shows(Status.COMPLETED)
            assert Status.WAITING_FOR_PERMISSION not in watch.seen

    run(test(), 120)


def test_a_rejection_stops_the_turn_and_its_message_is_the_next_prompt(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert (await watch.answer(row, Permit(Verdict.REJECT))).ok
            await watch.shows(Status.ABORTED)
            await prompt(codex, touch("b.txt"))
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert (await watch.answer(row, Permit(Verdict.REJECT, 'count ##{"words": 9}'))).ok
            row = await watch.shows(Status.COMPLETED)
            assert row.session.last_output.endswith("word8")
            assert not list(codex.project.glob("*.txt"))

    run(test(), 120)


def test_an_edit_is_shown_with_its_patch_and_allowed(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, PATCH)
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            (request,) = row.requests
            assert (request.title, request.detail, request.complete) == ("edit", "*** Add File: f.txt\n+hello", True)
            assert (await watch.answer(row, Permit(Verdict.ONCE))).ok
            await watch.shows(Status.COMPLETED)
            assert (codex.project / "f.txt").read_text() == "hello\n"

    run(test(), 120)


def test_a_question_is_answered_or_rejected_from_here(codex: Codex, model: ModelServer) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await asyncio.to_thread(codex.plan)
            await prompt(codex, QUESTION)
            row = await watch.shows(Status.WAITING_FOR_ANSWER)
            (request,) = row.requests
            assert (request.kind, request.detail) == (RequestKind.QUESTION, "Which colour?")
            assert (await watch.answer(row, Reply((("Blue",),)))).ok
            await watch.shows(Status.COMPLETED)
            await prompt(codex, QUESTION)
            row = await watch.shows(Status.WAITING_FOR_ANSWER)
            assert (await watch.answer(row, Decline())).ok
            await watch.shows(Status.ABORTED)
            end = "the end of the dialog"
            await until_async(lambda: "Which colour?" not in codex.terminal.screen().split("interrupted")[-1], end)

    run(test(), 120)


def test_an_api_error_is_shown_as_failed_within_a_second(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, {"http": 400, "times": 20})
            await until_async(lambda: "scripted 400" in codex.terminal.screen(), "the error")
            row = await watch.shows(Status.ERROR, 1)
            assert row.session.failure is not None
            assert "scripted 400" in row.session.failure.message

    run(test(), 120)


def test_a_turn_that_the_user_stops_is_aborted_within_a_second(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, LONG)
            await watch.shows(Status.BUSY)
            await until_async(lambda: "word3" in codex.terminal.screen(), "the stream")
            codex.terminal.press("Escape")
            await until_async(lambda: "interrupted" in codex.terminal.screen(), "the interruption")
            await watch.shows(Status.ABORTED, 1)

    run(test(), 120)


def test_a_turn_can_be_stopped_from_here(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, LONG)
            row = await watch.shows(Status.BUSY)
            await until_async(lambda: "word3" in codex.terminal.screen(), "the stream")
            await watch.codex.call(row.server.id, "session.abort", {"sessionID": row.session.id})
            await watch.shows(Status.ABORTED)

    run(test(), 120)


def test_what_the_automatic_reviewer_decides_is_never_shown(codex: Codex) -> None:
    codex.configure('approvals_reviewer = "auto_review"')

    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            await until_async(lambda: "Request denied" in codex.terminal.screen(), "the review")
            await watch.shows(Status.COMPLETED)
            assert not [status for status in watch.seen if status.needs_user]

    run(test(), 120)


def test_a_subagent_asks_with_its_session_which_is_not_finished_before(codex: Codex) -> None:
    codex.configure("features.multi_agent_v2 = true")
    task = {"task_name": "sub", "message": f"task ##{json.dumps(touch('a.txt'))}"}

    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, {"calls": [[["collaboration.spawn_agent", task]]]})
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            await until_async(lambda: "Worked for" in codex.terminal.screen(), "the end of the session's own turn")
            assert Status.COMPLETED not in watch.seen
            assert [request.detail for request in row.requests] == ["touch a.txt"]
            assert (await watch.answer(row, Permit(Verdict.ONCE))).ok
            await watch.shows(Status.COMPLETED)
            assert (codex.project / "a.txt").exists()

    run(test(), 120)


@pytest.mark.fault
def test_a_session_whose_terminal_was_killed_can_still_be_answered(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, touch("a.txt"))
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            await asyncio.to_thread(codex.kill_terminal)
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert (await watch.answer(row, Permit(Verdict.ONCE))).ok
            await watch.shows(Status.COMPLETED)
            assert (codex.project / "a.txt").exists()

    run(test(), 120)


def test_a_request_that_was_asked_before_the_tray_started_is_shown_and_stays_after_its_end(codex: Codex) -> None:
    async def test() -> None:
        await asyncio.to_thread(codex.tui)
        await prompt(codex, touch("a.txt"))
        await dialog(codex, is_open=True)
        (rollout,) = codex.configuration.glob("sessions/*/*/*/*.jsonl")
        before = rollout.read_bytes(), codex.terminal.screen()
        for _ in range(2):
            async with following(codex.configuration) as watch:
                await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert (rollout.read_bytes(), codex.terminal.screen()) == before
        await asyncio.to_thread(codex.accept)
        await until_async((codex.project / "a.txt").exists, "the command")

    run(test(), 120)


def test_two_terminals_share_the_daemon_and_have_a_session_each(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            codex.terminal.run("new-window", str(codex.binary))
            await until_async(lambda: len(list(watch.index.rows())) == 2, "the second session")
            assert len({row.server.id for row in watch.index.rows()}) == 1

    run(test(), 120)


@pytest.mark.fault
def test_a_killed_daemon_is_disconnected_and_the_next_one_is_followed(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            await prompt(codex, LONG)
            row = await watch.shows(Status.BUSY)
            await asyncio.to_thread(codex.kill)
            await watch.shows(Status.DISCONNECTED, 5)
            with pytest.raises(CallError):
                await watch.codex.call(row.server.id, "session.abort", {"sessionID": row.session.id})
            await asyncio.to_thread(codex.tui)
            await until_async(lambda: any(r.status is Status.IDLE for r in watch.index.rows()), "the new session")

    run(test(), 120)


def test_sessions_are_hidden_while_the_setting_is_off(codex: Codex) -> None:
    async def test() -> None:
        async with tui(codex) as watch:
            watch.is_enabled = False
            watch.codex.look()
            await watch.shows(None)
            watch.is_enabled = True
            watch.codex.look()
            await watch.shows(Status.IDLE)

    run(test(), 120)


def test_a_run_without_terminal_appears_and_finishes(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            process = codex.run({"words": 30, "pause": 0.1})
            row = await watch.shows(Status.BUSY)
            assert row.server.source is Source.LOCAL
            row = await watch.shows(Status.COMPLETED)
            assert row.session.last_output.endswith("word29")
            assert await asyncio.to_thread(process.wait, 10) == 0
            await until_async(lambda: (row := watch.row()) and row.server.finished, "the end of the process")

    run(test(), 120)


@pytest.mark.fault
def test_a_killed_run_is_disconnected_within_five_seconds(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            codex.run(LONG)
            await watch.shows(Status.BUSY)
            await asyncio.to_thread(codex.kill)
            await watch.shows(Status.DISCONNECTED, 5)

    run(test(), 120)


def test_a_terminal_without_daemon_is_read_only(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            await asyncio.to_thread(codex.tui, "--no-daemon")
            await prompt(codex, {"words": 30, "pause": 0.05})
            row = await watch.shows(Status.BUSY)
            assert row.server.read_only_reason
            row = await watch.shows(Status.COMPLETED)
            assert row.session.last_output.endswith("word29")
            await asyncio.to_thread(codex.kill)
            await watch.shows(None, 5)

    run(test(), 120)


def test_codex_is_not_slower_with_the_tray(codex: Codex) -> None:
    async def test() -> float:
        began = time.monotonic()
        assert await asyncio.to_thread(codex.run({"words": 20, "pause": 0.05}).wait, 60) == 0
        return time.monotonic() - began

    async def both() -> tuple[float, float]:
        alone = await test()
        async with following(codex.configuration):
            return alone, await test()

    alone, followed = run(both(), 120)
    assert followed < alone + 1
