"""Konsole over D-Bus: what is asked of it, against a Konsole of ours on a real bus."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from fake_desktop import PrivateBus
from fake_programs import Programs
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.terminal import Focus, Raised
from tray.actions.attach.window import Window
from tray.system.terminal_processes import TerminalProcess

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


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


@pytest.mark.usefixtures("in_front")
def test_the_tab_is_chosen_if_the_window_has_it(bus: PrivateBus) -> None:
    async def test() -> None:
        async with konsole(bus) as fake:
            rung = Konsole(Window())
            assert rung.detect(fake.seat(2))
            assert await rung.go(fake.seat(2)) == Raised("Focused its Konsole tab")
            assert fake.current == 2
            assert await rung.go(fake.seat(3)) is None
            assert fake.current == 2

    run(test())


@pytest.mark.usefixtures("in_front")
def test_the_chosen_tab_of_the_window_in_front_has_the_keyboard(bus: PrivateBus) -> None:
    async def test() -> None:
        async with konsole(bus) as fake:
            rung = Konsole(Window())
            assert await rung.focus(fake.seat(1)) == Focus(has_it=True, title="~ : OC | Work — Konsole")
            assert await rung.focus(fake.seat(2)) == Focus(has_it=False)
        assert await rung.focus(fake.seat(1)) is None  # it has ended

    run(test())
