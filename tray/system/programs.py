"""Commands whose arguments reach the program unchanged, in spite of cmd.exe on Windows.

npm installs `opencode` on Windows as a batch file, `opencode.cmd`. Given `C:/R&D`, cmd.exe runs `D` (known as
BatBadBut, CVE-2024-24576): the quoting of `subprocess` does not protect against it. So the program behind a known kind
of batch file is run directly. For other batch files, an argument that cmd.exe would change is refused.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tray.core.command_line import split_command
from tray.core.errors import UserError
from tray.files.reading import open_regular

if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW  # else a program for a console opens one, which takes the focus
else:
    NO_WINDOW = 0

SHIM_SIZE = 10_000  # bytes read of a batch file; npm's are about 350 bytes long
_READ_BY_CMD = re.compile(r'["&|<>^%!\r\n]')
# What all versions of cmd-shim (npm, pnpm) write. The folder of the file is %dp0% or %~dp0, the last line is one of
#   "%_prog%"  "%dp0%\node_modules\opencode-ai\bin\opencode" %*        _prog: node.exe beside it, else on the PATH
#   "%dp0%\node_modules\opencode-ai\bin\opencode.exe"   %*
_SCRIPT = re.compile(r'(?:"%_prog%"|"%~dp0\\node\.exe"|\bnode)\s+"%(?:dp0%|~dp0)\\([^"%]+)"\s+%\*')
_PROGRAM = re.compile(r'^@?"%(?:dp0%|~dp0)\\([^"%]+\.exe)"\s+%\*', re.MULTILINE | re.IGNORECASE)
_INTERPRETER = re.compile(r'SET "_prog=([\w.-]+)"', re.IGNORECASE)


# What PowerShell or cmd.exe interprets inside double quotes; PowerShell accepts typographic quotes as quotes.
_READ_IN_QUOTES = re.compile('["$`\r\n\u201c-\u201e]|%.*%')
_PLAIN = re.compile(r"[\w.:/\\=+-]+")


class UnsafeArgumentError(UserError):
    """A Windows shell would misinterpret an argument; the message says what to do."""


def command_for(command: Sequence[str], *, windows: bool = sys.platform == "win32") -> list[str]:
    """Return the command that passes the arguments to the program unchanged. Raises UnsafeArgumentError."""
    if not windows:
        return list(command)
    program = _on_path(command[0]) or command[0]
    arguments = command[1:]
    if program.lower().endswith(".ps1"):  # only PowerShell runs it; the .cmd beside it does the same
        program = program[:-4] + ".cmd"
    if not program.rstrip(" .").lower().endswith((".cmd", ".bat")):
        return [program, *arguments]
    target = _shim_target(Path(program))
    if target is not None:
        return [*target, *arguments]
    for argument in arguments:
        if _READ_BY_CMD.search(argument):
            raise UnsafeArgumentError(
                f"{program} is a batch file, and cmd.exe would misinterpret {argument[:80]!r}; "
                "use the .exe that it starts (for OpenCode: set `attach.opencode` in the settings)"
            )
    return [program, *arguments]


def _on_path(name: str) -> str | None:
    """Return the path of a program, never one that Windows would find first: in the current folder.

    That folder may be a checkout of another user, with an `ssh.exe` in it. `shutil.which` looks there first, always up
    to Python 3.11, and later unless the user has set NoDefaultCurrentDirectoryInExePath. Raises UnsafeArgumentError.
    """
    found = shutil.which(name)
    if found is None or Path(found).is_absolute() or re.search(r"[\\/:]", name):
        return found
    extensions = ["", *os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";")]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for path in (Path(folder) / f"{name}{extension}" for extension in extensions):
            if path.is_absolute() and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113  # as `which`
                return str(path)
    raise UnsafeArgumentError(f"{name} is not on the PATH, only in the current folder; install it")


def command_words(text: str) -> list[str]:
    """Return the words of a command line by this system's rules; without a closing quote, the text as one word."""
    try:
        return split_command(text, windows=sys.platform == "win32")
    except ValueError:
        return [text]


def shell_join(command: Sequence[str], *, windows: bool = sys.platform == "win32") -> str:
    """Return the command as a line that a user can paste into a shell. Raises UnsafeArgumentError.

    On Windows the line works in both cmd.exe and PowerShell: double quotes are the only quotes that both know.
    """
    if not windows:
        return shlex.join(command)
    for word in command:
        if _READ_IN_QUOTES.search(word):
            raise UnsafeArgumentError(f"cmd.exe or PowerShell would misinterpret {word[:80]!r}")
    return " ".join(word if _PLAIN.fullmatch(word) else _quoted(word) for word in command)


def _quoted(word: str) -> str:
    backslashes = len(word) - len(word.rstrip("\\"))  # programs read \" as a quotation mark and \\" as a closing one
    return f'"{word}{backslashes * chr(92)}"'


def _shim_target(batch: Path) -> list[str] | None:
    """Return the command that a package manager's batch file runs, or None for another kind of batch file."""
    try:
        with open_regular(batch) as stream:
            text = stream.read(SHIM_SIZE).decode("utf-8", "replace")
    except OSError:
        return None
    program, script = _PROGRAM.search(text), _SCRIPT.search(text)
    if program is not None:
        target = _beside(batch, program[1])
        return [target] if target is not None else None
    if script is None:
        return None
    target = _beside(batch, script[1])
    named = _INTERPRETER.search(text)
    name = named[1].removesuffix(".exe") if named else "node"
    interpreter = _beside(batch, f"{name}.exe") or _on_path(name)
    if target is None or interpreter is None or interpreter.lower().endswith((".cmd", ".bat")):
        return None
    return [interpreter, target]


def _beside(batch: Path, relative: str) -> str | None:
    path = os.path.normpath(batch.parent / relative.replace("\\", "/"))
    return path if Path(path).is_file() else None
