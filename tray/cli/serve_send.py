"""`serve send` and `serve batch`: prompts to servers, from scripts and by hand."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tray.actions.serve.batch import Job, parse, run_jobs
from tray.actions.serve.listing import named
from tray.actions.serve.prompt import PromptError, Turn, TurnCallbacks, send
from tray.actions.serve.start import ServeError
from tray.cli.exit_codes import FAILED, OK
from tray.cli.serve import ServeUsageError, servers
from tray.core.text import clean, shorten
from tray.opencode.api import Api


def send_prompt(options: argparse.Namespace) -> int:
    """Prompt one server and stream what it says, or all servers and say what each answered. Raises Problem."""
    if options.all:
        if not options.words:
            raise ServeUsageError("what to tell them? serve send --all 'pull, and run the tests'")
        if options.session or options.dir or options.file:
            raise ServeUsageError("--session, --dir and --file are for one server: name it instead of --all")
        return asyncio.run(_send_to_all(_prompt(options.words), as_json=options.json))
    if len(options.words) < 2:
        raise ServeUsageError(
            "name a server and what to tell it: serve send 4096 'fix the tests'; - reads it from stdin"
        )
    return asyncio.run(_send(options.words[0], _prompt(options.words[1:]), options))


def batch(options: argparse.Namespace) -> int:
    """Run a file of prompts. Raises Problem."""
    try:
        text = sys.stdin.read() if options.batch_file == "-" else Path(options.batch_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServeUsageError(f"{options.batch_file}: {error}") from error
    return asyncio.run(_batch(text.splitlines(), options.parallel, as_json=options.json))


async def _send(name: str, prompt: str, options: argparse.Namespace) -> int:
    files, server = _files(options.file), named(await servers(), name)
    if not server.runs:
        raise ServeError(f"{server.name} has ended: opencode-tray serve restart {server.name}")
    screen = _Screen()
    if options.json:
        sink = TurnCallbacks(
            event=lambda event: print(json.dumps(event, ensure_ascii=False), flush=True), notice=_notice
        )
    else:
        sink = TurnCallbacks(text=screen.add, notice=screen.notice)
    async with aiohttp.ClientSession() as http:
        try:
            turn = await send(
                Api(server.address, http), prompt, sink,
                directory=_directory(options), files=files, session=options.session or "",
            )  # fmt: skip
        except PromptError as error:
            raise ServeError(f"{server.name}: {error}") from error
        finally:
            screen.end_line()
    if not turn.ok:
        print(f"opencode-tray: {turn.error} (session {turn.session})", file=sys.stderr)
    return OK if turn.ok else FAILED


async def _send_to_all(prompt: str, *, as_json: bool) -> int:
    ready = [server for server in await servers() if server.takes_prompts]
    if not ready:
        raise ServeError("no server that was started here runs: opencode-tray serve start")
    return await _run([Job(server, prompt) for server in ready], len(ready), as_json=as_json)


async def _batch(lines: list[str], at_once: int, *, as_json: bool) -> int:
    jobs = parse(lines, [server for server in await servers() if server.is_server])
    return await _run(jobs, at_once, as_json=as_json)


async def _run(jobs: Collection[Job], at_once: int, *, as_json: bool) -> int:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(),
    )  # fmt: skip
    finished: list[tuple[Job, Turn]] = []

    def done(job: Job, turn: Turn) -> None:
        finished.append((job, turn))
        bar.advance(task)

    with bar:
        task = bar.add_task("prompts", total=len(jobs))
        try:
            await run_jobs(jobs, at_once, done, lambda job, text: _notice(f"{job.server.name}: {text}"))
        finally:  # Ctrl-C as well: what is done by then is told
            bar.stop()
            _tell(finished, as_json=as_json)
    return OK if len(finished) == len(jobs) and all(turn.ok for _, turn in finished) else FAILED


def _tell(finished: list[tuple[Job, Turn]], *, as_json: bool) -> None:
    if as_json:
        for job, turn in finished:
            print(json.dumps(_told(job, turn), ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("SERVER", "", "TIME", "TOKENS", "COST", "PROMPT", "ANSWER"):
        table.add_column(column, justify="right" if column in ("TIME", "TOKENS", "COST") else "left", no_wrap=True)
    for job, turn in finished:
        table.add_row(
            job.server.name, "✓" if turn.ok else "✕", f"{turn.seconds:.1f} s", str(turn.tokens), f"${turn.cost:.2f}",
            Text(shorten(job.prompt, 40)), Text(shorten(turn.summary, 60)), style="" if turn.ok else "red",
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def _told(job: Job, turn: Turn) -> dict[str, Any]:
    return {
        "server": job.server.name, "prompt": job.prompt, "session": turn.session, "ok": turn.ok, "error": turn.error,
        "output": turn.output, "seconds": round(turn.seconds, 3), "tokens": turn.tokens, "cost": turn.cost,
    }  # fmt: skip


def _prompt(words: list[str]) -> str:
    text = sys.stdin.read() if words == ["-"] else " ".join(words)
    if not text.strip():
        raise ServeUsageError("the prompt is empty")
    return text


def _files(names: list[str]) -> list[Path]:
    files = [Path(name) for name in names]
    for file in files:
        if not file.is_file():
            raise ServeUsageError(f"{file} is no file")
    return files


def _directory(options: argparse.Namespace) -> str:
    return str(Path(options.dir).resolve()) if options.dir else ""


def _notice(text: str) -> None:
    print(f"opencode-tray: {clean(text)}", file=sys.stderr, flush=True)


class _Screen:
    """What the agent says, as it comes; whatever else is said begins on a line of its own."""

    def __init__(self) -> None:
        self._is_mid_line = False

    def add(self, text: str) -> None:
        """Go on with the agent's words."""
        print(_printable(text), end="", flush=True)
        self._is_mid_line = not text.endswith("\n") if text else self._is_mid_line

    def notice(self, text: str) -> None:
        """Say something of our own."""
        self.end_line()
        _notice(text)

    def end_line(self) -> None:
        """Leave no line open."""
        if self._is_mid_line:
            print(flush=True)
        self._is_mid_line = False


def _printable(text: str) -> str:
    """What a terminal can be given: line breaks and tabs, and no other control characters."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)
