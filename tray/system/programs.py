"""Which program really runs: on Windows, cmd.exe reads the arguments of a batch file as its own language.

npm installs `opencode` there as a batch file, `opencode.cmd`. Given `C:/R&D`, cmd.exe runs `D` (known as BatBadBut,
CVE-2024-24576): quoting as `subprocess` does it does not hold there. So the program behind such a file is run in its
place, and where none is known, an argument that cmd.exe would change is refused.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tray.core.errors import UserError

SHIM_SIZE = 10_000  # bytes that are read of a batch file; npm's has some 350
_READ_BY_CMD = re.compile(r'["&|<>^%!\r\n]')
# What npm's cmd-shim and pnpm's write, of all versions: the folder of the file is %dp0% or %~dp0, the last line one of
#   "%_prog%"  "%dp0%\node_modules\opencode-ai\bin\opencode" %*        with _prog: node.exe beside it, else on the PATH
#   "%dp0%\node_modules\opencode-ai\bin\opencode.exe"   %*
_SCRIPT = re.compile(r'(?:"%_prog%"|"%~dp0\\node\.exe"|\bnode)\s+"%(?:dp0%|~dp0)\\([^"%]+)"\s+%\*')
_PROGRAM = re.compile(r'^@?"%(?:dp0%|~dp0)\\([^"%]+\.exe)"\s+%\*', re.MULTILINE | re.IGNORECASE)
_INTERPRETER = re.compile(r'SET "_prog=([\w.-]+)"', re.IGNORECASE)


# What PowerShell or cmd.exe reads within double quotes, too; PowerShell takes typographic ones for its own.
_READ_IN_QUOTES = re.compile('["$`\r\n\u201c-\u201e]|%.*%')
_PLAIN = re.compile(r"[\w.:/\\=+-]+")


class UnsafeArgumentError(UserError):
    """An argument that cmd.exe, or a shell of Windows', would read otherwise than it is; the text says what to do."""


def command_for(command: Sequence[str], *, windows: bool = sys.platform == "win32") -> list[str]:
    """The command that gives the program its arguments as they are. Raises UnsafeArgumentError."""
    if not windows:
        return list(command)
    # The whole path: Windows would look into the current folder first, which may be anybody's.
    program = shutil.which(command[0]) or command[0]
    arguments = command[1:]
    if program.lower().endswith(".ps1"):  # nothing but PowerShell runs it, and its twin does the same
        program = program[:-4] + ".cmd"
    if not program.rstrip(" .").lower().endswith((".cmd", ".bat")):
        return [program, *arguments]
    behind = _behind(Path(program))
    if behind is not None:
        return [*behind, *arguments]
    for argument in arguments:
        if _READ_BY_CMD.search(argument):
            raise UnsafeArgumentError(
                f"{program} is a batch file, and cmd.exe would read {argument[:80]!r} otherwise than it is; "
                "name the .exe behind it (of OpenCode: `attach.opencode` in the settings)"
            )
    return [program, *arguments]


def as_typed(command: Sequence[str], *, windows: bool = sys.platform == "win32") -> str:
    """The command for a person to type into a shell, which reads each word as it is. Raises UnsafeArgumentError.

    On Windows, cmd.exe and PowerShell both read it so: neither knows the other's quotes, but for double ones.
    """
    if not windows:
        return shlex.join(command)
    for word in command:
        if _READ_IN_QUOTES.search(word):
            raise UnsafeArgumentError(f"neither cmd.exe nor PowerShell would read {word[:80]!r} as it is")
    return " ".join(word if _PLAIN.fullmatch(word) else _quoted(word) for word in command)


def _quoted(word: str) -> str:
    ends = len(word) - len(word.rstrip("\\"))  # a program reads \" as a quotation mark, and \\" as the end of it
    return f'"{word}{ends * chr(92)}"'


def _behind(batch: Path) -> list[str] | None:
    """What a package manager's batch file starts; None if it is another kind of batch file."""
    try:
        with batch.open("rb") as stream:
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
    interpreter = _beside(batch, f"{name}.exe") or shutil.which(name)
    if target is None or interpreter is None or interpreter.lower().endswith((".cmd", ".bat")):
        return None
    return [interpreter, target]


def _beside(batch: Path, told: str) -> str | None:
    path = os.path.normpath(batch.parent / told.replace("\\", "/"))
    return path if Path(path).is_file() else None
