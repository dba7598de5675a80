"""Project names: the shortest end of a project's path that no other known project ends with."""

from __future__ import annotations

from collections import Counter

import msgspec

from tray.core.text import clean


class Folder(msgspec.Struct, frozen=True):
    """Where sessions run. `repository` and `branch` are set for a linked git worktree alone."""

    host: str
    directory: str
    repository: str = ""  # the directory of the repository's main worktree
    branch: str = ""


class ProjectNames:
    """Names for the folders in use. A name changes only when a folder of the same last name comes or goes."""

    def __init__(self) -> None:
        self._uses: Counter[Folder] = Counter()
        self._alike: dict[str, set[Folder]] = {}  # last part of the path -> the folders with it
        self._names: dict[Folder, str] = {}  # made when they are asked for

    def use(self, folder: Folder) -> frozenset[Folder]:
        """One more session runs in this folder. Returns the other folders whose names may have changed."""
        self._uses[folder] += 1
        if self._uses[folder] > 1:
            return frozenset()
        last = _label(folder)[-1]
        others = self._forget_names(last)
        self._alike.setdefault(last, set()).add(folder)
        return others

    def release(self, folder: Folder) -> frozenset[Folder]:
        """One session less runs in this folder. Returns the other folders whose names may have changed."""
        self._uses[folder] -= 1
        if self._uses[folder] > 0:
            return frozenset()
        del self._uses[folder]
        last = _label(folder)[-1]
        others = self._forget_names(last) - {folder}
        self._alike[last].discard(folder)
        if not self._alike[last]:
            del self._alike[last]
        return others

    def name(self, folder: Folder) -> str:
        """The name of a folder in use; of any other one its last part."""
        if folder not in self._names:
            last = _label(folder)[-1]
            group = self._alike.get(last, set())
            if folder not in group:
                return _joined(folder, 1)
            self._names.update(_told_apart(group))
        return self._names[folder]

    def _forget_names(self, last: str) -> frozenset[Folder]:
        alike = frozenset(self._alike.get(last, ()))
        for folder in alike:
            self._names.pop(folder, None)
        return alike


def _told_apart(group: set[Folder]) -> dict[Folder, str]:
    """A name for each folder of a group whose paths have the same last part."""
    hosts: dict[tuple[str, ...], set[str]] = {}  # path -> the machines that have it
    for folder in group:
        hosts.setdefault(_label(folder), set()).add(folder.host)
    depths = _unique_depths(set(hosts))
    names: dict[Folder, str] = {}
    for folder in group:
        path = _label(folder)
        names[folder] = _joined(folder, depths[path])
        if len(hosts[path]) > 1:
            names[folder] += f"@{clean(folder.host)}"
    return names


def _unique_depths(paths: set[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """How many parts of each path, from its end, no other one of them ends with."""
    depths: dict[tuple[str, ...], int] = {}
    left, depth = paths, 1
    while left:
        ends = Counter(path[-depth:] for path in left)
        unique = {path for path in left if ends[path[-depth:]] == 1 or depth >= len(path)}
        depths.update(dict.fromkeys(unique, depth))
        left, depth = left - unique, depth + 1
    return depths


def _label(folder: Folder) -> tuple[str, ...]:
    """The parts of the path by which a person knows it: of a linked worktree those of its repository."""
    return _parts(folder.repository or folder.directory)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part) or ("",)


def _joined(folder: Folder, depth: int) -> str:
    name = clean("/".join(_label(folder)[-depth:]))
    if folder.repository and folder.repository != folder.directory:
        return f"{name}:{clean(folder.branch) or clean(_parts(folder.directory)[-1])}"
    return name or clean(folder.host)
