"""Putting `opencode-tray` on the PATH where packaging/run.py has installed it, and taking it off again.

pipx, uv and packages see to that themselves: what they put there is never touched.
"""

from __future__ import annotations

import os
from pathlib import Path

from tray.core.errors import UserError


class LinkError(UserError):
    """The link cannot be made or removed; the message says what to do."""


def install_link(link: Path, program: Path, search_path: str) -> str:
    """Afterwards `link` leads to `program`, unless something else is there already. Says what was done, and what to do.

    `search_path` is the person's PATH. Raises LinkError.
    """
    if not program.is_file():
        raise LinkError(f"there is no {program}; install again: python3 packaging/run.py")
    if not _is_ours(link, program):
        if os.path.lexists(link):
            return f"{link} is somebody else's file and stays; this program is {program}"
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(program)
        except OSError as error:
            raise LinkError(f"{link} cannot be made: {error}; the program is {program}") from error
    if str(link.parent) in search_path.split(os.pathsep):
        return f"The command is {link}"
    return (
        f"The command is {link}; that folder is not on your PATH: log in again, or put this into your shell's"
        f' profile: export PATH="{link.parent}:$PATH"'
    )


def uninstall_link(link: Path, program: Path) -> str:
    """Afterwards `link` does not lead to `program`. Says what was removed; "" if nothing was. Raises LinkError."""
    if not _is_ours(link, program):
        return ""
    try:
        link.unlink()
    except OSError as error:
        raise LinkError(f"{link} cannot be removed: {error}") from error
    return f"Removed {link}"


def _is_ours(link: Path, program: Path) -> bool:
    """Whether it is a link to this very program, be the program there or not."""
    return link.is_symlink() and os.readlink(link) == str(program)  # noqa: PTH115  # as it was written
