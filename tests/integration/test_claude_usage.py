"""Usage of the real Claude Code: each message of a session, of its subagents and of its forks counts once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time

import pytest

from claude_code import ClaudeCode
from claude_watch import Watch, following
from tray.core.messages import Tokens
from tray.core.plan_limits import PlanLimit
from waiting import run, until_async

pytestmark = pytest.mark.claude_code

STEP = Tokens(1200, 34, 0, 300, 100)  # the usage of each answer of the scripted model
STEP_COST = 0.00604  # USD, as Claude Code computes it
SUBAGENT = 'help ##{"calls": [[["Bash", {"command": "echo hi", "description": "Say hi"}]]]}'
WITH_SUBAGENT = {
    "calls": [[["Agent", {"description": "Help", "prompt": SUBAGENT, "subagent_type": "general-purpose"}]]]
}
PARENT, FORK, SECOND = (f"{number * 8}-1111-4111-8111-111111111111" for number in "123")


def answers(claude: ClaudeCode) -> dict[str, set[str]]:
    """Return the ids of the messages in each transcript."""
    found: dict[str, set[str]] = {}
    for path in (claude.configuration / "projects").rglob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.stem] = {line["message"]["id"] for line in lines if line["type"] == "assistant"}
    return found


def used(watch: Watch) -> dict[str, tuple[Tokens, float]]:
    """Return tokens and cost by session id."""
    return {key.session: (session.tokens, round(session.cost, 9)) for key, session in watch.fleet.sessions.items()}


def ended(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(60) == 0


def times(number: int) -> tuple[Tokens, float]:
    """Return tokens and cost of a number of answers."""
    return sum([STEP] * number, Tokens()), round(number * STEP_COST, 9)


def test_a_subagent_and_forks_of_forks_count_once(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with following(claude.configuration) as watch:
            work = f"work ##{json.dumps(WITH_SUBAGENT)}"
            for arguments in (
                ("--session-id", PARENT, work),
                ("--resume", PARENT, "--fork-session", "--session-id", FORK, "more ##{}"),
                ("--resume", FORK, "--fork-session", "--session-id", SECOND, "again ##{}"),
            ):
                process = claude.start("-p", *arguments)
                await asyncio.to_thread(ended, process)
                session = arguments[arguments.index("--session-id") + 1]
                await until_async(lambda name=session: used(watch).get(name, (0, 0))[1], "its cost")
            files = answers(claude)
            (subagent,) = (ids for name, ids in files.items() if name.startswith("agent-"))
            assert subagent
            assert files[PARENT] < files[FORK] < files[SECOND]
            own = len(files[PARENT] | subagent)
            assert used(watch) == {PARENT: times(own), FORK: times(1), SECOND: times(1)}
            assert watch.tokens_of_steps == times(own + 2)[0]

    run(test(), 120)


def test_the_limit_that_a_refused_request_has_reached_is_shown_until_the_next_answer(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with following(claude.configuration) as watch:
            resets_at = round(time.time()) + 3600
            limit = "anthropic-ratelimit-unified"
            headers = {f"{limit}-representative-claim": "five_hour", f"{limit}-reset": str(resets_at)}
            claude.run({"http": 429, "headers": headers, "retry_after": 3, "words": 2})
            limits = await until_async(lambda: [s.plan_limits for s in watch.fleet.servers.values() if s.plan_limits])
            assert limits == [(PlanLimit("5 hours", 100, resets_at * 1000),)]
            await until_async(lambda: all(not server.plan_limits for server in watch.fleet.servers.values()), "the end")
            assert [tokens for tokens, _ in used(watch).values()] == [STEP]

    run(test(), 120)


def test_a_branch_in_the_terminal_counts_once(claude: ClaudeCode) -> None:
    async def test() -> None:
        async with following(claude.configuration) as watch:
            await asyncio.to_thread(claude.tui)
            await asyncio.to_thread(claude.prompt, {"words": 1})
            await until_async(lambda: [tokens for tokens, _ in used(watch).values()] == [STEP], "the first answer")
            (parent,) = used(watch)
            await asyncio.to_thread(claude.submit, "/branch")
            await until_async(
                lambda: [session.inherited_tokens for session in watch.fleet.sessions.values()] == [STEP], "the branch"
            )
            (branch,) = used(watch)
            assert used(watch)[branch][0] == Tokens()
            assert watch.tokens_of_steps == STEP
            await asyncio.to_thread(claude.prompt, {"words": 2})
            await until_async(lambda: [tokens for tokens, _ in used(watch).values()] == [STEP], "the second answer")
            files = answers(claude)
            assert (files[parent] < files[branch], len(files[branch])) == (True, 2)

    run(test(), 120)
