"""What git's own files say of a folder, without running git."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

SIZE_MOST = 4096  # bytes of a `.git` file, which holds one path
_LINKED = re.compile(r"gitdir: (.+)[\\/]worktrees[\\/][^\\/]+\s*")  # gitrepository-layout(5), "gitfile"


def repository_of(directory: str) -> str:
    """The folder of the repository that this folder is a linked worktree of; "" where it is none.

    That is the main worktree. For a bare repository it is `shop` for both `shop/.bare` and `shop.git`.
    """
    try:
        file = Path(directory) / ".git"
        if not directory or not file.is_file() or file.stat().st_size > SIZE_MOST:
            return ""
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    linked = _LINKED.fullmatch(text)
    if linked is None:
        return ""
    common = PurePath(linked[1])
    return str(common.parent if common.name.startswith(".") else common.with_name(common.name.removesuffix(".git")))
