"""Run a command in a new terminal window: in the configured terminal, or in the first known one that is installed."""

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
from tray.system.display import has_display
from tray.system.own_program import own_python
from tray.system.programs import command_for
from tray.system.subprocesses import start

MAX_TERMINALS = 4  # to try, one after the other
START_TIMEOUT = 8.0  # s for a terminal to open and start the command
OPEN_TIMEOUT = 30.0  # s; macOS may ask the user before it runs the command in an application that `open` has started
FAILED_START_TIMEOUT = 1.0  # s after the terminal exited with an error: mate-terminal does, although it opens a window

# Arguments between the name of a terminal and the command to run in it.
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
WINDOWS_TERMINALS: Mapping[str, Sequence[str]] = {"wt": ("-w", "new", "new-tab"), "conhost": ()}
# Terminals of macOS by name. `open` starts applications that are not on the PATH.
MAC_TERMINALS: Mapping[str, Sequence[str]] = {
    "terminal": ("open", "-a", "Terminal"),
    "iterm2": ("open", "-a", "iTerm"),
    "iterm": ("open", "-a", "iTerm"),
    "ghostty": ("open", "-na", "Ghostty", "--args", "-e"),
    "kitty": ("/Applications/kitty.app/Contents/MacOS/kitty", "--"),
    "wezterm": ("/Applications/WezTerm.app/Contents/MacOS/wezterm", "start", "--always-new-process", "--"),
    "alacritty": ("/Applications/Alacritty.app/Contents/MacOS/alacritty", "-e"),
}
# Prefixes of the variables that terminals and multiplexers set for the programs in them.
_TERMINAL_VARIABLES = (
    "TMUX", "ZELLIJ", "KITTY_", "WEZTERM_", "KONSOLE_", "WINDOWID", "GNOME_TERMINAL_", "ITERM_", "TERM_",
)  # fmt: skip


async def open_terminal(
    command: Sequence[str],
    *,
    folder: str = "",
    environment: Mapping[str, str] | None = None,
    preferred: Sequence[str] = (),
) -> str | None:
    """Run the command in a new terminal window. Returns the name of the terminal, or None if none could be opened.

    `preferred` is the user's setting: the name of a terminal, or a name with the arguments that precede a command.
    Raises UnsafeArgumentError.
    """
    command = command_for(command)
    installed = (opener for opener in _openers(preferred) if shutil.which(opener[0]))
    for opener in islice(installed, MAX_TERMINALS):
        try:
            job = _write_job(command, folder, environment or {})
        except OSError:  # no writable folder
            return None
        try:
            started = await start([*opener, *_launcher_command(job)], _environment())
            timeout = OPEN_TIMEOUT if opener[0] == "open" else START_TIMEOUT
            if await _is_removed(job, timeout if started else FAILED_START_TIMEOUT):
                return opener[2] if opener[0] == "open" else Path(opener[0]).name
        finally:
            _discard(job)
    return None


def known_terminal(preferred: Sequence[str]) -> str | None:
    """Return the name of the terminal that `open_terminal` tries first, or None."""
    opener = next((opener for opener in _openers(preferred) if shutil.which(opener[0])), None)
    return None if opener is None else Path(opener[0]).name


def _launcher_command(job: Path) -> list[str]:
    words = [own_python(), "-I", terminal_launcher.__file__, str(job)]
    if sys.platform != "darwin":
        return words
    script = job.with_name("open.command")  # `open` takes a file, not a command
    script.write_text(f"#!/bin/sh\nrm -f {shlex.quote(str(script))}\nexec {shlex.join(words)}\n", encoding="utf-8")
    script.chmod(0o700)
    return [str(script)]


def _write_job(command: Sequence[str], folder: str, environment: Mapping[str, str]) -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")  # emptied at logout, even if we fail to clean up
    path = Path(tempfile.mkdtemp(prefix="opencode-tray-", dir=runtime if _is_usable(runtime) else None)) / "job"
    job = {"command": list(command), "folder": folder, "environment": dict(environment)}
    path.touch(mode=0o600)
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def _is_usable(path: str | None) -> bool:
    return bool(path) and " " not in str(path) and os.access(str(path), os.W_OK)


async def _is_removed(job: Path, timeout: float) -> bool:
    """Wait until the launcher has removed its job file; False after `timeout`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while os.path.exists(job):  # noqa: ASYNC240, PTH110  # takes microseconds on a local folder
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def _discard(job: Path) -> None:
    if job.exists():
        shutil.rmtree(job.parent, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Return our environment without the variables of the terminal that the tray was started in."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_TERMINAL_VARIABLES)}


def _openers(preferred: Sequence[str]) -> list[list[str]]:
    """Return the command prefixes that open a terminal, the preferred first."""
    if sys.platform == "win32":
        return [*_opener(preferred), *_opener(["wt.exe"]), *_opener(["conhost.exe"])]
    if sys.platform == "darwin":
        preferred = preferred or [os.environ.get("TERMINAL", "terminal")]
        wanted = MAC_TERMINALS.get(preferred[0].lower(), ()) if len(preferred) == 1 else preferred
        return [opener for opener in (list(wanted), *_opener(preferred), list(MAC_TERMINALS["terminal"])) if opener]
    if not has_display():
        return []
    named = os.environ.get("TERMINAL", "")
    return [
        *_opener(preferred),
        *_opener([named] if named else []),
        ["xdg-terminal-exec"],
        *_debian_default(),
        *([name, *words] for name, words in TERMINALS.items()),
    ]


def _opener(words: Sequence[str]) -> list[list[str]]:
    """Return the command prefix for a terminal that the user named, as a list of at most one."""
    if not words:
        return []
    if len(words) > 1:
        return [list(words)]
    name = Path(words[0]).name
    known = TERMINALS
    if sys.platform == "win32":
        name, known = name.lower().removesuffix(".exe"), {**TERMINALS, **WINDOWS_TERMINALS}
    return [[words[0], *known.get(name, ("-e",))]]


def _debian_default() -> list[list[str]]:
    """Return Debian's default terminal, as the program that the alternative points to if we know that one."""
    alternative = shutil.which("x-terminal-emulator")
    if alternative is None:
        return []
    name = Path(alternative).resolve().name.removesuffix(".wrapper")
    return [[name, *TERMINALS[name]]] if name in TERMINALS else [[alternative, "-e"]]
