"""`run`: the tray itself."""

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
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from tray.app.application import App
from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK, PORT_TAKEN
from tray.cli.status import describe
from tray.core.errors import UserError
from tray.core.loopback import connect_host, is_loopback
from tray.core.settings import DEBUG, HOST, ON_NETWORK, PORT, Settings
from tray.storage.endpoint import Address, read_endpoint
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.menu.view import TrayView
from tray.system.paths import Paths
from tray.system.signals import StopSignals

if TYPE_CHECKING:
    from tray.surfaces.backends.tray_icon import TrayIcon  # the toolkits are not needed headless

log = logging.getLogger(__name__)

LOG_SIZE, LOG_FILES = 1_000_000, 3  # bytes of one log file; how many are kept besides


def run(options: argparse.Namespace) -> int:
    """Run until stopped. Returns the exit code. Raises Problem."""
    paths = Paths.of(os.environ)
    flags = {
        HOST.key: options.host,
        PORT.key: options.port,
        ON_NETWORK.key: options.mdns or None,
        DEBUG.key: options.debug or None,
    }
    settings = load_settings(paths.settings, os.environ, flags)
    token = Token.of(os.environ, paths.token)
    _log_to(paths, debug=settings[DEBUG])
    for problem in settings.problems:
        log.warning("%s (it does not count: something stronger is given)", problem)
    return Program(paths, settings, flags, token, headless=options.headless, notify=not options.no_notify).run()


class Program:
    """The process: the icon on the main thread, everything else on the loop's."""

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
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._taken_by = ""  # who has the usual port, where we took another one
        self._signals: StopSignals | None = None

    def run(self) -> int:
        """Run until stopped."""
        collect_rarely()
        running = read_endpoint(self._paths.endpoint)
        if running is not None and (report := _report_of(running.address)) is not None:
            return self._runs_already(running.port, report)
        self._signals = StopSignals()
        worker = threading.Thread(target=self._work, name="loop", daemon=True)
        worker.start()
        self._started.wait()
        if self._failure is not None:
            worker.join()
            return self._not_bound(self._failure)
        with suppress(OSError):  # nobody reads it
            self._announce()
        if not self._headless:
            self._run_icon(worker)
        worker.join()
        return OK

    def wait_until_listening(self) -> int:
        """The port, once plugins are accepted; 0 if that failed. From any thread but the loop's."""
        self._started.wait()
        return self._app.port if self._app is not None else 0

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
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
        except UnicodeError as error:  # a host name that can be none
            self._failure = OSError(str(error))
            return
        self._app = app
        self._started.set()
        stopping = asyncio.create_task(self._stop_at_signal(app), name="signals")
        await app.run_until_stopped()
        stopping.cancel()

    async def _stop_at_signal(self, app: App) -> None:
        if self._signals is not None:
            await self._signals.wait()
            app.stop()

    async def _listen(self, app: App) -> None:
        """Accept plugins on the port that is set; if none is set and the usual one is taken, on a free one.

        Others of this machine find it by its file; a listener for other machines stays where they look for it.
        """
        try:
            await app.start()
        except OSError as error:
            is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)  # EACCES: reserved by Windows
            if not is_taken or not self._may_move() or await asyncio.to_thread(_report_of, self._wanted) is not None:
                raise
            self._taken_by = await asyncio.to_thread(_holder, self._wanted.port) or "another program"
            await app.start(0)

    def _may_move(self) -> bool:
        return self._settings.source(PORT) == "default" and is_loopback(self._settings[HOST])

    @property
    def _wanted(self) -> Address:
        return Address(connect_host(self._settings[HOST]), self._settings[PORT])

    def _stop(self) -> None:
        if self._app is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._app.stop)

    def _announce(self) -> None:
        if self._app is None:
            return
        host = self._settings[HOST]
        why = f" (port {self._settings[PORT]} is taken by {self._taken_by})" if self._taken_by else ""
        print(f"OpenCode Tray listens on {host}:{self._app.port}{why}", flush=True)
        if not is_loopback(host):
            print(
                f"Note: {host} can be reached from other machines; only holders of the token are let in, but",
                flush=True,
            )
            print("what is sent there can be read on the way. A tunnel (ssh -R) is safer.", flush=True)

    def _run_icon(self, worker: threading.Thread) -> None:
        from tray.surfaces.backends.open_icon import open_tray_icon
        from tray.surfaces.backends.tray_icon import TrayUnavailable

        app = self._app
        if app is None:
            return
        view = asyncio.run_coroutine_threadsafe(_view_of(app), self._loop).result()
        icon = open_tray_icon("opencode-tray", "OpenCode Tray", view, app.post, app.post_opened, _host_changed)
        if icon is None:
            print("No tray here: running without an icon. `opencode-tray watch` shows the sessions.", flush=True)
            return
        if not icon.has_menu:
            print(f"The {icon.name} tray has no menu here; a click goes to whoever waits longest.", flush=True)
        self._loop.call_soon_threadsafe(app.show_on, icon.show)
        threading.Thread(target=_stop_after, args=(worker, icon), name="stop icon", daemon=True).start()
        try:
            icon.run()
        except TrayUnavailable as error:
            print(f"The icon cannot be shown ({error}): running without it.", flush=True)
            return
        self._stop()

    def _runs_already(self, port: int, report: dict[str, Any]) -> int:
        """Show the state of the tray that runs; meanwhile there is none on another port."""
        print(f"OpenCode Tray runs already on port {port}: {describe(report)}")
        wanted = self._settings[PORT]
        if self._settings.source(PORT) == "default" or wanted in (0, port):
            return OK
        print(f"opencode-tray: to move it to port {wanted}, stop it first: opencode-tray stop", file=sys.stderr)
        return FAILED

    def _not_bound(self, error: OSError) -> int:
        """The port is taken: by a tray of ours, whose state is shown, or by somebody else, who is named."""
        port = self._settings[PORT]
        if (report := _report_of(self._wanted)) is not None:
            return self._runs_already(port, report)
        who = _holder(port)
        if not who:
            print(f"opencode-tray: cannot listen on {self._settings[HOST]}:{port}: {error}", file=sys.stderr)
        else:
            print(
                f"opencode-tray: port {port} is taken by {who}; stop it, or choose another: --port N", file=sys.stderr
            )
        return PORT_TAKEN


