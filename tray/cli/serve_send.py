"""`serve send` and `serve batch`: send prompts to servers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tray.actions.serve.batch import Job, parse_jobs, run_jobs
from tray.actions.serve.errors import ServeError
from tray.actions.serve.prompt import PromptError, send
from tray.actions.serve.turn import Turn, TurnCallbacks
from tray.cli.exit_codes import FAILED, OK
from tray.cli.serve_common import ServeUsageError, server_with_id, servers
from tray.core.text import clean, shorten
from tray.opencode.api import Api


async def send_prompt(options: argparse.Namespace) -> int:
    """Send a prompt to a server and stream its answer, or to all servers and print a table. Raises UserError."""
    if options.all:
        if not options.words:
            raise ServeUsageError("missing prompt; usage: opencode-tray serve send --all PROMPT")
        if options.session or options.dir or options.file:
            raise ServeUsageError("--session, --dir and --file work only for a single server, not with --all")
        return await _send_to_all(_prompt(options.words), as_json=options.json)
    if len(options.words) < 2:
        raise ServeUsageError("usage: opencode-tray serve send ID PROMPT (use - to read the prompt from stdin)")
    return await _send(options.words[0], _prompt(options.words[1:]), options)


async def batch(options: argparse.Namespace) -> int:
    """Run the prompts in a file. Exit code 1 if one of them failed. Raises UserError."""
    try:
        text = sys.stdin.read() if options.batch_file == "-" else Path(options.batch_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServeUsageError(f"cannot read {options.batch_file}: {error}") from error
    jobs = parse_jobs(text.splitlines(), [server for server in await servers() if server.is_server])
    return await _run(jobs, options.parallel, as_json=options.json)


async def _send(server_id: str, prompt: str, options: argparse.Namespace) -> int:
    files, server = _files(options.file), await server_with_id(server_id)
    if not server.is_running:
        raise ServeError(f"{server.name} has ended; start it with: opencode-tray serve restart {server.name}")
    printer = _AnswerPrinter()
    if options.json:
        callbacks = TurnCallbacks(event=_print_json, notice=_notice)
    else:
        callbacks = TurnCallbacks(text=printer.add, notice=printer.notice)
    async with aiohttp.ClientSession() as http:
        try:
            turn = await send(
                Api(server.address, http), prompt, callbacks,
                directory=_directory(options), files=files, session=options.session or "",
            )  # fmt: skip
        except PromptError as error:
            raise ServeError(f"{server.name}: {error}") from error
        finally:
            printer.end_line()
    if not turn.ok:
        print(f"opencode-tray: {turn.error} (session {turn.session})", file=sys.stderr)
    return OK if turn.ok else FAILED


async def _send_to_all(prompt: str, *, as_json: bool) -> int:
    healthy = [server for server in await servers() if server.takes_prompts]
    if not healthy:
        raise ServeError("no server is running; start one with: opencode-tray serve start")
    return await _run([Job(server, prompt) for server in healthy], len(healthy), as_json=as_json)


async def _run(jobs: Collection[Job], parallel: int, *, as_json: bool) -> int:
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(),
    )  # fmt: skip
    finished: list[tuple[Job, Turn]] = []

    def done(job: Job, turn: Turn) -> None:
        finished.append((job, turn))
        progress.advance(task)

    with progress:
        task = progress.add_task("prompts", total=len(jobs))
        try:
            await run_jobs(jobs, parallel, done, lambda job, text: _notice(f"{job.server.name}: {text}"))
        finally:  # after Ctrl-C too: print the results so far
            progress.stop()
            _print_results(finished, as_json=as_json)
    return OK if len(finished) == len(jobs) and all(turn.ok for _, turn in finished) else FAILED


def _print_results(finished: list[tuple[Job, Turn]], *, as_json: bool) -> None:
    if as_json:
        for job, turn in finished:
            _print_json(_plain(job, turn))
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


def _plain(job: Job, turn: Turn) -> dict[str, Any]:
    return {
        "server": job.server.name, "prompt": job.prompt, "session": turn.session, "ok": turn.ok, "error": turn.error,
        "output": turn.output, "seconds": round(turn.seconds, 3), "tokens": turn.tokens, "cost": turn.cost,
    }  # fmt: skip


def _print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _prompt(words: list[str]) -> str:
    text = sys.stdin.read() if words == ["-"] else " ".join(words)
    if not text.strip():
        raise ServeUsageError("the prompt is empty")
    return text


def _files(names: list[str]) -> list[Path]:
    files = [Path(name) for name in names]
    for file in files:
        if not file.is_file():
            raise ServeUsageError(f"not a file: {file}")
    return files


def _directory(options: argparse.Namespace) -> str:
    return str(Path(options.dir).resolve()) if options.dir else ""


def _notice(text: str) -> None:
    print(f"opencode-tray: {clean(text)}", file=sys.stderr, flush=True)


class _AnswerPrinter:
    """Prints the agent's text as it arrives. Notices start on a new line."""

    def __init__(self) -> None:
        self._is_mid_line = False

    def add(self, text: str) -> None:
        """Print a piece of the agent's text."""
        print(_printable(text), end="", flush=True)
        self._is_mid_line = not text.endswith("\n") if text else self._is_mid_line

    def notice(self, text: str) -> None:
        """Print a notice on a line of its own."""
        self.end_line()
        _notice(text)

    def end_line(self) -> None:
        """End the current line if there is one."""
        if self._is_mid_line:
            print(flush=True)
        self._is_mid_line = False


def _printable(text: str) -> str:
    """Replace control characters other than line breaks and tabs."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)
