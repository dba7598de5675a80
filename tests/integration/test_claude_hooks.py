"""The real Claude Code with the tray's hooks: its requests are answered in the tray or in its terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from claude_code import DIALOG, ClaudeCode
from claude_watch import Watch, following
from model_server import ModelServer
from tray.core.answers import Answer, Permit, Reply, Verdict, read_only_reason
from tray.core.session_index import SessionRow
from tray.core.sessions import RequestKind, Status
from waiting import run, until_async

pytestmark = pytest.mark.claude_code

QUESTION = {
    "question": "Which colour?", "header": "Colour", "multiSelect": False,
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cool"}],
}  # fmt: skip


def bash(*commands: str) -> dict[str, Any]:
    """Return a script that runs these commands in one step."""
    return {"calls": [[["Bash", {"command": command, "description": "Work"}] for command in commands]]}


class Session:
    """The only session of a watch."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def row(self) -> SessionRow:
        (row,) = self.watch.index.rows()
        return row

    async def shows(self, status: Status, deadline: float = 20) -> SessionRow:
        await until_async(lambda: self.row().status is status, f"{status}", deadline)
        return self.row()

    async def asks(self) -> SessionRow:
        """Wait until a request can be answered from here."""

        def is_answerable() -> bool:
            row = self.row()
            return bool(row.requests) and not read_only_reason(row.server, row.requests[0])

        await until_async(is_answerable, "a request that can be answered", 20)
        return self.row()

    async def answer(self, answer: Answer) -> str:
        """Answer the request and return the result."""
        result = await self.watch.answer(self.row(), answer)
        assert result.ok, result
        return result.message


@asynccontextmanager
async def tui(claude: ClaudeCode) -> AsyncIterator[Session]:
    async with following(claude.configuration) as watch:
        claude.install_hooks(watch.socket)
        await asyncio.to_thread(claude.tui)
        await until_async(lambda: list(watch.index.rows()), "the session")
        session = Session(watch)
        await session.shows(Status.IDLE)
        yield session


def test_a_permission_is_allowed_from_the_tray(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, bash("touch a.txt"))
            row = await session.asks()
            (request,) = row.requests
            assert (row.status, request.title, request.detail) == (Status.WAITING_FOR_PERMISSION, "Bash", "touch a.txt")
            assert request.complete
            await until_async(lambda: DIALOG in claude.terminal.screen(), "the dialog")
            assert await session.answer(Permit(Verdict.ONCE)) == "Allowed once: Bash"
            await session.shows(Status.COMPLETED)
            assert (claude.project / "a.txt").exists()
            assert DIALOG not in claude.terminal.screen()
            assert [entry["result"] for entry in session.watch.audit] == ["sending", "answered"]

    run(test(), 120)


def test_parallel_calls_are_answered_one_by_one_here_and_in_the_terminal(claude: ClaudeCode) -> None:
    files = [claude.home / f"{name}.txt" for name in "abc"]  # outside of the project: Claude Code asks
    for path in files:
        path.write_text(f"content of {path.stem}", encoding="utf-8")
    calls = [["Read", {"file_path": str(path)}] for path in files]

    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"calls": [[*calls, ["Glob", {"pattern": "*"}]]]})
            for number, path in enumerate(files, 1):
                await until_async(
                    lambda path=path: [r.detail for r in session.row().requests] == [str(path)], path.name
                )
                await session.asks()
                await until_async(lambda number=number: f"{number} of 3" in claude.terminal.screen(), "the dialog")
                if path.stem == "b":
                    before = session.row().requests[0].id
                    await asyncio.sleep(1)  # Claude Code ignores the keys just after a dialog has opened
                    claude.terminal.press("Enter")
                    await until_async(lambda: "3 of 3" in claude.terminal.screen(), "the next dialog")
                    closed = time.monotonic()
                    await until_async(
                        lambda before=before: all(r.id != before for r in session.row().requests), "the end", 2
                    )
                    assert time.monotonic() - closed < 0.5
                else:
                    await session.answer(Permit(Verdict.ONCE))
            await session.shows(Status.COMPLETED)
            (transcript,) = (claude.configuration / "projects").rglob("*.jsonl")
            assert all(f"content of {name}" in transcript.read_text(encoding="utf-8") for name in "abc")

    run(test(), 120)