def _report_of(address: Address) -> dict[str, Any] | None:
    """What the tray of this person that answers there says; None where none does."""
    try:
        report: dict[str, Any] = call_tray(address.port, "overview", host=address.host)
    except UserError:
        return None
    return report


def _holder(port: int) -> str:
    """Who listens there; "" if nobody can be seen."""
    from tray.system.ports import port_owner  # psutil is not needed before

    return port_owner(port) or ""


def collect_rarely() -> None:
    """Keep Python's garbage collector from pausing us: what was imported stays, and records hold no cycles."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _stop_after(worker: threading.Thread, icon: TrayIcon) -> None:
    worker.join()
    icon.stop()


async def _view_of(app: App) -> TrayView:
    return app.view()


def _host_changed(shown: bool) -> None:  # noqa: FBT001  # the back end's signature
    log.info("a panel shows the icon" if shown else "no panel shows the icon")


def _log_to(paths: Paths, *, debug: bool) -> None:
    """A rotating file for the whole story, and warnings on stderr. Neither ever holds message text or the token."""
    logging.raiseExceptions = False  # a full disk costs lines, and no tracebacks
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for noisy in ("watchdog", "asyncio", "aiohttp", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)  # our lane says in one line what it could not show
    warn = logging.StreamHandler()
    warn.setLevel(logging.DEBUG if debug else logging.WARNING)
    warn.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root.addHandler(warn)
    try:
        paths.log.parent.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(paths.log, maxBytes=LOG_SIZE, backupCount=LOG_FILES, encoding="utf-8")
    except OSError as error:
        log.warning("no log file: %s", error)
        return
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(file)
