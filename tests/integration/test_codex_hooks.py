"""The hooks of the real Codex: the user's trust in them, and what they report of a process without a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from codex import DIALOG, Codex
from codex_watch import Watch, following
from tray.actions.agent_hooks import AgentHooks
from tray.agents.catalog import AGENTS
from tray.agents.codex.trust import are_hooks_trusted
from tray.core.agent_setup import HookState
from tray.core.plan_limits import PlanLimit
from tray.core.servers import AgentKind
from tray.core.sessions import Status
from waiting import run, until_async

pytestmark = pytest.mark.codex

SANDBOXED: dict[str, Any] = {"calls": [[["exec_command", {"cmd": "sleep 2"}]]]}


def slow_touch(seconds: float) -> dict[str, Any]:
    """Return a script with a command that needs a permission and takes a while."""
    arguments = {"cmd": f"sleep {seconds:g}; touch a.txt", "sandbox_permissions": "require_escalated"}
    return {"calls": [[["exec_command", arguments]]]}


@asynccontextmanager
async def trusted_tui(codex: Codex, *arguments: str) -> AsyncIterator[Watch]:
    """Start a terminal without daemon, with hooks that the user trusts."""
    socket = codex.home / "hooks" / "socket"
    codex.install_hooks(socket)
    async with following(codex.configuration, socket) as watch:
        await asyncio.to_thread(codex.tui_with_new_hooks, "--no-daemon", *arguments)
        yield watch


def test_a_permission_without_daemon_is_shown_until_its_command_starts(codex: Codex) -> None:
    async def test() -> None:
        async with trusted_tui(codex) as watch:
            await asyncio.to_thread(codex.prompt, slow_touch(2))
            row = await watch.shows(Status.WAITING_FOR_PERMISSION)
            (request,) = row.requests
            assert (request.title, request.detail) == ("command", "sleep 2; touch a.txt")
            assert "in its terminal" in request.read_only_reason
            assert DIALOG in codex.terminal.screen()
            await asyncio.to_thread(codex.accept)
            await until_async(lambda: (row := watch.row()) and not row.requests, "the end of the request", 1)
            assert not (codex.project / "a.txt").exists()  # its command is still running
            row = await watch.shows(Status.COMPLETED)
            assert [limit.name for limit in row.server.plan_limits] == ["5 hours", "7 days"]
            assert row.server.plan_limits[0] == PlanLimit("5 hours", 37.5, 4_000_000_000_000)

    run(test(), 120)


def test_a_permission_without_daemon_ends_with_the_turn(codex: Codex) -> None:
    async def test() -> None:
        async with trusted_tui(codex) as watch:
            await asyncio.to_thread(codex.prompt, SANDBOXED)
            await watch.shows(Status.COMPLETED)
            assert Status.WAITING_FOR_PERMISSION not in watch.seen
            await asyncio.to_thread(codex.prompt, slow_touch(0))
            await watch.shows(Status.WAITING_FOR_PERMISSION)
            await asyncio.to_thread(codex.press_until_closed, "Escape", DIALOG)
            await watch.shows(Status.ABORTED, 2)

    run(test(), 120)


def test_what_the_automatic_reviewer_decides_is_not_shown(codex: Codex) -> None:
    async def test() -> None:
        async with trusted_tui(codex, "--approve-for-me") as watch:
            await asyncio.to_thread(codex.prompt, slow_touch(0))
            await watch.shows(Status.COMPLETED)
            assert "Request denied" in codex.terminal.screen()
            assert Status.WAITING_FOR_PERMISSION not in watch.seen

    run(test(), 120)


def test_hooks_are_trusted_when_the_user_has_trusted_them_in_codex(codex: Codex) -> None:
    hooks = AgentHooks({"CODEX_HOME": str(codex.configuration), "PATH": ""}, codex.home, Path("/run/tray/socket"))
    agent = AGENTS[AgentKind.CODEX]
    path = codex.configuration / "hooks.json"
    path.write_text(hooks.installation(agent).after, encoding="utf-8")
    assert hooks.state(agent) is HookState.UNTRUSTED
    codex.tui_with_new_hooks("--no-daemon")
    assert are_hooks_trusted(path)
    assert hooks.state(agent) is HookState.INSTALLED
    assert hooks.installation(agent).diff == ""  # an installation again keeps the trust
    path.write_text(path.read_text(encoding="utf-8").replace('"timeout": 2', '"timeout": 3'), encoding="utf-8")
    assert not are_hooks_trusted(path)
