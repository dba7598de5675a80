"""The sessions of the real Gemini CLI, seen by the hooks that the tray installs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_watch import OnlySession
from gemini_cli import DIALOG, GeminiCli
from hook_watch import HookWatch, following, install_hooks
from model_server import ModelServer
from tray.agents.gemini.chat import ChatFile
from tray.agents.gemini.hooks import decode_hook
from tray.agents.gemini.settings import HOOK_FILE
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from tray.system.terminal_processes import terminal_process_of
from waiting import run, until_async

pytestmark = pytest.mark.gemini_cli

SHELL = "run_shell_command"


@pytest.fixture
def gemini(socket_folder: Path) -> Iterator[GeminiCli]:
    with ModelServer() as model, GeminiCli(socket_folder / "home", model.port) as program:
        yield program


@asynccontextmanager
async def watching(gemini: GeminiCli) -> AsyncIterator[OnlySession]:
    watch = HookWatch(AgentKind.GEMINI, decode_hook, ChatFile)
    socket = gemini.home / "hooks" / "socket"
    install_hooks(HOOK_FILE, gemini.configuration, socket)
    async with following(watch, "/hook/gemini", socket):
        yield OnlySession(watch)


@asynccontextmanager
async def tui(gemini: GeminiCli) -> AsyncIterator[OnlySession]:
    async with watching(gemini) as session:
        await asyncio.to_thread(gemini.tui)
        await session.shows(Status.IDLE)
        yield session


def touch(name: str) -> dict[str, object]:
    return {"words": 1, "calls": [[[SHELL, {"command": f"touch {name}", "description": "Create a file"}]]]}


def test_a_permission_is_shown_until_it_is_answered_in_the_terminal(gemini: GeminiCli) -> None:
    async def test() -> None:
        async with tui(gemini) as session:
            await asyncio.to_thread(gemini.prompt, touch("a.txt"))
            await until_async(lambda: DIALOG in gemini.terminal.screen(), "the dialog")
            row = await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            assert session.requests() == [("exec", "touch a.txt")]
            assert row.server.read_only_reason == "Gemini CLI is only observed; use its terminal"
            await asyncio.to_thread(gemini.accept)
            row = await session.shows(Status.COMPLETED)
            assert session.requests() == []
            assert row.session.last_output.startswith("word0")
            assert row.session.title.startswith("work ##")
            assert (gemini.project / "a.txt").exists()

    run(test(), 120)


def test_escape_ends_a_turn_within_a_second_in_the_stream_and_in_a_dialog(gemini: GeminiCli) -> None:
    async def test() -> None:
        async with tui(gemini) as session:
            await asyncio.to_thread(gemini.prompt, {"words": 600, "pause": 0.1})
            await session.shows(Status.BUSY)
            await until_async(lambda: "word3" in gemini.terminal.screen(), "the stream")
            gemini.terminal.press("Escape")
            await session.shows(Status.IDLE, 1)
            await asyncio.to_thread(gemini.prompt, touch("b.txt"))
            await until_async(lambda: DIALOG in gemini.terminal.screen(), "the dialog")
            await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            await asyncio.to_thread(gemini.press_until_closed, "Escape", DIALOG)
            await session.shows(Status.IDLE, 1)

    run(test(), 120)


def test_an_error_is_shown_as_failed(gemini: GeminiCli) -> None:
    async def test() -> None:
        async with tui(gemini) as session:
            await asyncio.to_thread(gemini.prompt, {"http": 400, "times": 20})
            row = await session.shows(Status.ERROR)
            assert row.session.failure is not None
            assert "scripted 400" in row.session.failure.message

    run(test(), 120)


def test_a_killed_gemini_cli_is_disconnected_within_five_seconds_and_its_terminal_was_known(gemini: GeminiCli) -> None:
    async def test() -> None:
        async with tui(gemini) as session:
            await asyncio.to_thread(gemini.prompt, {"words": 600, "pause": 0.1})
            row = await session.shows(Status.BUSY)
            process = terminal_process_of(row.server.pid)
            assert process is not None
            pane, tty = gemini.terminal.run("list-panes", "-F", "#{pane_id} #{pane_tty}").split()
            assert (process.variable("TMUX_PANE"), process.tty) == (pane, tty)
            os.kill(row.server.pid, signal.SIGKILL)
            await session.shows(Status.DISCONNECTED, 5)

    run(test(), 120)


def test_a_closed_gemini_cli_is_gone_within_five_seconds(gemini: GeminiCli) -> None:
    async def test() -> None:
        async with tui(gemini) as session:
            await asyncio.to_thread(gemini.submit, "/quit")
            # Enter may only complete the command.
            closed = lambda: not gemini.terminal.screen().strip()  # noqa: E731
            await asyncio.to_thread(gemini.press_until, "Enter", closed, "the end of Gemini CLI", 2)
            await session.shows(None, 5)

    run(test(), 120)
