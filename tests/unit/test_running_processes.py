"""A process whose name cannot be read does not hide the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tray.agents.codex import processes as codex
from tray.agents.codex.home import CodexHome
from tray.opencode import processes as opencode
from tray.system import terminal_processes


class Nameless:
    """What psutil yields for a process of Windows that may not be read."""

    def name(self) -> str:
        raise OSError(87, "invalid parameter")


class Named:
    """A process that ends as soon as its name is known."""

    asked = 0

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def __getattr__(self, name: str) -> object:
        Named.asked += 1
        raise psutil.NoSuchProcess(1)


@pytest.mark.parametrize(
    ("name", "running"),
    [
        ("opencode", opencode.running_processes),
        ("codex", lambda: codex.running_processes(CodexHome(Path("none")))),
    ],
)
def test_a_process_without_a_readable_name_does_not_hide_the_others(
    name: str, running: Callable[[], list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Named.asked = 0
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter([Nameless(), Named(name)]))
    assert running() == []
    assert Named.asked == 1  # the second process was looked at


def test_it_does_not_hide_the_terminals_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class InTerminal(Named):
        pid, info = 7, {"create_time": 1.0}

    asked: list[int] = []
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter([Nameless(), InTerminal("claude")]))
    monkeypatch.setattr(terminal_processes, "terminal_process_of", asked.append)
    assert terminal_processes.program_terminals("claude") == []
    assert asked == [7]
