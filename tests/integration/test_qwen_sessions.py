"""The sessions of the real Qwen Code, seen by the hooks that the tray installs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_watch import OnlySession
from hook_watch import HookWatch, following, install_hooks
from model_server import ModelServer
from qwen_code import DIALOG, QwenCode
from tray.agents.qwen.hooks import decode_hook
from tray.agents.qwen.settings import HOOK_FILE
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from tray.system.terminal_processes import terminal_process_of
from waiting import run, until_async

pytestmark = pytest.mark.qwen_code

SHELL = "run_shell_command"


@pytest.fixture
def qwen(socket_folder: Path) -> Iterator[QwenCode]:
    with ModelServer() as model, QwenCode(socket_folder / "home", model.port) as program:
        yield program


@asynccontextmanager
async def watching(qwen: QwenCode) -> AsyncIterator[OnlySession]:
    watch = HookWatch(AgentKind.QWEN, decode_hook)
    socket = qwen.home / "hooks" / "socket"
    install_hooks(HOOK_FILE, qwen.configuration, socket)
    async with following(watch, "/hook/qwen", socket):
        yield OnlySession(watch)


@asynccontextmanager
async def tui(qwen: QwenCode) -> AsyncIterator[OnlySession]:
    async with watching(qwen) as session:
        await asyncio.to_thread(qwen.tui)
        await session.shows(Status.IDLE)
        yield session


def touch(name: str) -> dict[str, object]:
    return {"calls": [[[SHELL, {"command": f"touch {name}", "description": "Create a file"}]]]}


def test_a_permission_is_shown_until_it_is_answered_in_the_terminal(qwen: QwenCode) -> None:
    async def test() -> None:
        async with tui(qwen) as session:
            await asyncio.to_thread(qwen.prompt, touch("a.txt"))
            await until_async(lambda: DIALOG in qwen.terminal.screen(), "the dialog")
            row = await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            assert session.requests() == [(SHELL, "touch a.txt")]
            assert row.server.read_only_reason == "Qwen Code is only observed; use its terminal"
            await asyncio.to_thread(qwen.accept)
            row = await session.shows(Status.COMPLETED)
            assert session.requests() == []
            assert row.session.last_output.startswith("word0 word1 word2")
            assert row.session.title.startswith("work ##")
            assert (qwen.project / "a.txt").exists()

    run(test(), 120)


def test_escape_ends_a_turn_within_a_second_in_the_stream_and_in_a_dialog(qwen: QwenCode) -> None:
    async def test() -> None:
        async with tui(qwen) as session:
            await asyncio.to_thread(qwen.prompt, {"words": 600, "pause": 0.1})
            await session.shows(Status.BUSY)
            await until_async(lambda: "word3" in qwen.terminal.screen(), "the stream")
            qwen.terminal.press("Escape")
            await session.shows(Status.IDLE, 1)
            await asyncio.to_thread(qwen.prompt, touch("b.txt"))
            await until_async(lambda: DIALOG in qwen.terminal.screen(), "the dialog")
            await session.shows(Status.WAITING_FOR_PERMISSION, 1)
            await asyncio.to_thread(qwen.press_until_closed, "Escape", DIALOG)
            await session.shows(Status.IDLE, 1)

    run(test(), 120)


def test_an_error_is_shown_as_failed(qwen: QwenCode) -> None:
    async def test() -> None:
        async with tui(qwen) as session:
            await asyncio.to_thread(qwen.prompt, {"http": 400, "times": 20})
            row = await session.shows(Status.ERROR)
            assert row.session.failure is not None
            assert "scripted 400" in row.session.failure.message

    run(test(), 120)


def test_a_killed_qwen_code_is_disconnected_within_five_seconds_and_its_terminal_was_known(qwen: QwenCode) -> None:
    async def test() -> None:
        async with tui(qwen) as session:
            await asyncio.to_thread(qwen.prompt, {"words": 600, "pause": 0.1})
            row = await session.shows(Status.BUSY)
            process = terminal_process_of(row.server.pid)
            assert process is not None
            pane, tty = qwen.terminal.run("list-panes", "-F", "#{pane_id} #{pane_tty}").split()
            assert (process.variable("TMUX_PANE"), process.tty) == (pane, tty)
            os.kill(row.server.pid, signal.SIGKILL)
            await session.shows(Status.DISCONNECTED, 5)

    run(test(), 120)


def test_a_closed_qwen_code_is_gone_within_five_seconds(qwen: QwenCode) -> None:
    async def test() -> None:
        async with tui(qwen) as session:
            await asyncio.to_thread(qwen.submit, "/quit")
            await session.shows(None, 5)

    run(test(), 120)
