"""`run`: run the tray."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import logging
import os
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from tray.app.application import App
from tray.app.open_file_limit import raise_limit
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK, PORT_TAKEN
from tray.cli.log_file import log_to
from tray.cli.start_failure import report
from tray.cli.status import describe
from tray.core.errors import UserError
from tray.core.loopback import connect_host, is_loopback
from tray.core.settings import DEBUG, HOST, ON_NETWORK, PORT, Settings
from tray.storage.endpoint import Address, read_endpoint
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.menu.view import TrayView
from tray.system.paths import NAME, TITLE, Paths
from tray.system.sandbox import refuse_sandbox
from tray.system.session_end import STOP_TIMEOUT, stop_with_console, stop_with_session
from tray.system.signals import StopSignals
from tray.system.tasks import call_on_loop

if TYPE_CHECKING:
    from tray.surfaces.backends.tray_icon import TrayIcon  # not needed headless

log = logging.getLogger(__name__)

# Windows reserves ranges of ports for virtual machines; on other systems only root may use the ports below 1024.
RESERVED = (
    "is reserved by Windows (see: netsh interface ipv4 show excludedportrange protocol=tcp)"
    if sys.platform == "win32"
    else "is reserved by the system"
)


def run(options: argparse.Namespace) -> int:
    """Run until stopped and return the exit code. Raises UserError."""
    refuse_sandbox()
    raise_limit()
    paths = Paths.of(os.environ)
    flags = {
        HOST.key: options.host,
        PORT.key: options.port,
        ON_NETWORK.key: options.mdns or None,
        DEBUG.key: options.debug or None,
    }
    settings = load_settings(paths.settings, os.environ, flags)
    token = Token.of(os.environ, paths.token)
    stderr, file = log_to(paths.log, debug=settings[DEBUG])
    for problem in settings.problems:
        log.warning("%s (ignored: an option or variable overrides it)", problem)
    program = Program(paths, settings, flags, token, headless=options.headless, notify=not options.no_notify)
    exit_code = program.run()
    for thread in (file, stderr):
        thread.end(exit_code)
    return exit_code


class Program:
    """The process: the icon runs on the main thread, everything else on the event loop in a second thread."""

    def __init__(
        self, paths: Paths, settings: Settings, flags: dict[str, Any], token: Token, *, headless: bool, notify: bool
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._flags = flags
        self._token = token
        self._headless = headless
        self._notify = notify
        self._app: App | None = None
        self._first_view: TrayView | None = None  # None: there is to be no icon
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._has_crashed = False
        self._why_other_port = ""  # the rest of a sentence about the default port, if it is not used
        self._signals: StopSignals | None = None

    def run(self) -> int:
        """Run until stopped and return the exit code."""
        tune_garbage_collector()
        running = read_endpoint(self._paths.endpoint)
        if running is not None and (overview := _overview_at(running.address)) is not None:
            return self._already_running(running.port, overview)
        self._signals = StopSignals()
        worker = threading.Thread(target=self._work, name="loop", daemon=True)
        worker.start()
        self._started.wait()
        if self._failure is not None:
            worker.join()
            return self._cannot_listen(self._failure)
        stop_with_console(partial(self._stop_and_wait, worker))
        with suppress(OSError):  # stdout is closed
            self._print_address()
        if not self._headless:
            self._run_icon(worker)
        worker.join()
        if self._has_crashed:
            report(f"the tray has stopped because of an error; see {self._paths.log}", headless=self._headless)
        return FAILED if self._has_crashed else OK

    def wait_until_listening(self) -> int:
        """Return the port once plugins are accepted; 0 if that failed. Call it from any thread but the loop's."""
        self._started.wait()
        return self._app.port if self._app is not None else 0

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            self._has_crashed = True
            log.exception("the tray has stopped because of an error")
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        app = App(self._paths, self._settings, self._flags, self._token, notify=self._notify)
        try:
            await self._listen(app)
        except OSError as error:
            self._failure = error
            return
        except UnicodeError as error:  # an invalid host name
            self._failure = OSError(str(error))
            return
        self._app = app
        if not self._headless:
            self._first_view = app.view()
        self._started.set()
        stopping = asyncio.create_task(self._stop_at_signal(app), name="signals")
        try:
            await app.run_until_stopped()
        finally:
            stopping.cancel()

    async def _stop_at_signal(self, app: App) -> None:
        if self._signals is not None:
            await self._signals.wait()
            app.stop()

    async def _listen(self, app: App) -> None:
        """Accept plugins on the configured port, or on a free one if only the default port is configured and in use.

        Plugins and commands of this machine find the port in a file. Other machines do not see that file, so a listener
        for them never changes its port. Raises OSError.
        """
        try:
            await app.start()
        except OSError as error:
            is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)  # EACCES: reserved by Windows
            if not is_taken or not self._may_use_another_port():
                raise
            if await asyncio.to_thread(_overview_at, self._wanted) is not None:  # a tray of this user has the port
                raise
            why = await asyncio.to_thread(_why_refused, self._wanted.port, error)
            self._why_other_port = why or "is in use by another program"
            await app.start(0)

    def _may_use_another_port(self) -> bool:
        return self._settings.source(PORT) == "default" and is_loopback(self._settings[HOST])

    @property
    def _wanted(self) -> Address:
        return Address(connect_host(self._settings[HOST]), self._settings[PORT])

    def _stop(self) -> None:
        if self._app is not None:
            call_on_loop(self._loop, self._app.stop)

    def _stop_and_wait(self, worker: threading.Thread) -> None:
        """Stop and wait until everything is saved, for STOP_TIMEOUT at most; on any thread but the loop's."""
        self._stop()
        worker.join(STOP_TIMEOUT)

    def _print_address(self) -> None:
        if self._app is None:
            return
        host = self._settings[HOST]
        reason = f" (port {self._settings[PORT]} {self._why_other_port})" if self._why_other_port else ""
        print(f"OpenCode Tray listens on {host}:{self._app.port}{reason}", flush=True)
        if not is_loopback(host):
            print(f"Warning: other machines can reach {host}. Only clients with the token are accepted,", flush=True)
            print("but the traffic is not encrypted. A tunnel (ssh -R) is safer.", flush=True)

    def _run_icon(self, worker: threading.Thread) -> None:
        from tray.surfaces.backends.open_icon import open_tray_icon
        from tray.surfaces.backends.pystray_icon import PystrayIcon
        from tray.surfaces.backends.tray_icon import TrayUnavailable

        app, view = self._app, self._first_view
        if app is None or view is None:
            return
        icon = open_tray_icon(NAME, TITLE, view, app.post, app.post_opened, app.post_hosted)
        if icon is None:
            print("No system tray found; running without an icon. To see sessions: opencode-tray watch", flush=True)
            return
        if not icon.has_menu:
            print(f"The {icon.name} tray has no menu; a click opens the session that has waited longest.", flush=True)
        stop_with_session(partial(self._stop_and_wait, worker))
        call_on_loop(self._loop, app.show_on, icon.show)
        if isinstance(icon, PystrayIcon) and icon.has_balloons:
            call_on_loop(self._loop, app.show_balloons_on, icon.show_balloon)
        if sys.platform == "linux":
            call_on_loop(self._loop, app.expect_panel)
        threading.Thread(target=_stop_after, args=(worker, icon), name="stop icon", daemon=True).start()
        try:
            icon.run()
        except TrayUnavailable as error:
            print(f"Cannot show the icon ({error}); running without it.", flush=True)
            return
        self._stop()

    def _already_running(self, port: int, overview: dict[str, Any]) -> int:
        """Print the sessions of the running tray. Exit code 1 if the user asked for another port than it has."""
        print(f"OpenCode Tray is already running on port {port}: {describe(overview)}")
        wanted = self._settings[PORT]
        if self._settings.source(PORT) == "default" or wanted in (0, port):
            return OK
        print(f"opencode-tray: to use port {wanted}, stop the running tray first: opencode-tray stop", file=sys.stderr)
        return FAILED

    def _cannot_listen(self, error: OSError) -> int:
        """Print which program uses the port, or the sessions if it is a tray of this user."""
        port = self._settings[PORT]
        if (overview := _overview_at(self._wanted)) is not None:
            return self._already_running(port, overview)
        if why := _why_refused(port, error):
            stop = "" if why == RESERVED else "stop it, or "
            message = f"port {port} {why}; {stop}choose another port with --port N"
        else:
            message = f"cannot listen on {self._settings[HOST]}:{port}: {error}"
        report(message, headless=self._headless)
        return PORT_TAKEN


def _overview_at(address: Address) -> dict[str, Any] | None:
    """Return the overview of this user's tray at the address; None if there is none."""
    try:
        overview: dict[str, Any] = call_tray(address.port, "overview", host=address.host)
    except UserError:
        return None
    return overview


def _why_refused(port: int, error: OSError) -> str:
    """Return why a port cannot be used, as the rest of a sentence about it; "" if unknown."""
    from tray.system.ports import port_owner  # needs psutil

    program = port_owner(port)
    if program is not None:
        return f"is in use by {program}"
    return RESERVED if error.errno == errno.EACCES else ""


def tune_garbage_collector() -> None:
    """Avoid pauses by the garbage collector: imported modules stay, and records have no reference cycles."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _stop_after(worker: threading.Thread, icon: TrayIcon) -> None:
    worker.join()
    icon.stop()