def test_a_rejection_with_a_message_reaches_the_agent(claude: ClaudeCode, model: ModelServer) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, bash("touch a.txt"))
            await session.asks()
            await session.answer(Permit(Verdict.REJECT, "use another name"))
            await session.shows(Status.COMPLETED)
            assert "use another name" in claude.terminal.screen()
            assert not (claude.project / "a.txt").exists()

    run(test(), 120)


def test_a_rejection_without_a_message_stops_the_turn(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, bash("touch a.txt"))
            await session.asks()
            await session.answer(Permit(Verdict.REJECT))
            await session.shows(Status.IDLE)
            assert not (claude.project / "a.txt").exists()

    run(test(), 120)


def test_always_is_not_asked_again(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, bash("touch a.txt"))
            row = await session.asks()
            assert str(claude.project) in row.requests[0].always[0]
            await session.answer(Permit(Verdict.ALWAYS))
            await session.shows(Status.COMPLETED)

    run(test(), 120)


def test_a_question_is_answered_with_its_options(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, {"calls": [[["AskUserQuestion", {"questions": [QUESTION]}]]]})
            row = await session.asks()
            assert row.requests[0].kind is RequestKind.QUESTION
            await session.answer(Reply((("Blue",),)))
            await session.shows(Status.COMPLETED)
            assert "Which colour? → Blue" in claude.terminal.screen()

    run(test(), 120)


def test_escape_ends_the_turn_in_a_dialog_and_in_a_tool_and_denies_nothing(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            for is_allowed in (False, True):
                await asyncio.to_thread(claude.prompt, bash("timeout 60 tail -f /dev/null"))
                await session.asks()
                await asyncio.sleep(1)  # Claude Code ignores the keys just after a dialog has opened
                if is_allowed:
                    await session.answer(Permit(Verdict.ONCE))
                    await session.shows(Status.BUSY)
                claude.terminal.press("Escape")
                await session.shows(Status.IDLE, 1)
                assert session.row().requests == ()
            assert set(session.watch.announce()) <= {"permission", "withdrawn"}

    run(test(), 120)


def test_a_subagents_dialog_is_not_hidden_by_its_hook_and_its_end_is_announced_once(claude: ClaudeCode) -> None:
    """Claude Code waits for a subagent's hook before it asks; it counts at the session and is answered there."""

    async def test() -> None:
        async with tui(claude) as session:
            script = '{"calls":[[["Bash",{"command":"touch s.txt","description":"x"}]]]}'
            task = {"description": "Work", "prompt": f"sub ##{script}", "subagent_type": "general-purpose",
                    "run_in_background": True}  # fmt: skip
            await asyncio.to_thread(claude.prompt, {"calls": [[["Agent", task]]]})
            await until_async(lambda: "Waiting for 1 background agent" in claude.terminal.screen(), "the first end")
            row = await session.shows(Status.WAITING_FOR_PERMISSION)
            assert "in its terminal" in read_only_reason(row.server, row.requests[0])
            await asyncio.to_thread(claude.accept)
            row = await session.shows(Status.COMPLETED)
            assert (claude.project / "s.txt").exists()
            assert row.session.title.startswith("work ##")
            await until_async(lambda: "finished" in session.watch.announce(), "the notification")
            assert session.watch.announced.count("finished") == 1

    run(test(), 120)


def test_a_run_without_a_terminal_is_never_held(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with following(claude.configuration) as watch:
            claude.install_hooks(watch.socket)
            assert await asyncio.to_thread(claude.run(bash("touch a.txt")).wait, 30) == 0
            assert "PermissionRequest" in watch.hook_times
            assert max(watch.hook_times.values()) < 0.5

    run(test(), 120)


def test_a_tray_that_ends_while_it_holds_a_hook_leaves_the_dialog(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with tui(claude) as session:
            await asyncio.to_thread(claude.prompt, bash("touch a.txt"))
            await session.asks()
            await session.watch.hooks.stop()
            await until_async(lambda: DIALOG in claude.terminal.screen(), "the dialog")
            await asyncio.to_thread(claude.accept)
            await session.shows(Status.COMPLETED)
            assert (claude.project / "a.txt").exists()

    run(test(), 120)
