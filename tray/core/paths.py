"""Paths of other machines, which may have the separators of another platform."""

from __future__ import annotations


def base_name(path: str) -> str:
    r"""Return the last component of a path with `/` or `\` as separators; "" for a root."""
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
