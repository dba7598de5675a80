"""`usage` after a day with real agents: it equals what the model has served."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_code import ClaudeCode
from codex import Codex
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray.storage.history.activity import FileKind, file_kinds
from tray.storage.history.selection import Selection
from tray.storage.history.timeline import timeline
from tray.storage.history.usage import usage as stored_usage
from tray.system.local_day import day_number
from tray_process import Home
from waiting import until

STEP_COST = 0.00411  # US dollars, of 1,200 tokens of input and 34 of output, at the prices in opencode.json
BASH = [["bash", {"command": "ls", "description": "list"}]]
TASK = {"description": "Look", "prompt": 'look ##{"calls": [[["list", {"path": "."}]]]}', "subagent_type": "general"}
SLOW = {"words": 3, "pause": 1}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True) as name:  # short: it contains a socket
        yield Path(name)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def tray(folder: Path) -> Iterator[Home]:
    home = Home(folder / "tray")
    home.path.mkdir()
    yield home
    home.stop()


def usage(tray: Home, *arguments: str) -> dict[str, Any]:
    done = tray.run("usage", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def settled(tray: Home, count: int) -> dict[str, Any]:
    """Return the total once it has this number of steps."""
    path = tray.path / "data/opencode-tray/history.db"
    today = day_number(time.time_ns() // 1_000_000)
    until(lambda: sum(sums.steps for sums in stored_usage(path, today, today)) == count, f"{count} steps")
    total: dict[str, Any] = usage(tray)["total"]
    return total


def imported(folder: Path, data: Path | None = None, **environment: str) -> Home:
    """Return a home in which no tray has run, after an import. `data` is OpenCode's data folder."""
    home = Home(folder)
    (folder / "data").mkdir(parents=True)
    if data is not None:
        (folder / "data/opencode").symlink_to(data)
    home.environment |= environment
    done = home.run("history", "import")
    assert done.returncode == 0, done.stderr
    assert "Imported" in done.stdout
    return home


def steps(tray: Home) -> list[dict[str, Any]]:
    """Return the exported steps, without what only a running tray knows."""
    done = tray.run("history", "export", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.opencode
def test_a_subagent_a_fork_and_a_killed_tray_count_once(folder: Path, model: ModelServer, tray: Home) -> None:
    process = tray.tray("--no-notify")
    token = {"OPENCODE_TRAY_TOKEN_FILE": str(tray.path / "data/opencode-tray/token")}
    with OpenCode(NEWEST, folder / "home", model.port, token) as opencode:
        opencode.serve()
        session = opencode.session()
        opencode.prompt(session, {"calls": [[["task", TASK]]]})
        until(lambda: tray.session(session).get("status") == "completed", "the end of the turn")
        forked = tray.run("session", "fork", session, "--port", str(tray.port)).stdout.strip().removeprefix("Forked: ")
        opencode.prompt(forked, SLOW)
        until(lambda: tray.session(forked).get("status") == "busy", "the second turn")
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        tray.tray("--no-notify")
        until(lambda: tray.session(forked).get("status") in ("completed", "idle"), "the end of the second turn")
        total = settled(tray, model.served)
        assert total["reported_cost"] == pytest.approx(model.served * STEP_COST, abs=1e-6)
        assert (total["estimated_cost"], total["unpriced_steps"]) == (0, 0)
        report = usage(tray, "--by", "project")
        assert report["sessions"] == 2
        assert [group["project"] for group in report["groups"]] == [str(opencode.project)]
        fresh = imported(folder / "fresh", opencode.data)
        assert steps(fresh) == steps(tray)
        assert {step["root"] for step in steps(fresh)} == {session, forked}
        assert "Imported" in fresh.run("history", "import").stdout
        assert usage(fresh, "--by", "model") == usage(tray, "--by", "model")


@pytest.mark.opencode
def test_prompt_reply_and_changed_file_are_recorded(folder: Path, model: ModelServer, tray: Home) -> None:
    tray.tray("--no-notify")
    token = {"OPENCODE_TRAY_TOKEN_FILE": str(tray.path / "data/opencode-tray/token")}
    with OpenCode(NEWEST, folder / "home", model.port, token) as opencode:
        opencode.serve()
        session = opencode.session()
        opencode.prompt(session, {"words": 1})  # it may begin before the plugin is connected
        until(lambda: tray.session(session).get("status") == "completed", "the end of the first turn")
        written = opencode.project / "answer.PY"
        opencode.prompt(session, {"calls": [[["write", {"filePath": str(written), "content": "1\n2\n"}]]], "words": 3})
        until(written.exists, "the file")
        until(lambda: tray.session(session).get("status") == "completed", "the end of the turn")
        assert written.read_text(encoding="utf-8") == "1\n2\n"
        path = tray.path / "data/opencode-tray/history.db"
        until(lambda: len(timeline(path, session).turns) == 2, "both turns")
        (_, turn) = timeline(path, session).turns
        assert ("answer.PY" in turn.prompt, turn.reply, turn.steps) == (True, "word0 word1 word2", 2)
        today = day_number(time.time_ns() // 1_000_000)
        assert file_kinds(path, Selection(today - 1, today)) == [FileKind(".py", 1, 2, 0)]
        (found,) = json.loads(tray.run("history", "search", "answer.py", "--json").stdout)
        assert (found["id"], {hit["kind"] for hit in found["hits"]}) == (session, {"prompt"})


@pytest.mark.claude_code
@pytest.mark.codex
def test_claude_code_and_codex_are_recorded_beside_each_other(folder: Path, model: ModelServer, tray: Home) -> None:
    with ClaudeCode(folder / "claude", model.port) as claude, Codex(folder / "codex", model.port) as codex:
        tray.environment |= {
            "CLAUDE_CONFIG_DIR": str(claude.configuration), "CODEX_HOME": str(codex.configuration),
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }  # fmt: skip
        prices = {"scripted": {"models": {"gpt-5.5": {"cost": {"input": 2, "output": 10, "cache_read": 0.5}}}}}
        models = tray.path / "cache/opencode/models.json"
        models.parent.mkdir(parents=True)
        models.write_text(json.dumps(prices), encoding="utf-8")
        tray.tray("--no-notify")
        claude.tui()
        claude.prompt({"calls": [[["Bash", {"command": "true", "description": "x"}]]], "words": 5})
        codex.run({"calls": [[["exec_command", {"cmd": "true"}]]], "words": 60, "pause": 0.05})
        total = settled(tray, 4)
        programs = {group["program"]: group for group in usage(tray, "--by", "program")["groups"]}
        assert {name: group["steps"] for name, group in programs.items()} == {"claude": 2, "codex": 2}
        assert (programs["claude"]["unpriced_steps"], total["reported_cost"]) == (2, 0)
        assert (programs["codex"]["input"], programs["codex"]["cache_read"]) == (2 * 900, 2 * 300)
        tray.stop()
        fresh = imported(
            folder / "fresh", **{name: tray.environment[name] for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME")}
        )
        assert [(step["id"], step["session"], step["input"]) for step in steps(fresh)] == [
            (step["id"], step["session"], step["input"]) for step in steps(tray)
        ]
        assert programs["codex"]["estimated_cost"] == pytest.approx(2 * (900 * 2 + 34 * 10 + 300 * 0.5) / 1e6)
