"""Konsole over D-Bus: what is asked of it, against a Konsole of ours on a real bus."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from fake_desktop import PrivateBus
from fake_programs import Programs
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.terminal import Focused, FocusState
from tray.actions.attach.window import Window
from tray.system.terminal_processes import TerminalProcess
from waiting import run

pytestmark = pytest.mark.desktop


class FakeKonsole:
    """Window 1 of a Konsole 22.12, with tabs 1 and 2."""

    def __init__(self, bus: MessageBus) -> None:
        self.current = 1
        self._bus = bus
        bus.add_message_handler(self._answer)

    def seat(self, tab: int) -> TerminalProcess:
        names = {
            "KONSOLE_DBUS_SERVICE": str(self._bus.unique_name),
            "KONSOLE_DBUS_WINDOW": "/Windows/1",
            "KONSOLE_DBUS_SESSION": f"/Sessions/{tab}",
        }
        return TerminalProcess(7, "/dev/pts/7", names, (6, 5))

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or message.path != "/Windows/1":
            return None
        if message.member == "sessionList":
            return Message.new_method_return(message, "as", [["1", "2"]])
        if message.member == "currentSession":
            return Message.new_method_return(message, "i", [self.current])
        if message.member == "setCurrentSession":
            self.current = message.body[0]
            return Message.new_method_return(message)
        return None


@asynccontextmanager
async def konsole(bus: PrivateBus) -> AsyncIterator[FakeKonsole]:
    connection = await MessageBus(bus_address=bus.address).connect()
    yield FakeKonsole(connection)
    connection.disconnect()


@pytest.fixture
def in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A desktop on which Konsole's window is in front, or can be brought there."""
    programs = Programs(tmp_path / "bin")
    window = {"nodes": [{"pid": 5, "name": "~ : OC | Work — Konsole", "focused": True}]}
    programs.add("swaymsg", {"get_tree": json.dumps(window), "[pid=5]": ""})
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SWAYSOCK", "x")
    return programs


@pytest.mark.usefixtures("in_front")
def test_the_tab_is_selected_if_the_window_contains_it(bus: PrivateBus) -> None:
    async def test() -> None:
        async with konsole(bus) as fake:
            terminal = Konsole(Window())
            assert terminal.detect(fake.seat(2))
            assert await terminal.bring_to_front(fake.seat(2)) == Focused("Focused the Konsole tab")
            assert fake.current == 2
            assert await terminal.bring_to_front(fake.seat(3)) is None
            assert fake.current == 2

    run(test())


@pytest.mark.usefixtures("in_front")
def test_the_current_tab_of_the_active_window_has_the_focus(bus: PrivateBus) -> None:
    async def test() -> None:
        async with konsole(bus) as fake:
            terminal = Konsole(Window())
            assert await terminal.focus_state(fake.seat(1)) == FocusState(
                has_focus=True, title="~ : OC | Work — Konsole"
            )
            assert await terminal.focus_state(fake.seat(2)) == FocusState(has_focus=False)
        assert await terminal.focus_state(fake.seat(1)) is None  # it has ended

    run(test())
