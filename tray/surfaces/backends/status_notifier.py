"""The tray icon of Linux panels: a StatusNotifierItem with its menu, over D-Bus only, without GTK and X11.

Panels start late, restart and end, and so may the session bus. The icon registers with every watcher that appears, and
connects again when the bus is back.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from tray.core.commands import Command
from tray.surfaces.backends.dbus_introspection import BUS, BUS_PATH, ITEM
from tray.surfaces.backends.dbus_item import DBusItem
from tray.surfaces.backends.dbus_item_timers import ItemTimers
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.system.backoff import Backoff
from tray.system.session_bus import BusError, call, connect
from tray.system.tasks import call_on_loop
from tray.system.tray_host import WATCHER, WATCHER_PATH, host_registered

log = logging.getLogger(__name__)

REGISTER_RETRIES = (2.0, 3.0, 5.0, 10.0, 20.0, 20.0)  # s between attempts, during the first minute of a session
FALLBACK_AFTER = 5.0  # s without a watcher after which an XEmbed tray may show the icon
FIRST_RECONNECT, MAX_RECONNECT = 0.25, 8.0  # s between attempts to connect, doubled each time
FIRST_RETURN, MAX_RETURN = 2.0, 300.0  # s until an icon that the panel has dropped registers again, doubled each time
ACCEPTED_AFTER = 60.0  # s that an icon was shown, after which the delays begin with the first one again

_instances = count(1)


class StatusNotifierIcon:
    """A TrayIcon over D-Bus.

    `on_hosted` is called with whether a panel shows the icon. `has_fallback` returns whether another kind of icon could
    be shown. All callbacks are called on the thread of `run`.
    """

    name = "StatusNotifierItem"
    has_menu = True

    def __init__(
        self,
        app_id: str,
        title: str,
        view: TrayView,
        on_command: Callable[[Command], None],
        on_hosted: Callable[[bool], None],
        has_fallback: Callable[[], bool] = lambda: False,
        on_open_changed: Callable[[OpenSubmenus], None] = lambda _: None,
    ) -> None:
        self._item = DBusItem(app_id, title, view, on_command, on_open_changed)
        self._view = view
        self._on_hosted = on_hosted
        self._has_fallback = has_fallback
        self._bus_name = f"{ITEM}-{os.getpid()}-{next(_instances)}"
        self._hosted = False
        self._registered = False
        self._was_registered = False  # this desktop has such panels, even if one is restarting just now
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._bus: MessageBus | None = None
        self._register_now = asyncio.Event()
        self._timers = ItemTimers(self._item, self._send_messages)
        self._return = Backoff(FIRST_RETURN, MAX_RETURN)
        self._registered_at = self._not_before = 0.0  # s on the clock of the loop

    # ------------------------------------------------------------------ from any thread

    def run(self) -> None:
        """Show the icon until `stop`.

        Raises TrayUnavailable if there is no session bus, or if only an XEmbed tray could show the icon.
        """
        asyncio.run(self._serve())

    def show(self, view: TrayView) -> None:
        """Show this view."""
        self._view = view
        call_on_loop(self._loop, self._update)

    def stop(self) -> None:
        """Remove the icon; `run` returns."""
        self._stopping = True
        call_on_loop(self._loop, self._cancel)

    # ------------------------------------------------------------------ connection

    def _update(self) -> None:
        self._item.show(self._view)
        self._timers.update()

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._item.show(self._view)
        try:
            if not self._stopping:
                await self._stay_connected()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._loop = None

    async def _stay_connected(self) -> None:
        try:
            bus = await connect()
        except BusError as error:
            raise TrayUnavailable(str(error)) from error
        while True:
            await self._serve_bus(bus)
            log.warning("lost the session bus; the icon reappears when it is back")
            bus = await _reconnect()

    async def _serve_bus(self, bus: MessageBus) -> None:
        """Offer the icon on this bus until the connection is lost."""
        self._bus = bus
        self._registered = False
        bus.add_message_handler(self._handle_message)
        lost: asyncio.Future[None] = asyncio.ensure_future(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        lost.add_done_callback(self._bus_lost)
        try:
            await _subscribe(bus, f"type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{WATCHER}'")
            await _subscribe(bus, f"type='signal',interface='{WATCHER}'")
            await _request_name(bus, self._bus_name)
            await self._stay_registered(bus)
        except BusError as error:
            log.info("%s", error)
        finally:
            self._bus = None
            bus.disconnect()
            self._set_hosted(hosted=False)
            await asyncio.wait([lost], timeout=0.5)

    def _bus_lost(self, lost: asyncio.Future[None]) -> None:
        if not lost.cancelled():
            lost.exception()  # mark it as retrieved; the reason does not matter
        self._register_now.set()

    # ------------------------------------------------------------------ registration

    async def _stay_registered(self, bus: MessageBus) -> None:
        started = asyncio.get_running_loop().time()
        retries = iter(REGISTER_RETRIES)
        while bus.connected:
            self._register_now.clear()
            try:
                await self._register(bus)
                delay = None
            except BusError as error:
                log.debug("not registered: %s", error)
                delay = next(retries, None)
                waited = asyncio.get_running_loop().time() - started
                if not self._was_registered and waited >= FALLBACK_AFTER and self._has_fallback():
                    raise TrayUnavailable("no StatusNotifier panel found, only an XEmbed tray") from error
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._register_now.wait()
                retries = iter(REGISTER_RETRIES)

    async def _register(self, bus: MessageBus) -> None:
        if not self._registered and asyncio.get_running_loop().time() >= self._not_before:
            self._registered = True  # before the call: the watcher may end before its reply is read
            # Not by its name: GNOME's extension of version 43 then forgets what the icon is as soon as it notices the
            # owner of the name, and may drop the icon.
            body = [bus.unique_name]
            request = Message(WATCHER, WATCHER_PATH, WATCHER, "RegisterStatusNotifierItem", signature="s", body=body)
            try:
                await call(bus, request)
            except BusError:
                self._registered = False
                raise
            self._was_registered = True
            self._registered_at = asyncio.get_running_loop().time()
        hosted = await host_registered(bus)
        if self._registered:
            self._set_hosted(hosted=hosted)

    def _set_hosted(self, *, hosted: bool) -> None:
        if hosted != self._hosted:
            self._hosted = hosted
            self._on_hosted(hosted)

    # ------------------------------------------------------------------ messages

    def _handle_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.METHOD_CALL:
            reply = self._item.answer(message)
            self._timers.update()
            return reply or self._item.handles(message) or None
        if message.member == "NameOwnerChanged" and message.body[0] == WATCHER:
            _, old_owner, _ = message.body
            if old_owner:  # not for a new watcher: the call that is on its way may have reached it
                self._registered = False
                self._not_before = 0.0
                self._set_hosted(hosted=False)
                self._item.menu.closed()
                self._timers.update()
            self._register_now.set()
        elif message.interface == WATCHER and message.message_type is MessageType.SIGNAL:
            if message.member == "StatusNotifierItemUnregistered" and self._is_own(message.body):
                self._return_later()
            else:
                self._register_now.set()
        return None

    def _is_own(self, body: list[object]) -> bool:
        """Return whether the body of a signal names this icon: by its bus name, which a path may follow."""
        name = str(body[0]).partition("/")[0] if body else ""
        return self._bus is not None and name in (self._bus.unique_name, self._bus_name)

    def _return_later(self) -> None:
        """Register again after a while: a panel has dropped the icon, which is still there, after an error."""
        if not self._registered:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._registered_at > ACCEPTED_AFTER:
            self._return.reset()
        delay = self._return.next_delay()
        self._not_before = loop.time() + delay
        log.info("the panel has dropped the icon; it registers again in %g s", delay)
        self._registered = False
        self._set_hosted(hosted=False)
        loop.call_later(delay, self._register_now.set)

    def _send_messages(self) -> None:
        for message in self._item.take_messages():
            if self._bus is not None and self._bus.connected:
                self._bus.send(message)


async def _reconnect() -> MessageBus:
    """Return a new connection as soon as there is a session bus again."""
    backoff = Backoff(FIRST_RECONNECT, MAX_RECONNECT)
    while True:
        await asyncio.sleep(backoff.next_delay())
        with suppress(BusError):
            return await connect()


async def _subscribe(bus: MessageBus, rule: str) -> None:
    """Receive the signals that match the rule. Raises BusError."""
    await call(bus, Message(BUS, BUS_PATH, BUS, "AddMatch", signature="s", body=[rule]))


async def _request_name(bus: MessageBus, name: str) -> None:
    """Own this name on the bus, unless another connection does. Raises BusError."""
    do_not_queue = 4
    await call(bus, Message(BUS, BUS_PATH, BUS, "RequestName", signature="su", body=[name, do_not_queue]))
