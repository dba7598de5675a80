"""The sessions of the real Copilot CLI, without anything installed in it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_watch import OnlySession
from copilot_cli import DIALOG, QUESTION_DIALOG, CopilotCli, touch
from copilot_watch import following
from model_server import ModelServer
from tray.core.sessions import Status
from tray.system.terminal_processes import terminal_process_of
from waiting import run, until_async

pytestmark = pytest.mark.copilot_cli

TWO = [("shell", "touch a.txt"), ("shell", "touch b.txt")]
QUESTION = {
    "message": "Which colour?",
    "requestedSchema": {"properties": {"colour": {"type": "string", "title": "Colour", "enum": ["Red", "Blue"]}}},
}


@pytest.fixture
def copilot(tmp_path: Path, model: ModelServer) -> Iterator[CopilotCli]:
    with CopilotCli(tmp_path / "home", model.port) as program:
        yield program


@asynccontextmanager
async def tui(copilot: CopilotCli) -> AsyncIterator[OnlySession]:
    async with following(copilot.configuration) as watch:
        await asyncio.to_thread(copilot.tui)
        session = OnlySession(watch)
        await session.shows(Status.IDLE)
        yield session


def test_a_permission_is_shown_until_it_is_answered_in_the_terminal(copilot: CopilotCli) -> None:
    async def test() -> None:
        async with tui(copilot) as session:
            await asyncio.to_thread(copilot.prompt, touch("a.txt", "b.txt"))
            await until_async(lambda: DIALOG in copilot.terminal.screen(), "the dialog")
            row = await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            await until_async(lambda: sorted(session.requests()) == TWO, "both requests", 5)
            assert row.server.read_only_reason == "Copilot CLI is only observed; use its terminal"
            copilot.terminal.press("Enter")
            await until_async(lambda: len(session.requests()) == 1, "the end of the first", 5)
            await asyncio.to_thread(copilot.accept)
            row = await session.shows(Status.COMPLETED)
            assert (row.session.last_output, row.tokens.input) == ("word0 word1 word2", 2400)
            assert row.session.title.startswith("work ##")
            assert row.server.version == "1.0.102"

    run(test(), 120)


def test_a_question_is_shown_with_its_options_until_it_is_closed(copilot: CopilotCli) -> None:
    async def test() -> None:
        async with tui(copilot) as session:
            await asyncio.to_thread(copilot.prompt, {"calls": [[["ask_user", QUESTION]]]})
            row = await session.shows(Status.WAITING_FOR_ANSWER)
            ((question,),) = [request.questions for request in row.requests]
            assert question.question == "Which colour?"
            assert [option.label for option in question.options] == ["Red", "Blue"]
            await until_async(lambda: QUESTION_DIALOG in copilot.terminal.screen(), "the dialog")
            await asyncio.to_thread(copilot.press_until_closed, "Enter", QUESTION_DIALOG)
            await session.shows(Status.COMPLETED)

    run(test(), 120)


def test_an_interrupted_turn_is_idle_within_a_second_and_an_error_is_shown_as_failed(copilot: CopilotCli) -> None:
    async def test() -> None:
        async with tui(copilot) as session:
            await asyncio.to_thread(copilot.prompt, {"words": 600, "pause": 0.1})
            await session.shows(Status.BUSY)
            await until_async(lambda: "word3" in copilot.terminal.screen(), "the stream")
            await asyncio.to_thread(copilot.interrupt)
            await session.shows(Status.IDLE, 1)
            await asyncio.to_thread(copilot.prompt, {"http": 400, "times": 20})
            row = await session.shows(Status.ERROR)
            assert row.session.failure is not None
            assert "scripted 400" in row.session.failure.message

    run(test(), 120)


def test_a_killed_copilot_cli_is_disconnected_within_five_seconds_and_its_terminal_was_known(
    copilot: CopilotCli,
) -> None:
    async def test() -> None:
        async with tui(copilot) as session:
            await asyncio.to_thread(copilot.prompt, {"words": 600, "pause": 0.1})
            row = await session.shows(Status.BUSY)
            process = terminal_process_of(row.server.pid)
            assert process is not None
            pane, tty = copilot.terminal.run("list-panes", "-F", "#{pane_id} #{pane_tty}").split()
            assert (process.variable("TMUX_PANE"), process.tty) == (pane, tty)
            os.kill(row.server.pid, signal.SIGKILL)
            await session.shows(Status.DISCONNECTED, 5)

    run(test(), 120)


def test_a_new_session_in_the_same_terminal_replaces_the_one_before(copilot: CopilotCli) -> None:
    async def test() -> None:
        async with tui(copilot) as session:
            await asyncio.to_thread(copilot.prompt, {"words": 3})
            before = await session.shows(Status.COMPLETED)
            await asyncio.to_thread(copilot.submit, "/clear")
            row = await session.shows(Status.IDLE)
            assert row.session.id != before.session.id

    run(test(), 120)


def test_a_run_without_terminal_appears_and_finishes(copilot: CopilotCli) -> None:
    async def test() -> None:
        async with following(copilot.configuration) as watch:
            session = OnlySession(watch)
            process = copilot.run({"words": 30, "pause": 0.1})
            await session.shows(Status.BUSY)
            await session.shows(Status.COMPLETED)
            assert await asyncio.to_thread(process.wait, 10) == 0

    run(test(), 120)
