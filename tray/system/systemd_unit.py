"""Start the tray at login with a unit of systemd's user manager (systemd.unit(5), systemd.service(5)).

For compositors that read no autostart entries. The unit is restarted after a crash, and ends with the session.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tray.system.entry_file import EntryFile
from tray.system.paths import NAME, TITLE

TARGET = "graphical-session.target"  # systemd.special(7): active while a graphical session runs
SYSTEMCTL_TIMEOUT = 5.0  # s
_SIGNATURE = "# Written by `opencode-tray install`, and removed by `opencode-tray uninstall`."
_EXEC = "ExecStart="
# No restart after a wrong setting (exit code 2) or a port that is in use (3): neither goes away by itself.
_UNIT = """{signature}
[Unit]
Description={title}
PartOf={target}
After={target}
StartLimitIntervalSec=120
StartLimitBurst=5

[Service]
{exec}{command}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 3

[Install]
WantedBy={target}
"""


class SystemdUnit(EntryFile):
    """The unit of this user, and the link that makes the session start it."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the user's units."""
        super().__init__(folder / f"{NAME}.service")
        self._link = folder / f"{TARGET}.wants" / self.path.name

    @property
    def is_enabled(self) -> bool:
        """Whether the session starts the unit."""
        return self._link.is_symlink() and self.path.exists()

    @property
    def _is_ours(self) -> bool:
        return (self.read_text() or "").startswith(_SIGNATURE)

    def read(self) -> list[str] | None:
        """Return the command, [] if the unit has none, or None if the session does not start it. Raises OSError."""
        if not self.is_enabled:
            return None
        lines = (self.read_text() or "").splitlines()
        return next((_split(line.removeprefix(_EXEC)) for line in lines if line.startswith(_EXEC)), [])

    def write(self, command: Sequence[str]) -> None:
        """Run the command in each graphical session from now on, as `systemctl --user enable` does. Raises OSError.

        A unit that the user has written is an OSError.
        """
        if self.path.exists() and not self._is_ours:
            raise FileExistsError("it was not written by OpenCode Tray")
        words = " ".join(_quote(word, is_program=number == 0) for number, word in enumerate(command))
        self.write_text(_UNIT.format(signature=_SIGNATURE, title=TITLE, target=TARGET, exec=_EXEC, command=words))
        self._link.parent.mkdir(parents=True, exist_ok=True)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(self.path)
        systemctl("daemon-reload")

    def remove(self) -> bool:
        """Remove the unit, unless the user has written it; return whether there was one. Raises OSError."""
        if self.path.exists() and not self._is_ours:
            return False
        was_linked = self._link.is_symlink()
        self._link.unlink(missing_ok=True)
        removed = super().remove() or was_linked
        if removed:
            systemctl("daemon-reload")
        return removed


def systemctl(*words: str) -> bool:
    """Run a command of the user manager; return whether it succeeded. Without a user manager it fails."""
    program = shutil.which("systemctl")
    if program is None:
        return False
    command = [program, "--user", "--quiet", *words]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=SYSTEMCTL_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _quote(word: str, *, is_program: bool) -> str:
    r"""Quote an argument of ExecStart: `%` and `$` are doubled, `\` and `"` are escaped."""
    escaped = re.sub(r'(["\\])', r"\\\1", word).replace("%", "%%")
    return f'"{escaped if is_program else escaped.replace("$", "$$")}"'  # no variables in the name of the program


def _split(line: str) -> list[str]:
    """Return the arguments of an ExecStart, exactly if `_quote` wrote them."""
    if not line.startswith('"'):  # a unit that the user has written
        return line.split()
    words = [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in re.findall(r'"((?:\\.|[^"\\])*)"', line)]
    return [words[0], *(word.replace("$$", "$") for word in words[1:])] if words else []
