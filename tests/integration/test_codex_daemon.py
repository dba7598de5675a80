"""The connection to a daemon of Codex that behaves as the real one seldom does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_watch import Watch, following
from fake_codex import ACTIVE, IDLE, PROJECT, WAITING, FakeDaemon, fake_daemon
from tray.core.answers import Permit, Verdict
from tray.core.history import TurnOutcome
from tray.core.sessions import Status
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents import codex_daemon
from waiting import run, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the daemon listens on a Unix socket")

COMMAND = "item/commandExecution/requestApproval"


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[tuple[FakeDaemon, Watch]]:
    """Yield a daemon with one thread, and its follower."""
    async with fake_daemon(folder) as daemon, following(folder) as watch:
        daemon.add("thread")
        await watch_daemon(daemon)
        await daemon.send("thread/started", thread=daemon.threads["thread"])
        await watch.shows(Status.IDLE)
        yield daemon, watch


async def watch_daemon(daemon: FakeDaemon) -> None:
    await until_async(lambda: ("thread/loaded/list", {}) in daemon.calls, "the tray's connection")


async def ask(daemon: FakeDaemon, frame_id: int, command: str) -> None:
    params: dict[str, Any] = {"threadId": "thread", "turnId": "turn", "itemId": f"call{frame_id}", "command": command}
    await daemon.send(COMMAND, frame_id, **params)


def methods(daemon: FakeDaemon) -> list[str]:
    return [method for method, _ in daemon.calls]


def test_a_thread_is_joined_only_while_it_waits(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            await daemon.set("thread", ACTIVE)
            await watch.shows(Status.BUSY)
            assert "thread/resume" not in methods(daemon)
            await daemon.set("thread", WAITING)
            await until_async(lambda: "thread/resume" in methods(daemon), "the joining")
            await daemon.set("thread", ACTIVE)
            await until_async(lambda: "thread/unsubscribe" in methods(daemon), "the leaving")
            await daemon.set("thread", IDLE)
            await watch.shows(Status.IDLE)
            assert methods(daemon).count("thread/resume") == 1

    run(test())


def test_requests_of_one_thread_are_independent(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            await daemon.set("thread", WAITING)
            await ask(daemon, 1, "make test")
            await ask(daemon, 2, "make install")
            row = await until_async(lambda: (row := watch.row()) and len(row.requests) == 2 and row, "both requests")
            params = {"requestID": row.requests[0].id, "sessionID": "thread", "reply": "once"}
            await watch.codex.call(row.server.id, "permission.reply", params)
            await until_async(lambda: daemon.results == {1: {"decision": "accept"}}, "the answer")
            await daemon.send("serverRequest/resolved", threadId="thread", requestId=1)
            await until_async(lambda: (row := watch.row()) and len(row.requests) == 1, "the end of one")
            with pytest.raises(CallError) as failed:
                await watch.codex.call(row.server.id, "permission.reply", params)
            assert failed.value.kind is CallErrorKind.NOT_FOUND
            assert [request.detail for request in watch.row().requests] == ["make install"]  # type: ignore[union-attr]

    run(test())


def test_a_thread_that_cannot_be_joined_is_shown_as_waiting_in_its_terminal(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            daemon.refused.add("thread/resume")
            await daemon.set("thread", WAITING)
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            result = await watch.answer(row, Permit(Verdict.ONCE))
            assert (result.ok, "only in its terminal" in result.message) == (False, True)
            await daemon.set("thread", IDLE)
            await watch.shows(Status.IDLE)

    run(test())


@pytest.mark.parametrize(
    "fields", [{"ephemeral": True}, {"threadSource": "thread_title"}, {"threadSource": "guardian_review"}]
)
def test_threads_that_codex_needs_for_itself_are_hidden_and_read_once(
    socket_folder: Path, fields: dict[str, Any]
) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            daemon.add("hidden", **fields)
            for status in (ACTIVE, IDLE, ACTIVE, IDLE):
                await daemon.set("hidden", status)
            await daemon.set("thread", ACTIVE)
            await watch.shows(Status.BUSY)
            assert daemon.calls.count(("thread/read", {"threadId": "hidden"})) == 1

    run(test())


def test_a_request_of_a_subagent_is_shown_with_its_session(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            daemon.add("child", WAITING, parentThreadId="thread", threadSource="subagent")
            await daemon.set("child", WAITING)
            params = {"threadId": "child", "turnId": "turn", "itemId": "call", "command": "make"}
            await daemon.send(COMMAND, 1, **params)
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            assert (row.session.id, [request.detail for request in row.requests]) == ("thread", ["make"])

    run(test())


def test_a_closed_thread_disappears_and_a_resumed_one_comes_back(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            await daemon.send("thread/closed", threadId="thread")
            await watch.shows(None)
            await daemon.set("thread", IDLE)
            row = await watch.shows(Status.IDLE)
            assert (row.session.title, row.session.directory) == ("Title", PROJECT)

    run(test())


def test_each_directory_has_a_server(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            daemon.add("other", cwd="/home/dev/other")
            await daemon.set("other", IDLE)
            await until_async(lambda: len({row.server.id for row in watch.index.rows()}) == 2, "two servers")
            assert {row.server.directory for row in watch.index.rows()} == {PROJECT, "/home/dev/other"}

    run(test())


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "null", "5", '{"method": 1}', '{"id": 99, "result": {}}', '{"method": "unknown", "id": 5}',
        '{"method": "thread/status/changed", "params": {"threadId": 1}}',
        '{"method": "thread/started", "params": {"thread": {}}}',
        '{"method": "item/commandExecution/requestApproval", "id": 5, "params": {"threadId": "thread", "command": 1}}',
        '{"method": "serverRequest/resolved", "params": {"threadId": "x", "requestId": 5}}',
    ],
)  # fmt: skip
def test_an_invalid_or_unknown_frame_changes_nothing(socket_folder: Path, text: str) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            await daemon.send_text(text)
            await daemon.set("thread", ACTIVE)
            await watch.shows(Status.BUSY)
            assert daemon.connections == 1

    run(test())


def test_a_lost_connection_to_a_running_daemon_is_made_again(socket_folder: Path) -> None:
    async def test() -> None:
        async with followed(socket_folder) as (daemon, watch):
            await daemon.set("thread", WAITING)
            await ask(daemon, 1, "make")
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            await daemon.drop()
            await until_async(lambda: daemon.connections == 2, "the second connection")
            await until_async(lambda: methods(daemon).count("thread/resume") == 2, "the joining")
            await ask(daemon, 1, "make")
            await watch.shows(Status.WAITING_FOR_PERMISSION)

    run(test())


def test_a_turn_of_a_daemon_that_was_killed_is_aborted(socket_folder: Path) -> None:
    async def test() -> None:
        rollout = socket_folder / "rollout.jsonl"
        lines: list[tuple[str, dict[str, Any]]] = [
            ("session_meta", {"id": "thread", "cwd": PROJECT}),
            ("event_msg", {"type": "task_started", "turn_id": "turn"}),
            ("event_msg", {"type": "item_completed", "item": {"type": "UserMessage", "content": [{"text": "do it"}]}}),
        ]
        stamped = [{"type": kind, "timestamp": "2026-11-26T19:16:22Z", "payload": payload} for kind, payload in lines]
        rollout.write_text("\n".join(map(json.dumps, stamped)) + "\n")
        async with followed(socket_folder) as (daemon, watch):
            daemon.add("thread", ACTIVE, path=str(rollout))
            await daemon.send("thread/started", thread=daemon.threads["thread"])
            await watch.shows(Status.BUSY)
            await daemon.drop()
            await until_async(lambda: daemon.connections == 2, "the second connection")
            await watch.shows(Status.BUSY)
            assert watch.turns == []  # the daemon lives: the turn goes on
            (socket_folder / "app-server-daemon" / "daemon.pid").write_text('{"pid": 0}')
            await daemon.stop()
            await watch.shows(Status.DISCONNECTED)
            assert [(turn.prompt, turn.outcome) for turn in watch.turns] == [("do it", TurnOutcome.ABORTED)]

    run(test())


def test_a_daemon_that_refuses_the_tray_is_left_alone(socket_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codex_daemon, "MAX_RETRY", 0.05)

    async def test() -> None:
        async with fake_daemon(socket_folder) as daemon:
            daemon.refused.add("initialize")
            async with following(socket_folder):
                await until_async(lambda: "initialize" in methods(daemon), "the attempt")
                await asyncio.sleep(0.5)  # many times the longest delay of a further attempt
                assert daemon.connections == 1

    run(test())


def test_a_daemon_that_starts_later_is_found(socket_folder: Path) -> None:
    async def test() -> None:
        async with following(socket_folder) as watch:
            await asyncio.sleep(0)
            async with fake_daemon(socket_folder) as daemon:
                daemon.add("thread", ACTIVE)
                await watch.shows(Status.BUSY, 5)
            await watch.shows(Status.DISCONNECTED, 5)

    run(test())


def test_a_file_in_place_of_the_socket_is_no_daemon(socket_folder: Path) -> None:
    control = socket_folder / "app-server-control"
    control.mkdir()
    (control / "app-server-control.sock").write_text(json.dumps({}))

    async def test() -> None:
        async with following(socket_folder) as watch:
            await asyncio.sleep(0.2)
            assert watch.row() is None
            (control / "app-server-control.sock").unlink()
            async with fake_daemon(socket_folder) as daemon:
                daemon.add("thread")
                await watch.shows(Status.IDLE, 5)

    run(test())
