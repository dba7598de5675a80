"""The tray icon of Linux panels: a StatusNotifierItem with its menu, over D-Bus alone, so without GTK and without X.

Panels come late, restart and go; the session bus itself may. The icon stays on offer through all of it: it registers
with every watcher that appears, and connects again when the bus is back.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from tray.core.commands import Command
from tray.surfaces.backends.dbus_introspection import BUS, ITEM
from tray.surfaces.backends.dbus_item import DBusItem
from tray.surfaces.backends.dbus_menu import LONGEST_WAIT
from tray.surfaces.backends.dbus_watcher import request_name, watch
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.system.session_bus import BusError, call, connect
from tray.system.tray_host import WATCHER, WATCHER_PATH, host_registered

log = logging.getLogger(__name__)

SIGNAL_EVERY = 0.1  # s; panels read every property again on each signal, all pictures among them
REGISTER_AGAIN = (2.0, 3.0, 5.0, 10.0, 20.0, 20.0)  # s: the minute in which a session may still be starting
GIVE_WAY = 5.0  # s without a watcher, before an older kind of tray may have the icon
RECONNECT_AFTER = 0.25  # s, doubled up to RECONNECT_AT_MOST
RECONNECT_AT_MOST = 8.0

_Base: Any = pystray_module("_base").Icon
_instances = count(1)


class StatusNotifierIcon(_Base):  # type: ignore[misc]  # pystray ships no types
    """A TrayIcon, and a pystray `Icon` whose back end is D-Bus. `elsewhere`: whether another kind could be shown."""

    name = "StatusNotifierItem"
    has_menu = True

    def __init__(
        self,
        app_id: str,
        title: str,
        view: TrayView,
        on_choice: Callable[[Command], None],
        on_host: Callable[[bool], None],
        elsewhere: Callable[[], bool] = lambda: False,
        on_opened: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        super().__init__(app_id, title=title)
        self._item = DBusItem(app_id, title, view, on_choice, on_opened)
        self._view = view
        self._on_host = on_host
        self._elsewhere = elsewhere
        self._bus_name = f"{ITEM}-{os.getpid()}-{next(_instances)}"
        self._hosted = False
        self._registered = False
        self._settled = False  # this desktop has such panels, though one may be restarting just now
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life: asyncio.Task[None] | None = None
        self._bus: MessageBus | None = None
        self._look_again = asyncio.Event()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._open_timer: asyncio.TimerHandle | None = None
        self._open_since: tuple[int, float] = (0, 0.0)  # what the timer counts from, and how far, in s
        self._asked_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ from any thread

    def run(self, _setup: object = None) -> None:
        """Be there until `stop`. Raises TrayUnavailable if no bus answers, or if only an older kind of tray is there.

        Without pystray's setup thread, which would wait for ever, and the process with it, if no bus answered.
        """
        asyncio.run(self._serve())

    def show(self, view: TrayView) -> None:
        """Show this from now on."""
        self._view = view
        self._post(self._update)

    def stop(self) -> None:
        """Take the icon away; `run` returns."""
        self._stopping = True
        self._post(self._end)

    def __call__(self) -> None:
        """A left click."""
        self._item.activate()

    def _post(self, step: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # closed: it has just stopped
                loop.call_soon_threadsafe(step)

    # ------------------------------------------------------------------ pystray's hooks

    def _show(self) -> None:
        self._item.set_visible(visible=True)
        self._post(self._tell)

    def _hide(self) -> None:
        self._item.set_visible(visible=False)
        self._post(self._tell)

    def _update(self) -> None:
        self._item.show(self._view)
        self._tell()

    _update_icon = _update_title = _update_menu = _update

    # ------------------------------------------------------------------ life

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._life = asyncio.current_task()
        self._item.show(self._view)
        try:
            if not self._stopping:
                await self._stay_connected()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._loop = None

    def _end(self) -> None:
        if self._life is not None and not self._life.done():
            self._life.cancel()

    async def _stay_connected(self) -> None:
        try:
            bus = await connect()
        except BusError as error:
            raise TrayUnavailable(str(error)) from error
        while True:
            await self._attend(bus)
            log.warning("the session bus is lost; the icon comes back with it")
            bus = await _connect_again()

    async def _attend(self, bus: MessageBus) -> None:
        """Offer the icon on this bus until the bus is lost."""
        self._bus = bus
        self._registered = False
        bus.add_message_handler(self._heard)
        gone: asyncio.Future[None] = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        gone.add_done_callback(self._bus_gone)
        try:
            await watch(bus, f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{WATCHER}'")
            await watch(bus, f"type='signal',interface='{WATCHER}'")
            await request_name(bus, self._bus_name)
            await self._stay_registered(bus)
        except BusError as error:
            log.info("%s", error)
        finally:
            self._bus = None
            bus.disconnect()
            self._set_hosted(hosted=False)
            await asyncio.wait([gone], timeout=0.5)

    def _bus_gone(self, gone: asyncio.Future[None]) -> None:
        if not gone.cancelled():
            gone.exception()  # why does not matter
        self._look_again.set()

    async def _stay_registered(self, bus: MessageBus) -> None:
        started = asyncio.get_running_loop().time()
        pauses = iter(REGISTER_AGAIN)
        while bus.connected:
            self._look_again.clear()
            try:
                await self._register(bus)
                pause = None
            except BusError as error:
                log.debug("not registered: %s", error)
                pause = next(pauses, None)
                waited = asyncio.get_running_loop().time() - started
                if not self._settled and waited >= GIVE_WAY and self._elsewhere():
                    raise TrayUnavailable("there is no StatusNotifier panel, only an older kind of tray") from error
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look_again.wait()
                pauses = iter(REGISTER_AGAIN)

    async def _register(self, bus: MessageBus) -> None:
        if not self._registered:
            self._registered = True  # taken back as soon as the watcher goes, which may be before its answer is read
            body = [self._bus_name]
            request = Message(WATCHER, WATCHER_PATH, WATCHER, "RegisterStatusNotifierItem", signature="s", body=body)
            try:
                await call(bus, request)
            except BusError:
                self._registered = False
                raise
            self._settled = True
        hosted = await host_registered(bus)
        if self._registered:
            self._set_hosted(hosted=hosted)

    def _set_hosted(self, *, hosted: bool) -> None:
        if hosted != self._hosted:
            self._hosted = hosted
            self._on_host(hosted)

    # ------------------------------------------------------------------ to and from panels

    def _heard(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.METHOD_CALL:
            reply = self._item.answer(message)
            self._tell()
            return reply or self._item.is_ours(message) or None
        if message.member == "NameOwnerChanged" and message.body[0] == WATCHER:
            _, gone, _ = message.body
            if gone:  # not so for one that appears: what was on its way may have reached it
                self._registered = False
                self._set_hosted(hosted=False)
                self._menu_closed()
            self._look_again.set()
        elif message.interface == WATCHER and message.message_type is MessageType.SIGNAL:
            self._look_again.set()
        return None

    def _tell(self) -> None:
        """Soon tell panels what changed, and see to it that an open menu does not keep its rows for ever."""
        loop = self._loop
        if loop is None:
            return
        menu = self._item.menu
        if menu.ready:  # a panel waits for this before it shows the menu
            if self._flush_timer is not None:
                self._flush_timer.cancel()
            self._flush(loop)
        elif self._flush_timer is None:
            self._flush_timer = loop.call_at(max(self._flushed_at + SIGNAL_EVERY, loop.time()), self._flush, loop)
        if self._open_timer is not None and self._open_since != (menu.times, menu.patience):
            self._open_timer.cancel()
            self._open_timer = None
        self._open_since = menu.times, menu.patience
        self._open_timer = _running(loop, self._open_timer, menu.waiting, menu.patience, self._menu_closed)
        self._asked_timer = _running(loop, self._asked_timer, menu.asked, LONGEST_WAIT, self._give_up)

    def _give_up(self) -> None:
        self._asked_timer = None
        self._item.menu.give_up()
        self._tell()

    def _menu_closed(self) -> None:
        self._item.menu.closed()
        self._tell()

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flush_timer = None
        if self._item.menu.asked and not self._item.menu.ready:
            return  # the answer says whether anything changed; it goes along with the signals
        self._flushed_at = loop.time()
        for message in self._item.take_messages():
            if self._bus is not None and self._bus.connected:
                self._bus.send(message)


def _running(
    loop: asyncio.AbstractEventLoop,
    timer: asyncio.TimerHandle | None,
    wanted: bool,  # noqa: FBT001
    seconds: float,
    then: Callable[[], None],
) -> asyncio.TimerHandle | None:
    """The timer, started where it is wanted and does not run, and cancelled where it is not wanted."""
    if wanted:
        return timer or loop.call_later(seconds, then)
    if timer is not None:
        timer.cancel()
    return None


async def _connect_again() -> MessageBus:
    """A new connection, as soon as there is a bus again."""
    pause = RECONNECT_AFTER
    while True:
        await asyncio.sleep(pause)
        with suppress(BusError):
            return await connect()
        pause = min(2 * pause, RECONNECT_AT_MOST)
