"""The terminals of the real Codex that show a session of its daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex import Codex
from codex_watch import Watch, following
from model_server import ModelServer
from tray.actions.attach.codex_terminals import codex_terminals
from tray.core.session_index import SessionRow
from waiting import run, until_async

pytestmark = pytest.mark.codex

TITLES = ("Fix the tests", "Write the docs", "Rename the module")


@pytest.fixture
def codex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Codex]:
    with ModelServer() as model, Codex(tmp_path / "home", model.port) as program:
        monkeypatch.setenv("CODEX_HOME", str(program.configuration))
        yield program


async def session(watch: Watch, title: str) -> SessionRow:
    return await until_async(
        lambda: next((row for row in watch.index.rows() if row.session.title == title), None), title
    )


async def panes(row: SessionRow) -> list[str]:
    """Return the tmux panes of the terminals of a session."""
    found = await codex_terminals(row.session.directory, row.session.id, [row.session.title])
    return [terminal.variable("TMUX_PANE") for terminal in found]


def pane(codex: Codex) -> str:
    """Return the pane of the newest window, which is shown."""
    return codex.terminal.run("display-message", "-p", "#{pane_id}").strip()


async def another(codex: Codex, *arguments: str) -> str:
    """Start another terminal UI and return its pane."""
    codex.terminal.run("new-window", str(codex.binary), *arguments)
    await until_async(lambda: "GPT-5.5" in codex.terminal.screen(), "another terminal")
    return pane(codex)


def test_of_three_terminals_in_a_directory_the_one_with_the_title_shows_the_session(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            expected = {}
            for title in TITLES:
                if expected:
                    shown = await another(codex)
                else:
                    await asyncio.to_thread(codex.tui)
                    shown = pane(codex)
                await asyncio.to_thread(codex.prompt, {"title": title})
                row = await session(watch, title)
                expected[title] = shown
                if len(expected) == 1:
                    assert await panes(row) == [shown]  # the only one
            for title, shown in expected.items():
                row = await session(watch, title)
                await until_async(lambda row=row, shown=shown: _are(row, [shown]), f"the pane of {title}")

    run(test(), 120)


async def _are(row: SessionRow, expected: list[str]) -> bool:
    return await panes(row) == expected


def test_a_terminal_that_was_started_with_the_session_shows_it(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            await asyncio.to_thread(codex.tui)
            await asyncio.to_thread(codex.prompt, {"title": TITLES[0]})
            row = await session(watch, TITLES[0])
            resumed = await another(codex, "resume", row.session.id)
            assert await panes(row) == [resumed]

    run(test(), 120)


def test_a_terminal_without_daemon_or_in_another_directory_shows_no_session_of_the_daemon(codex: Codex) -> None:
    async def test() -> None:
        async with following(codex.configuration) as watch:
            await asyncio.to_thread(codex.tui)
            await asyncio.to_thread(codex.prompt, {"title": TITLES[0]})
            row = await session(watch, TITLES[0])
            shown = await panes(row)
            await another(codex, "--no-daemon")
            assert await panes(row) == shown
            assert await codex_terminals("/elsewhere", row.session.id, [TITLES[0]]) == []

    run(test(), 120)
