"""A new terminal window that runs a command: the person's own terminal, else the first that is known and there."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from tray.system import terminal_launcher
from tray.system.programs import command_for
from tray.system.subprocesses import start

TRIES = 4  # terminals that are tried one after the other
STARTED_WITHIN = 8.0  # s that a terminal gets to open and to run what it was given
FAILED_WITHIN = 1.0  # s that one gets which ended badly: mate-terminal does, though its window opens

# What goes between a terminal's name and the command that it runs.
TERMINALS: Mapping[str, Sequence[str]] = {
    "ghostty": ("-e",),
    "kitty": ("--",),
    "wezterm": ("start", "--always-new-process", "--"),
    "alacritty": ("-e",),
    "foot": (),
    "gnome-terminal": ("--",),
    "ptyxis": ("--new-window", "--"),
    "kgx": ("--",),
    "konsole": ("-e",),
    "xfce4-terminal": ("-x",),
    "mate-terminal": ("-x",),
    "cosmic-term": ("--",),
    "tilix": ("-e",),
    "terminator": ("-u", "-x"),
    "lxterminal": ("-e",),
    "qterminal": ("-e",),
    "rio": ("-e",),
    "urxvt": ("-e",),
    "st": ("-e",),
    "xterm": ("-e",),
    "uxterm": ("-e",),
}
# Those of macOS by name; `open` starts what is no program on the PATH.
MAC_TERMINALS: Mapping[str, Sequence[str]] = {
    "terminal": ("open", "-a", "Terminal"),
    "iterm2": ("open", "-a", "iTerm"),
    "iterm": ("open", "-a", "iTerm"),
    "ghostty": ("open", "-na", "Ghostty", "--args", "-e"),
    "kitty": ("/Applications/kitty.app/Contents/MacOS/kitty", "--"),
    "wezterm": ("/Applications/WezTerm.app/Contents/MacOS/wezterm", "start", "--always-new-process", "--"),
    "alacritty": ("/Applications/Alacritty.app/Contents/MacOS/alacritty", "-e"),
}
_OF_A_TERMINAL = ("TMUX", "ZELLIJ", "KITTY_", "WEZTERM_", "KONSOLE_", "WINDOWID", "GNOME_TERMINAL_", "ITERM_", "TERM_")


async def open_terminal(
    command: Sequence[str],
    *,
    folder: str = "",
    environment: Mapping[str, str] | None = None,
    preferred: Sequence[str] = (),
) -> str | None:
    """Run the command in a new terminal window; the name of the terminal, or None where none could be opened.

    `preferred` is the person's own choice: a terminal's name, or that with the arguments that go before a command.
    Raises UnsafeArgumentError.
    """
    command = command_for(command)
    there = (opener for opener in _openers(preferred) if shutil.which(opener[0]))
    for opener in islice(there, TRIES):
        try:
            job = _job(command, folder, environment or {})
        except OSError:  # nowhere to put it
            return None
        try:
            started = await start([*opener, *_launcher(job)], _outside())
            if await _is_taken(job, STARTED_WITHIN if started else FAILED_WITHIN):
                return opener[2] if opener[0] == "open" else Path(opener[0]).name
        finally:
            _withdraw(job)
    return None


def known_terminal(preferred: Sequence[str]) -> str | None:
    """The name of the terminal that would be tried first, or None."""
    opener = next((opener for opener in _openers(preferred) if shutil.which(opener[0])), None)
    return None if opener is None else Path(opener[0]).name


def _launcher(job: Path) -> list[str]:
    words = [sys.executable, "-I", terminal_launcher.__file__, str(job)]
    if sys.platform != "darwin":
        return words
    script = job.with_name("open.command")  # macOS opens files, not commands; it holds nothing but our own paths
    script.write_text(f"#!/bin/sh\nrm -f {shlex.quote(str(script))}\nexec {shlex.join(words)}\n", encoding="utf-8")
    script.chmod(0o700)
    return [str(script)]


def _job(command: Sequence[str], folder: str, environment: Mapping[str, str]) -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")  # it goes with the person's login, whatever becomes of us
    path = Path(tempfile.mkdtemp(prefix="opencode-tray-", dir=runtime if _is_folder(runtime) else None)) / "job"
    told = {"command": list(command), "folder": folder, "environment": dict(environment)}
    path.touch(mode=0o600)  # in a folder that is ours alone, too
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def _is_folder(path: str | None) -> bool:
    return bool(path) and " " not in str(path) and os.access(str(path), os.W_OK)


async def _is_taken(job: Path, within: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while os.path.exists(job):  # noqa: ASYNC240, PTH110  # a look at a local folder takes microseconds
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def _withdraw(job: Path) -> None:
    if job.exists():
        shutil.rmtree(job.parent, ignore_errors=True)


def _outside() -> dict[str, str]:
    """Our environment without what tells programs of the terminal that we were started in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_TERMINAL)}


def _openers(preferred: Sequence[str]) -> list[list[str]]:
    """The ways to open a terminal, the best first."""
    if sys.platform == "win32":
        return [*_known(preferred), ["wt.exe", "-w", "new", "new-tab"], ["conhost.exe"]]
    if sys.platform == "darwin":
        preferred = preferred or [os.environ.get("TERMINAL", "terminal")]
        wanted = MAC_TERMINALS.get(preferred[0].lower(), ()) if len(preferred) == 1 else preferred
        return [opener for opener in (list(wanted), *_known(preferred), list(MAC_TERMINALS["terminal"])) if opener]
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return []
    named = os.environ.get("TERMINAL", "")
    return [
        *_known(preferred),
        *_known([named] if named else []),
        ["xdg-terminal-exec"],
        *_debian(),
        *([name, *words] for name, words in TERMINALS.items()),
    ]


def _known(words: Sequence[str]) -> list[list[str]]:
    if not words:
        return []
    if len(words) > 1:
        return [list(words)]
    return [[words[0], *TERMINALS.get(Path(words[0]).name, ("-e",))]]


def _debian() -> list[list[str]]:
    """Debian's own choice, by the name of the program that is behind it where we know that better."""
    alternative = shutil.which("x-terminal-emulator")
    if alternative is None:
        return []
    behind = Path(alternative).resolve().name.removesuffix(".wrapper")
    return [[behind, *TERMINALS[behind]]] if behind in TERMINALS else [[alternative, "-e"]]
