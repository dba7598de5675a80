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
from tray.actions.serve.prompt import PromptError, Sink, Turn, send
from tray.actions.serve.start import ServeError
from tray.cli import FAILED, OK
from tray.cli.serve import ServeUsageError, servers
from tray.core.text import clean, shorten
from tray.opencode.api import Api


def send_prompt(options: argparse.Namespace) -> int:
    """Prompt one server and stream what it says, or all servers and say what each answered. Raises Problem."""
    return asyncio.run(_send_to_all(options) if options.all else _send(options))


def batch(options: argparse.Namespace) -> int:
    """Run a file of prompts. Raises Problem."""
    return asyncio.run(_batch(options))


async def _send(options: argparse.Namespace) -> int:
    if len(options.words) < 2:
        raise ServeUsageError(
            "name a server and what to tell it: serve send 4096 'fix the tests'; - reads it from stdin"
        )
    server, prompt = named(await servers(), options.words[0]), _prompt(options.words[1:])
    if options.json:
        sink = Sink(event=lambda event: print(json.dumps(event, ensure_ascii=False), flush=True), notice=_notice)
    else:
        sink = Sink(text=lambda text: print(_printable(text), end="", flush=True), notice=_notice)
    async with aiohttp.ClientSession() as http:
        try:
            turn = await send(
                Api(server.address, http), prompt, sink,
                directory=_directory(options), files=_files(options.file), session=options.session or "",
            )  # fmt: skip
        except PromptError as error:
            raise ServeError(f"{server.name}: {error}") from error
    if turn.output and not options.json:
        print()
    if not turn.ok:
        print(f"opencode-tray: {turn.error} (session {turn.session})", file=sys.stderr)
    return OK if turn.ok else FAILED


async def _send_to_all(options: argparse.Namespace) -> int:
    if not options.words:
        raise ServeUsageError("what to tell them? serve send --all 'pull, and run the tests'")
    ready = [server for server in await servers() if server.state == "healthy" and server.is_server]
    if not ready:
        raise ServeError("no server runs: opencode-tray serve start")
    prompt = _prompt(options.words)
    return await _run([Job(server, prompt) for server in ready], len(ready), as_json=options.json)


async def _batch(options: argparse.Namespace) -> int:
    try:
        text = sys.stdin.read() if options.batch_file == "-" else Path(options.batch_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServeUsageError(f"{options.batch_file}: {error}") from error
    jobs = parse(text.splitlines(), [server for server in await servers() if server.is_server])
    return await _run(jobs, max(1, options.parallel), as_json=options.json)


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


def _printable(text: str) -> str:
    """What a terminal can be given: line breaks and tabs, and no other control characters."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)
