"""Project names: the shortest end of a project's path that is unique among the known projects."""

from __future__ import annotations

from collections import Counter

import msgspec

from tray.core.text import clean


class Folder(msgspec.Struct, frozen=True):
    """A directory on a host. `repository` and `branch` are set only for a linked git worktree."""

    host: str
    directory: str
    repository: str = ""  # the directory of the repository's main worktree
    branch: str = ""


class ProjectNames:
    """Names of the folders in use. A name changes only when a folder with the same last part is added or removed."""

    def __init__(self) -> None:
        self._uses: Counter[Folder] = Counter()
        self._alike: dict[str, set[Folder]] = {}  # last part of the path -> its folders
        self._names: dict[Folder, str] = {}  # computed on demand

    def use(self, folder: Folder) -> frozenset[Folder]:
        """Count one more session in this folder. Return the other folders whose names may have changed."""
        self._uses[folder] += 1
        if self._uses[folder] > 1:
            return frozenset()
        last = _label(folder)[-1]
        others = self._forget_names(last)
        self._alike.setdefault(last, set()).add(folder)
        return others

    def release(self, folder: Folder) -> frozenset[Folder]:
        """Count one session less in this folder. Return the other folders whose names may have changed."""
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
        """Return the name of a folder in use; for any other folder the last part of its path."""
        if folder not in self._names:
            last = _label(folder)[-1]
            group = self._alike.get(last, set())
            if folder not in group:
                return _joined(folder, 1)
            self._names.update(_unique_names(group))
        return self._names[folder]

    def _forget_names(self, last: str) -> frozenset[Folder]:
        alike = frozenset(self._alike.get(last, ()))
        for folder in alike:
            self._names.pop(folder, None)
        return alike


def _unique_names(group: set[Folder]) -> dict[Folder, str]:
    """Return unique names for folders whose paths have the same last part."""
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
    """Return for each path how many parts from its end are unique."""
    depths: dict[tuple[str, ...], int] = {}
    left, depth = paths, 1
    while left:
        ends = Counter(path[-depth:] for path in left)
        unique = {path for path in left if ends[path[-depth:]] == 1 or depth >= len(path)}
        depths.update(dict.fromkeys(unique, depth))
        left, depth = left - unique, depth + 1
    return depths


def _label(folder: Folder) -> tuple[str, ...]:
    """Return the parts of the path that the name is made of; for a linked worktree those of its repository."""
    return _parts(folder.repository or folder.directory)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part) or ("",)


def _joined(folder: Folder, depth: int) -> str:
    name = clean("/".join(_label(folder)[-depth:]))
    if folder.repository and folder.repository != folder.directory:
        return f"{name}:{clean(folder.branch) or clean(_parts(folder.directory)[-1])}"
    return name or clean(folder.host)
