"""The sessions of the real Claude Code, without anything installed in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent_watch import OnlySession
from claude_code import DIALOG, ClaudeCode
from claude_watch import following
from tray.agents.claude.registry import read_registry
from tray.core.answers import read_only_reason
from tray.core.sessions import Status
from waiting import run, until_async

pytestmark = pytest.mark.claude_code

TOUCH = {"calls": [[["Bash", {"command": "touch a.txt", "description": "Create a file"}]]]}
REMOVE = {"calls": [[["Bash", {"command": "rm -rf /tmp/none/none", "description": "Remove"}]]]}
QUESTION = {
    "question": "Which colour?", "header": "Colour", "multiSelect": False,
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cool"}],
}  # fmt: skip


@asynccontextmanager
async def tui(claude: ClaudeCode) -> AsyncIterator[OnlySession]:
    async with following(claude.configuration) as watch:
        await asyncio.to_thread(claude.tui)
        session = OnlySession(watch)
        await session.shows(Status.IDLE)
        yield session


def test_a_permission_is_shown_until_it_is_answered_in_the_terminal(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, TOUCH)
            await until_async(lambda: DIALOG in claude.terminal.screen(), "the dialog")
            await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            await until_async(lambda: session.requests() == [("Bash", "touch a.txt")], "the tool")
            await asyncio.to_thread(claude.accept)
            row = await session.shows(Status.COMPLETED)
            assert (claude.project / "a.txt").exists()
            assert (row.session.last_output, row.tokens.input) == ("word0 word1 word2", 2400)
            assert row.session.title.startswith("work ##")
            assert row.server.version == "2.1.332"

    run(test(), 120)


def test_a_dialog_of_the_automatic_mode_is_shown(claude: ClaudeCode) -> None:
    """Its check of commands runs on a server that the test has not, so Claude Code asks the user, without a hook."""

    async def test() -> None:
        async with following(claude.configuration) as watch:
            claude.install_hooks(watch.socket)
            claude.open_terminal("--permission-mode", "auto")
            await until_async(lambda: "auto mode on" in claude.terminal.screen(), "Claude Code's terminal UI", 60)
            await asyncio.to_thread(claude.prompt, REMOVE)
            row = await OnlySession(watch).shows(Status.WAITING_FOR_PERMISSION)
            assert [(r.title, r.detail) for r in row.requests] == [("Bash", "rm -rf /tmp/none/none")]
            assert "in its terminal" in read_only_reason(row.server, row.requests[0])
            assert "PermissionRequest" not in watch.hook_times

    run(test(), 120)


def test_a_question_is_shown_with_its_options(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"calls": [[["AskUserQuestion", {"questions": [QUESTION]}]]]})
            await session.shows(Status.WAITING_FOR_ANSWER)
            # The transcript may name the question a little after the registry says that the session waits.
            await until_async(lambda: [text for _, text in session.requests()] == ["Which colour?"], "the question")
            (request,) = (await session.shows(Status.WAITING_FOR_ANSWER)).requests
            assert [option.label for option in request.questions[0].options] == ["Red", "Blue"]

    run(test(), 120)


def test_a_menu_that_the_user_opens_is_not_a_request(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.submit, "/model")
            (entry,) = await until_async(
                lambda: [entry for entry in read_registry(claude.configuration) if entry.waiting_for == "dialog open"],
                "the registry's report of the menu",
            )
            row = await until_async(
                lambda: (row := session.row()) and row.session.updated == entry.status_updated_at and row, "its reading"
            )
            assert (row.status, row.requests) == (Status.IDLE, ())

    run(test(), 120)


def test_an_interrupted_turn_is_idle_within_a_second_and_not_finished(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"words": 3})
            await session.shows(Status.COMPLETED)
            await asyncio.to_thread(claude.prompt, {"words": 600, "pause": 0.1})
            await session.shows(Status.BUSY)
            await until_async(lambda: "word3" in claude.terminal.screen(), "the stream")
            claude.terminal.press("Escape")
            await until_async(lambda: "Interrupted" in claude.terminal.screen(), "the interruption")
            await session.shows(Status.IDLE, 2)

    run(test(), 120)


def test_an_api_error_is_shown_as_failed(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"http": 400, "times": 20})
            row = await session.shows(Status.ERROR)
            assert row.session.failure is not None
            assert "scripted 400" in row.session.failure.message

    run(test(), 120)


@pytest.mark.fault
def test_a_killed_claude_code_is_disconnected_within_five_seconds_and_has_one_row_when_it_is_resumed(
    claude: ClaudeCode,
) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"words": 600, "pause": 0.1})
            row = await session.shows(Status.BUSY)
            await until_async(lambda: "word3" in claude.terminal.screen(), "the stream")
            await asyncio.to_thread(claude.kill)
            await session.shows(Status.DISCONNECTED, 5)
            await asyncio.to_thread(claude.tui, "--resume", row.key.session)
            assert (await session.shows(Status.IDLE)).key.session == row.key.session
            assert session.count() == 1
            await asyncio.to_thread(claude.submit, "/clear")
            await until_async(lambda: (now := session.row()) and now.key.session != row.key.session, "the new session")
            assert session.count() == 1

    run(test(), 120)


def test_a_run_without_terminal_appears_and_finishes(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with following(claude.configuration) as watch:
            session = OnlySession(watch)
            process = claude.run({"words": 30, "pause": 0.1})
            await session.shows(Status.BUSY)
            await session.shows(Status.COMPLETED)
            assert await asyncio.to_thread(process.wait, 10) == 0

    run(test(), 120)
