"""The commands that act through the running tray: their calls to OpenCode, their output and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fakes import FRAMES, FakePlugin, connection
from tray_process import Home
from waiting import run, until_async

SES, OTHER = "ses_first", "ses_second"
SNAPSHOT = {
    "type": "snapshot",
    "sessions": [
        {"id": SES, "title": "Work", "directory": "/home/dev/project"},
        {"id": OTHER, "title": "50% | <b>", "directory": "/home/dev/project"},
    ],
    "status": {SES: {"type": "busy"}},
    "permissions": [{"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "ls"}}],
    "questions": [
        {"id": "que_1", "sessionID": OTHER, "questions": [{"question": "Which?", "options": [{"label": "Red"}]}]},
    ],
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    made.tray("--no-notify")
    yield made
    made.stop()


class Desk:
    """A tray, and a plugin that answers every call and records it."""

    def __init__(self, home: Home, plugin: FakePlugin) -> None:
        self.home = home
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.results: dict[str, Any] = {}
        self._plugin = plugin
        self.answering = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        while (call := await self._plugin.socket.receive()).type.name == "TEXT":
            frame = call.json()
            method, params = frame["method"], frame["params"]
            self.calls.append((method, params))
            await self._plugin.send({"id": frame["id"], "result": self.results.get(method, {})})
            if method.startswith(("permission", "question")):
                kind = "permission.replied" if "permission" in method else "question.replied"
                await self._plugin.event(kind, sessionID=SES, requestID=params["requestID"])

    async def event(self, kind: str, **properties: Any) -> None:
        """Send an event of OpenCode."""
        await self._plugin.event(kind, **properties)

    async def run(self, *words: str) -> tuple[int, str]:
        """Return the exit code and the output of a command."""
        done = await asyncio.to_thread(self.home.run, *words, "--port", str(self.home.port))
        assert "Traceback" not in done.stderr
        return done.returncode, (done.stdout + done.stderr).strip()


@asynccontextmanager
async def desk(home: Home) -> AsyncIterator[Desk]:
    async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
        await plugin.authenticate(home.token, hostname=FRAMES["hello"]["hostname"])
        await plugin.send(SNAPSHOT)
        made = Desk(home, plugin)
        await until_async(lambda: len(home.status()["sessions"]) == 2)
        try:
            yield made
        finally:
            made.answering.cancel()


def test_reply_answers_permissions_and_questions_and_refuses_what_does_not_fit(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            assert await at.run("reply", "per_1", "--answer", "Red") == (
                2,
                "opencode-tray: this is a permission: answer it with once, always or reject",
            )
            assert (await at.run("reply", "per_1"))[0] == 2
            assert (await at.run("reply", "per_unknown", "once"))[0] == 1
            assert at.calls == []
            assert await at.run("reply", "per_", "reject", "--message", "use a branch") == (0, "Rejected: bash")
            assert await at.run("reply", "per_1", "once") == (0, "Already answered")
            asking = {"id": "per_2", "sessionID": SES, "permission": "bash", "metadata": {"command": "rm -rf /"}}
            await at.event("permission.asked", **asking)
            await until_async(lambda: home.status()["attention"]["waiting"] == 2)
            code, output = await at.run("reply", "per_", "once")  # which meant per_1 a moment ago
            assert (code, "type the whole ID" in output) == (1, True)
            for words in (["once"], ["reject", "--message", "no"], ["reject", "--answer", "Red"]):
                assert (await at.run("reply", "que_1", *words))[0] == 2
            code, output = await at.run("reply", "que_1", "--answer", "in my own words", "--json")
            assert (code, json.loads(output)["ok"]) == (0, True)
            assert at.calls == [
                (
                    "permission.reply",
                    {"requestID": "per_1", "sessionID": SES, "reply": "reject", "message": "use a branch"},
                ),
                ("question.reply", {"requestID": "que_1", "answers": [["in my own words"]]}),
            ]

    run(test())


def test_reject_works_for_a_question(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            assert (await at.run("reply", "que_1", "reject"))[0] == 0
            assert at.calls == [("question.reject", {"requestID": "que_1"})]

    run(test())


@pytest.mark.parametrize(
    ("words", "call", "output"),
    [
        (["prompt", "ses_f", "run", "all", "tests"], ("session.prompt", {"text": "run all tests"}), "Sent"),
        (["rename", SES, "A", "title"], ("session.update", {"title": "A title"}), "Renamed"),
        (["fork", SES], ("session.fork", {}), "Forked: ses_new"),
        (["new", SES, "begin"], ("session.create", {"text": "begin"}), "Started: ses_new"),
        (["stop", SES, "--yes"], ("session.abort", {}), "Stopped"),
        (["delete", SES, "--yes"], ("session.delete", {}), "Deleted"),
    ],
)
def test_session_subcommands_call_opencode(home: Home, words: list[str], call: Any, output: str) -> None:
    async def test() -> None:
        async with desk(home) as at:
            at.results["session.fork"] = at.results["session.create"] = {"id": "ses_new"}
            assert await at.run("session", *words) == (0, output)
            assert at.calls == [(call[0], {"sessionID": SES, **call[1]})]

    run(test())


def test_destructive_commands_need_confirmation_and_ambiguous_ids_are_refused(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            for subcommand in ("stop", "delete"):
                code, text = await at.run("session", subcommand, SES)
                assert (code, "pass --yes" in text) == (1, True)
            code, output = await at.run("session", "fork", "ses_")
            assert (code, "2 sessions start with" in output) == (1, True)
            assert (await at.run("session", "fork", "unknown"))[0] == 1
            assert (await at.run("session", "rename", SES, "x" * 201))[0] == 1
            assert at.calls == []

    run(test())


def test_messages_todos_and_diff_are_printed_as_text_and_as_json(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            at.results["session.messages"] = [
                {
                    "info": {"role": "user", "time": {"created": 1}},
                    "parts": [{"type": "text", "text": "do it\x1b[31m"}],
                },
                {
                    "info": {"role": "assistant", "agent": "build"},
                    "parts": [{"type": "tool", "tool": "bash", "state": 7}],
                },
                "nonsense",
            ]
            at.results["session.todo"] = [{"content": "Test it", "status": "completed"}, {"content": "Ship it"}]
            at.results["session.diff"] = [
                {
                    "file": "a.txt",
                    "additions": 1,
                    "deletions": 1,
                    "patch": "Index: a\n--- a\n+++ a\n@@ -1 +1 @@\n-one\n+two",
                },
                {"file": "b.txt", "additions": 1, "deletions": 0, "before": "x", "after": "x\ny"},
            ]
            code, output = await at.run("messages", SES, "--limit", "2")
            assert code == 0
            assert "do it[31m" in output
            assert "\x1b" not in output
            assert await at.run("todos", SES) == (0, "✓ Test it\n○ Ship it")
            code, output = await at.run("diff", SES)
            assert output.splitlines()[:4] == ["a.txt  +1 -1", "@@ -1 +1 @@", "-one", "+two"]
            assert "+y" in output
            code, output = await at.run("todos", SES, "--json")
            assert json.loads(output) == at.results["session.todo"]
            assert ("session.messages", {"sessionID": SES, "limit": 2}) in at.calls
            at.results.update({"session.messages": [], "session.todo": [], "session.diff": []})
            assert await at.run("todos", SES) == (0, "This session has no todos")
            assert await at.run("messages", SES) == (0, "This session has no messages")
            assert await at.run("diff", SES) == (0, "This session has no file changes")
            assert await at.run("todos", SES, "--json") == (0, "[]")

    run(test())


def test_a_mute_prints_its_end_and_persists_across_a_restart(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            code, output = await at.run("mute", "2h", "--session", SES)
            assert (code, re.fullmatch(r"Muted until \w{3} \d\d:\d\d", output) is not None) == (0, True)
            assert await at.run("mute", "forever", "--project", OTHER) == (0, "Muted until you unmute")
            assert (await at.run("mute", "tomorrow"))[1].endswith("08:00")
            assert (await at.run("mute", "--session", SES, "--project", OTHER))[0] == 2
            assert home.status()["muted"]
            assert await at.run("unmute") == (0, "Unmuted")
            assert all(session["muted"] for session in home.status()["sessions"])
            assert (await at.run("mute", "--session", "unknown"))[0] == 1
            code, output = await at.run("mute", "90m")
            assert (code, output.startswith("Muted until")) == (0, True)
            code, output = await at.run("mute", "5x")
            assert code == 2
            assert all(words in output for words in ("90m, 2h, 3d", "tomorrow", "forever", "not '5x'"))
            await at.run("unmute")
        await at.run("stop")
        await until_async(lambda: home.run("status", "--port", str(home.port)).returncode == 1)
        await asyncio.to_thread(home.tray, "--no-notify")
        assert all(session["muted"] for session in home.status()["sessions"])
        assert not home.status()["muted"]

    run(test())


def test_next_opens_the_session_that_has_waited_longest(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            code, output = await at.run("next")
            assert code == 1
            assert "workstation is another machine" in output
            assert "http://127.0.0.1" not in output  # an address of that machine, and not of this one

    run(test())


def test_status_prints_the_format_of_each_bar_with_escaped_titles(home: Home) -> None:
    async def test() -> None:
        async with desk(home) as at:
            code, output = await at.run("status", "--waybar")
            waybar = json.loads(output)
            assert (code, waybar["text"], waybar["class"]) == (0, "! 2", "waiting_for_permission")
            assert "&lt;b&gt;" in waybar["tooltip"]
            assert await at.run("status", "--polybar") == (0, "%{F#e5c07b}! 2%{F-}")
            code, output = await at.run("status", "--swiftbar")
            lines = output.splitlines()
            assert lines[:2] == ["! 2 | color=#e5c07b", "---"]
            assert f"? project · 50% ¦ <b> | bash=opencode-tray param1=attach param2={OTHER} terminal=false" in lines

    run(test())


def test_a_bar_shows_that_no_tray_is_running(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for bar in ("waybar", "polybar", "swiftbar"):
        done = home.run("status", f"--{bar}", "--port", str(home.port))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()


def test_watch_prints_a_line_for_a_bar_at_each_change(home: Home) -> None:
    async def test() -> None:
        watching = await asyncio.to_thread(home.start, "watch", "--waybar", "--port", str(home.port))
        assert watching.stdout is not None
        first = json.loads(await asyncio.to_thread(watching.stdout.readline))
        assert first["class"] == "idle"
        async with desk(home):
            while first["class"] != "waiting_for_permission":
                first = json.loads(await asyncio.to_thread(watching.stdout.readline))
        watching.terminate()

    run(test())


@pytest.mark.parametrize(
    "words", [["reply", "per_1", "once"], ["next"], ["session", "fork", "x"], ["todos", "x"], ["mute"]]
)
def test_without_a_tray_commands_fail_with_exit_code_1(tmp_path: Path, words: list[str]) -> None:
    home = Home(tmp_path)
    done = home.run(*words, "--port", str(home.port))
    assert done.returncode == 1
    assert "opencode-tray" in done.stderr


def test_a_tray_killed_before_the_confirmation_shows_the_true_state_after_a_restart(home: Home) -> None:
    async def test() -> None:
        async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
            await plugin.authenticate(home.token)
            await plugin.send(SNAPSHOT)
            await until_async(lambda: home.status()["attention"]["waiting"] == 2)
            words = ("reply", "per_1", "once", "--port", str(home.port))
            answering = asyncio.create_task(asyncio.to_thread(home.run, *words))
            assert (await plugin.receive())["method"] == "permission.reply"
            home.kill()  # OpenCode has the answer; the tray never gets the confirmation
            assert (await answering).returncode == 1
        await asyncio.to_thread(home.tray, "--no-notify")
        for waits in (True, False):  # OpenCode has not applied the answer, or it has
            asked = SNAPSHOT["permissions"] if waits else []
            async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
                await plugin.authenticate(home.token)
                await plugin.send({**SNAPSHOT, "permissions": asked})
                await until_async(lambda count=1 + waits: home.status()["attention"]["waiting"] == count)
                requests = [request for session in home.status()["sessions"] for request in session["requests"]]
                sending = [request["sending"] for request in requests if request["id"] == "per_1"]
                assert sending == [False] * waits

    run(test())


def in_terminal(home: Home, typed: str, *words: str) -> str:
    """Run a command in a new terminal, type this, and return all that the terminal showed."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "tray", *words, "--port", str(home.port)]
    process = subprocess.Popen(command, env=home.environment, cwd=home.path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    with suppress(OSError):  # the terminal closes when the last process that uses it ends
        while block := os.read(ours, 4096):
            shown += block
    os.close(ours)
    process.wait(10)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals for this")
@pytest.mark.parametrize(
    ("words", "typed", "method", "params"),
    [
        (["reply", "per_1"], "o\n", "permission.reply", {"requestID": "per_1", "sessionID": SES, "reply": "once"}),
        (["reply", "que_1"], "1\n", "question.reply", {"requestID": "que_1", "answers": [["Red"]]}),
        (["session", "rename", SES], "By hand\n", "session.update", {"sessionID": SES, "title": "By hand"}),
        (["session", "stop", SES], "y\n", "session.abort", {"sessionID": SES}),
        (["reply", "per_1"], "\n", "", {}),
        (["session", "delete", SES], "\n", "", {}),
    ],
)
def test_missing_arguments_are_asked_for_in_a_terminal(
    home: Home, words: list[str], typed: str, method: str, params: dict[str, Any]
) -> None:
    async def test() -> None:
        async with desk(home) as at:
            shown = await asyncio.to_thread(in_terminal, home, typed, *words)
            assert at.calls == ([(method, params)] if method else [])
            assert ("Cancelled" in shown) == (not method)

    run(test())
