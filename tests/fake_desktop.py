"""A fake desktop without a screen: a private session bus with a panel for tray icons and a notification daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from dbus_fast import Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus

from tray.surfaces.backends.dbus_introspection import BUS, BUS_PATH, ITEM, MENU
from tray.system.tray_host import PROPERTIES, WATCHER, WATCHER_PATH
from waiting import DEADLINE

NOTIFICATIONS, NOTIFICATIONS_PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
NOTIFICATIONS_XML = f"""<node><interface name="{NOTIFICATIONS}">
<method name="GetCapabilities"><arg type="as" direction="out"/></method>
<method name="GetServerInformation"><arg type="s" direction="out"/><arg type="s" direction="out"/>
<arg type="s" direction="out"/><arg type="s" direction="out"/></method>
<method name="CloseNotification"><arg type="u" direction="in"/></method>
<method name="Notify"><arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
<arg type="a{{sv}}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/></method>
<signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
<signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
</interface></node>"""

T = TypeVar("T")

# No service folders: a bus of its own would still start the installed notification daemons.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


def need(*programs: str) -> None:
    """Skip the test if a program is missing; fail on CI."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks {', '.join(missing)}")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


class PrivateBus:
    """A session bus at a fixed address, so that it can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        self._config = folder / "bus.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the bus."""
        self.socket.unlink(missing_ok=True)
        self._config.write_text(BUS_CONFIG.format(path=self.socket))
        command = ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--print-address"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def signal(self, number: int) -> None:
        """Send a signal to the bus."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Kill the bus, which breaks all connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@contextmanager
def environment(**changes: str | None) -> Iterator[None]:
    """Set environment variables inside the block; None removes one."""
    before = {name: os.environ.get(name) for name in changes}
    try:
        _set(changes)
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@dataclass(frozen=True)
class Row:
    """A row of a menu as the panel received it."""

    number: int
    label: str
    properties: dict[str, Any]
    children: list[Row] = field(default_factory=list)

    def find(self, label: str) -> Row:
        return next(row for row in self.walk() if row.label == label)

    def walk(self) -> Iterator[Row]:
        yield self
        for child in self.children:
            yield from child.walk()

    def labels(self) -> list[str]:
        return [child.label or "---" for child in self.children]


class FakeDesktop:
    """A StatusNotifierWatcher with a host and a notification daemon, on one connection."""

    def __init__(
        self,
        address: str,
        *,
        capabilities: tuple[str, ...] = ("body", "actions", "body-markup"),
        name: str = "fake",
    ) -> None:
        self.items: list[str] = []  # bus names, as they registered
        self.signals: list[tuple[str, list[Any]]] = []  # sent by items
        self.notes: dict[int, list[Any]] = {}  # open notifications
        self.noted = 0  # number of the newest notification
        self.on_note: Callable[[], None] = lambda: None  # called before a notification is answered
        self.unresponsive = False  # receives calls and never replies, as a stopped process
        self.unanswered = 0
        self.answers_late = False  # answers notifications when `answer_notes` is called
        self._late_answers: list[Message] = []
        self._address = address
        self._capabilities = list(capabilities)
        self._name = name
        self._bus: MessageBus | None = None
        self._asked = asyncio.Event()  # whether it shows icons

    @property
    def bus(self) -> MessageBus:
        assert self._bus is not None
        return self._bus

    async def start(self, *, panel: bool = True, notifications: bool = True) -> FakeDesktop:
        """Connect and take the names on the bus."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self.bus.add_message_handler(self._received)
        for interface in (ITEM, MENU):
            await self._ask(BUS, BUS_PATH, BUS, "AddMatch", "s", f"type='signal',interface='{interface}'")
        if panel:
            await self.start_panel()
        if notifications:
            await self.bus.request_name(NOTIFICATIONS)
        return self

    async def start_panel(self) -> None:
        """Show the panel, as at login or after a crash."""
        await self.bus.request_name(WATCHER)

    async def start_panel_for_a_moment(self) -> None:
        """Show the panel and hide it as soon as it has reported that it shows icons."""
        self._asked.clear()
        await self.start_panel()
        await asyncio.wait_for(self._asked.wait(), DEADLINE)
        await self.bus.release_name(WATCHER)

    def announce(self, item: str) -> None:
        """Report that an icon has registered."""
        self.bus.send(Message.new_signal(WATCHER_PATH, WATCHER, "StatusNotifierItemRegistered", "s", [item]))

    def drop(self, item: str) -> None:
        """Forget an icon that is still there, as panels do after an error of their own."""
        self.items.remove(item)
        self.bus.send(Message.new_signal(WATCHER_PATH, WATCHER, "StatusNotifierItemUnregistered", "s", [item]))

    async def stop_panel(self) -> None:
        """Hide the panel."""
        self.items.clear()
        await self.bus.release_name(WATCHER)

    async def stop(self) -> None:
        """Disconnect from the bus."""
        self.bus.disconnect()
        await self.bus.wait_for_disconnect()

    async def properties(self) -> dict[str, Any]:
        """Return the properties of the icon that registered last."""
        return dict((await self._ask(self.items[-1], "/StatusNotifierItem", PROPERTIES, "GetAll", "s", ITEM))[0])

    async def property(self, name: str) -> Any:
        """Return a property of the icon that registered last. Raises RuntimeError."""
        return (await self._ask(self.items[-1], "/StatusNotifierItem", PROPERTIES, "Get", "ss", ITEM, name))[0]

    async def menu(self) -> Row:
        """Return its menu."""
        return _row((await self._ask_menu("GetLayout", "iias", 0, -1, []))[1])

    async def layout(self, number: int) -> list[Any]:
        """Return a row and its children in the layout of the protocol."""
        return list((await self._ask_menu("GetLayout", "iias", number, -1, []))[1])

    async def about_to_show(self, number: int = 0) -> bool:
        """Send AboutToShow as a panel that opens a menu; return whether the menu must be read again."""
        return bool((await self._ask_menu("AboutToShow", "i", number))[0])

    async def about_to_show_group(self, *numbers: int) -> list[int]:
        """Send AboutToShowGroup as GTK panels do; return which menus must be read again."""
        return list((await self._ask_menu("AboutToShowGroup", "ai", list(numbers)))[0])

    async def send_menu_event(self, number: int, event: str) -> None:
        """Send an event of a row: "clicked", or "opened" and "closed" for 0, the menu itself."""
        await self._ask_menu("Event", "isvu", number, event, Variant("i", 0), 0)

    async def click(self, label: str) -> None:
        """Click the row with this label."""
        await self.send_menu_event((await self.menu()).find(label).number, "clicked")

    async def call_item(self, member: str) -> None:
        """Click the icon itself: Activate, SecondaryActivate."""
        await self._ask(self.items[-1], "/StatusNotifierItem", ITEM, member, "ii", 0, 0)

    async def press(self, note: int, action: str) -> None:
        """Press a button of a notification and close it; it may be closed already, as with a late click."""
        body: list[Any] = [note, action]
        await self.bus.send(Message.new_signal(NOTIFICATIONS_PATH, NOTIFICATIONS, "ActionInvoked", "us", body))
        if note in self.notes:
            await self.close(note)

    def answer_notes(self) -> None:
        """Send the answers that were kept back."""
        for answer in self._late_answers:
            self.bus.send(answer)
        self._late_answers.clear()

    async def close(self, note: int) -> None:
        """Close a notification as a user does."""
        self.notes.pop(note, None)
        body = [note, 2]
        await self.bus.send(Message.new_signal(NOTIFICATIONS_PATH, NOTIFICATIONS, "NotificationClosed", "uu", body))

    async def _ask_menu(self, member: str, signature: str, *body: Any) -> list[Any]:
        return await self._ask(self.items[-1], "/MenuBar", MENU, member, signature, *body)

    async def _ask(self, name: str, path: str, interface: str, member: str, signature: str, *body: Any) -> list[Any]:
        call = Message(name, path, interface, member, signature=signature, body=list(body))
        reply = await asyncio.wait_for(self.bus.call(call), DEADLINE)
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise RuntimeError(f"{member}: {reply.error_name} {reply.body}")
        return list(unpack_variants(reply.body))

    def _received(self, message: Message) -> Message | None:
        if message.message_type is MessageType.SIGNAL and message.interface in (ITEM, MENU):
            self.signals.append((message.member or "", list(unpack_variants(message.body))))
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if self.unresponsive:
            self.unanswered += 1
            return Message.new_signal("/nowhere", "not.a", "Reply")  # instead of a reply
        return self._answer(message)

    def _answer(self, message: Message) -> Message | None:
        match message.interface, message.member, message.body:
            case _, "RegisterStatusNotifierItem", [name]:
                self.items.append(name)
                signal = Message.new_signal(WATCHER_PATH, WATCHER, "StatusNotifierItemRegistered", "s", [name])
                self.bus.send(signal)
                return Message.new_method_return(message)
            case "org.freedesktop.DBus.Properties", "Get", [_, "IsStatusNotifierHostRegistered"]:
                self._asked.set()
                return Message.new_method_return(message, "v", [Variant("b", True)])
            case _, "Introspect", _ if message.path == NOTIFICATIONS_PATH:
                return Message.new_method_return(message, "s", [NOTIFICATIONS_XML])
            case _, "GetCapabilities", _:
                return Message.new_method_return(message, "as", [self._capabilities])
            case _, "GetServerInformation", _:
                return Message.new_method_return(message, "ssss", [self._name, "fake", "1", "1.2"])
            case _, "Notify", body:
                self.noted = body[1] or self.noted + 1
                self.notes[self.noted] = unpack_variants(body)
                self.on_note()
                answer = Message.new_method_return(message, "u", [self.noted])
                if self.answers_late:
                    self._late_answers.append(answer)
                    return Message.new_signal("/nowhere", "not.a", "Reply")
                return answer
            case _, "CloseNotification", [note]:
                self.notes.pop(note, None)
                closed = [note, 3]
                self.bus.send(Message.new_signal(NOTIFICATIONS_PATH, NOTIFICATIONS, "NotificationClosed", "uu", closed))
                return Message.new_method_return(message)
        return None


def _row(layout: list[Any]) -> Row:
    number, properties, children = layout
    label = properties.get("label", "").replace("__", "_")
    return Row(number, label, properties, [_row(child) for child in children])


@contextmanager
def running(icon: Any) -> Iterator[threading.Thread]:
    """Run an icon as the main thread does."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            icon.run()
        except BaseException as error:  # noqa: BLE001  # passed to the test
            failures.append(error)

    thread = threading.Thread(target=run, name="icon")
    thread.start()
    try:
        yield thread
    finally:
        icon.stop()
        thread.join(DEADLINE)
    assert not thread.is_alive()
    assert not failures, failures
