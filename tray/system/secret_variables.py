"""Environment variables with secrets, which the programs that the tray starts do not get.

Any program can read its environment, and an agent that the tray starts could print it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

_hidden: dict[str, str] = {}  # as `os.environ`, it belongs to the process


def hide(names: Iterable[str]) -> None:
    """Take variables out of `os.environ`, from which programs inherit."""
    for name in names:
        value = os.environ.pop(name, None) if name else None
        if value is not None:
            _hidden[name] = value


def hidden_variables() -> dict[str, str]:
    """Return the variables that are hidden, for a command of the tray itself."""
    return dict(_hidden)


def whole_environment() -> dict[str, str]:
    """Return the environment with the variables that are hidden."""
    return {**_hidden, **os.environ}
