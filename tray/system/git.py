"""Read git's own files about a folder, without running git."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from tray.files.reading import read_regular

MAX_GIT_FILE = 4096  # bytes; a `.git` file holds one path
_LINKED = re.compile(r"gitdir: (.+)[\\/]worktrees[\\/][^\\/]+\s*")  # gitrepository-layout(5), "gitfile"


def repository_of(directory: str) -> str:
    """Return the main worktree if this folder is a linked worktree, else "".

    For a bare repository `shop/.bare` or `shop.git`, it is `shop`.
    """
    try:
        text = read_regular(Path(directory) / ".git", MAX_GIT_FILE).decode() if directory else ""
    except (OSError, ValueError):
        return ""
    linked = _LINKED.fullmatch(text)
    if linked is None:
        return ""
    common = PurePath(linked[1])
    return str(common.parent if common.name.startswith(".") else common.with_name(common.name.removesuffix(".git")))
