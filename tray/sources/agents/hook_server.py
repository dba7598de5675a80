"""The unix socket to which the hooks of agents report. docs/agents.md describes the calls."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from tray.core.errors import UserError
from tray.system.paths import MAX_SOCKET_PATH
from tray.system.peer_user import is_own_user

log = logging.getLogger(__name__)

MAX_BODY = 8 * 1024 * 1024  # bytes: the output of a tool
MAX_OPEN = 64  # calls at a time; more are answered at once, without a decision
BODY_TIMEOUT = 5.0  # s for the payload of a call to arrive
STOP_TIMEOUT = 0.5  # s for open calls to end
PROBE_TIMEOUT = 0.3  # s for another tray to accept a connection
PID_HEADER = "X-Pid"


class HookCall(NamedTuple):
    """One call."""

    pid: int  # of the agent's process, which a hook reports; 0: not known
    payload: bytes


HookHandler = Callable[[HookCall], Awaitable[bytes]]  # returns the output of a hook; b"" decides nothing


class HookServer:
    """Passes each call to the handler of its agent. A hook that is killed cancels its handler."""

    def __init__(self, path: Path, handlers: Mapping[str, HookHandler]) -> None:
        """`handlers` are the handlers by the path of the call, such as "/hook/claude"."""
        self._path = path
        self._handlers = handlers
        self._open = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Accept calls. Raises OSError, also if another tray listens on the socket. Windows has no hook socket."""
        if sys.platform == "win32":
            return
        if len(os.fsencode(self._path)) > MAX_SOCKET_PATH:
            raise OSError(f"the path of the hook socket is too long: {self._path}")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.parent.chmod(0o700)  # the folder may have been created with another mode
        if await _is_used(self._path):
            raise OSError(f"another tray listens on {self._path}")
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_TIMEOUT
        )
        await self._runner.setup()
        try:
            await web.UnixSite(self._runner, self._path).start()
        except OSError:
            await self._runner.cleanup()
            self._runner = None
            raise

    async def stop(self) -> None:
        """Close every call without a decision, and remove the socket."""
        if self._runner is None:
            return
        self._path.unlink(missing_ok=True)
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        handler = self._handlers.get(request.path)
        if not _is_own_user(request):
            raise web.HTTPForbidden
        if handler is None:
            raise web.HTTPNotFound
        if self._open >= MAX_OPEN:
            return web.Response(status=204)
        self._open += 1
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                payload = await request.read()
            output = await handler(HookCall(_pid(request), payload))
        except (asyncio.CancelledError, web.HTTPException, OSError):
            raise  # the hook was killed, or sent too much
        except UserError as error:
            return web.Response(status=400, text=str(error))
        except Exception:
            log.exception("cannot handle a call of %s", request.path)
            output = b""
        finally:
            self._open -= 1
        return web.Response(body=output, content_type="application/json") if output else web.Response(status=204)


async def _is_used(path: Path) -> bool:
    """Whether a process accepts connections on the socket."""
    if sys.platform == "win32":
        return False
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            _, writer = await asyncio.open_unix_connection(path)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _is_own_user(request: web.Request) -> bool:
    connection = request.transport.get_extra_info("socket") if request.transport is not None else None
    return connection is not None and is_own_user(connection)


def _pid(request: web.Request) -> int:
    try:
        return int(request.headers.get(PID_HEADER, "0"))
    except ValueError:
        return 0
