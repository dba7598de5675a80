"""One tunnel from another machine to the listener, kept open by ssh.

As long as it is open, a file on the other machine tells the plugins there the port of the tunnel and their token. After
its end the file says nothing: plugins that start meanwhile then know that there may be a tunnel later.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress

import msgspec

from tray.core.errors import UserError
from tray.core.remotes import Remote
from tray.sources.remote import ssh
from tray.system.backoff import Backoff
from tray.system.subprocesses import end

log = logging.getLogger(__name__)

FIRST_RETRY, MAX_RETRY = 1.0, 60.0  # s between attempts, doubled each time and shortened at random by up to half
STABLE_AFTER = 60.0  # s of a connection after which the next attempt begins with FIRST_RETRY again
OPEN_TIMEOUT = 60.0  # s
MAX_ERRORS = 4_000  # bytes kept of what ssh says
STOP_TIMEOUT = 1.0  # s for ssh to end
_ALLOCATED = re.compile(rb"Allocated port (\d+) for remote forward")

# Reads the key and the content of the file from its input, one line each. At the end of the input, it empties the file;
# if the last line says so, it removes it. It leaves a file that another connection has written meanwhile, and removes
# files that have been empty for a month.
SCRIPT = """umask 077;
if [ "$(uname)" = Darwin ] && [ -z "$XDG_DATA_HOME" ]; then d="$HOME/Library/Application Support";
else d="${XDG_DATA_HOME:-$HOME/.local/share}"; fi;
d="$d/opencode-tray/trays"; mkdir -p "$d" && IFS= read -r key && IFS= read -r text || exit 1;
find "$d" -name "*.json" -size -4c -mtime +30 -exec rm -f {} +;
f="$d/$key.json"; put() { printf "%s\\n" "$1" > "$f.$$" && mv "$f.$$" "$f"; };
end() { [ "$(cat "$f")" != "$text" ] || if [ "$last" = remove ]; then rm -f "$f"; else put "{}"; fi; };
trap "exit 0" HUP TERM INT; trap end EXIT;
put "$text" && echo opencode-tray ready && IFS= read -r last""".replace("\n", " ")
READY = b"opencode-tray ready\n"


class TunnelState(msgspec.Struct, frozen=True):
    """The state of a tunnel. Times are in ms since the Unix epoch."""

    since: int
    is_connected: bool = False
    problem: str = ""  # why the last attempt failed


class Tunnel:
    """Lives on the event loop's thread."""

    def __init__(
        self,
        remote: Remote,
        token: Callable[[], str],
        listener_port: int,
        now: Callable[[], int],
    ) -> None:
        """`token` returns that of the machine, `now` ms since 1970. The listener's port is on the loopback."""
        self.remote = remote
        self._token = token
        self._listener_port = listener_port
        self._now = now
        self._port = 0  # on the other machine; the same again, so that its plugins find it at once
        self._is_revoked = False
        self._changed = asyncio.Event()
        self.state = TunnelState(now())

    def revoke(self) -> None:
        """Remove the file on the other machine when the tunnel ends, which the caller does next."""
        self._is_revoked = True

    async def run(self) -> None:
        """Keep the tunnel open until cancelled."""
        backoff = Backoff(FIRST_RETRY, MAX_RETRY, jitter=0.5)
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                problem = await self._open_once()
            except UserError as error:
                problem = str(error)
            except Exception:
                log.exception("the tunnel from %s failed", self.remote.ssh)
                problem = "it failed; see the log"
            if self._port and "forwarding failed" in problem:
                self._port, problem = 0, "its port there is still in use; another one is tried"
            self._set(TunnelState(self._now(), problem=problem))
            log.info("no tunnel from %s: %s", self.remote.ssh, problem)
            if asyncio.get_running_loop().time() - begun > STABLE_AFTER:
                backoff.reset()
            await asyncio.sleep(backoff.next_delay())

    async def wait_for_change(self, timeout: float) -> TunnelState:
        """Return the state after its next change, or as it is after `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        return self.state

    def _set(self, state: TunnelState) -> None:
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()

    async def _open_once(self) -> str:
        """Open the tunnel, and return why it ended. Raises SshError, UnsafeArgumentError."""
        forward = f"127.0.0.1:{self._port}:127.0.0.1:{self._listener_port}"
        options = ("-o", "ExitOnForwardFailure=yes", "-R", forward)
        process = await ssh.start(self.remote.ssh, SCRIPT, options)
        output = _Output()
        reading = asyncio.create_task(output.read(process), name=f"output of ssh {self.remote.ssh}")
        is_open = False
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                is_open = await self._announce(process, output)
            if is_open:
                self._set(TunnelState(self._now(), is_connected=True))
                log.info("the tunnel from %s is open", self.remote.ssh)
                await asyncio.wait([reading])  # ends with ssh
        except TimeoutError:
            return f"{self.remote.ssh} did not answer within {OPEN_TIMEOUT:g} s"
        finally:
            await self._end(process, reading)
        if output.is_too_much:
            return ssh.TOO_MUCH
        if not (is_open or output.errors):
            return ssh.NOT_RUN
        return ssh.reason_of(output.errors.decode("utf-8", "replace"), self.remote.ssh)

    async def _announce(self, process: Process, output: _Output) -> bool:
        """Write the file on the other machine; return whether that was done."""
        if not self._port:
            self._port = await output.port
        if not self._port or process.stdin is None or process.stdout is None:
            return False
        content = {
            "port": self._port,
            "token": self._token(),
            "key": self.remote.key,
            "connection": secrets.token_hex(8),
        }
        with suppress(ConnectionError):  # ssh has ended
            process.stdin.write(f"{self.remote.key}\n{json.dumps(content)}\n".encode())
            await process.stdin.drain()
        try:
            return await _is_ready(process.stdout)
        except ValueError:
            output.is_too_much = True
            return False

    async def _end(self, process: Process, reading: asyncio.Task[None]) -> None:
        """End ssh. A file that is to be removed is removed by the script there, which ends then."""
        try:
            if self._is_revoked and process.returncode is None and process.stdin is not None:
                with suppress(ConnectionError):
                    process.stdin.write(b"remove\n")
                    await asyncio.wait([reading], timeout=STOP_TIMEOUT)
            if process.returncode is None:
                process.terminate()
                await asyncio.wait([reading], timeout=STOP_TIMEOUT)
        finally:  # also if this is cancelled
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await end(process)


class _Output:
    """What ssh says about itself."""

    def __init__(self) -> None:
        self.errors = bytearray()  # the end of it
        self.is_too_much = False
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()  # 0: ssh ended without one

    async def read(self, process: Process) -> None:
        """Read to the end. End ssh after MAX_OUTPUT: it would wait for us if we only stopped to read."""
        size = 0
        try:
            while process.stderr is not None and (line := await process.stderr.readline()):
                size += len(line)
                self.is_too_much = self.is_too_much or size > ssh.MAX_OUTPUT
                if self.is_too_much:
                    break
                self.errors += line
                del self.errors[:-MAX_ERRORS]
                found = _ALLOCATED.search(line)
                if found and not self.port.done():
                    self.port.set_result(int(found[1]))
        except ValueError:  # a line of more than 64 KiB
            self.is_too_much = True
        finally:
            if not self.port.done():
                self.port.set_result(0)
            if self.is_too_much and process.returncode is None:
                process.kill()


async def _is_ready(stdout: StreamReader) -> bool:
    """Skip what the shell's startup files print; return whether the script is ready. Raises ValueError for too much."""
    size = 0
    while line := await stdout.readline():
        if line == READY:
            return True
        size += len(line)
        if size > ssh.MAX_OUTPUT:
            raise ValueError(ssh.TOO_MUCH)
    return False
