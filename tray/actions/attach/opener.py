"""The ladder: the best way to a session that works here, and one line that says which it was.

Its pane or window; else a new terminal; else its web page; else the command on the clipboard.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import sys
import webbrowser
from collections.abc import Callable, Collection, Sequence
from urllib.parse import urlsplit

from msgspec.structs import replace

from tray.actions.attach.target import Target, TargetError
from tray.actions.attach.terminal import Detached, Raised
from tray.core.commands import CommandResult
from tray.core.model import Server, Session, SessionKey
from tray.core.remote_hosts import Host, HttpServer, is_destination
from tray.core.settings import HOSTS, PORT, SERVERS, TERMINAL, Settings
from tray.core.source_calls import CallError, SourceCall
from tray.opencode.executable import opencode_program
from tray.system import clipboard
from tray.system.programs import UnsafeArgumentError, shell_join
from tray.system.terminals import open_terminal

REACHED_WITHIN = 1.0  # s that a server on another machine gets to take a connection
SELECT_TIMEOUT = 2.0  # s that OpenCode gets to show the session in its terminal UI


class SessionOpener:
    """Takes a person to a session."""

    def __init__(
        self, settings: Callable[[], Settings], call: SourceCall, started: Callable[[], Collection[HttpServer]] = tuple
    ) -> None:
        self._settings = settings
        self._started = started  # the servers that were started here
        self._call = call
        self._under_way: set[SessionKey] = set()

    # ------------------------------------------------------------------ what a person can ask for

    async def go(self, session: Session, server: Server) -> CommandResult:
        """Climb down until a rung holds."""
        if session.key in self._under_way:
            return CommandResult("The session is already being opened", as_requested=False)
        self._under_way.add(session.key)
        try:
            target = _target(session, server)
            if not server.verified:
                return await self._go_watched(target, session, server)
            if is_here(server):
                return await self._go_here(target, session, server)
            return await self._go_far(target, server)
        except (TargetError, UnsafeArgumentError) as error:
            return CommandResult(f"Not opened: {error}", ok=False)
        finally:
            self._under_way.discard(session.key)

    async def browse(self, session: Session, server: Server) -> CommandResult:
        """Open the session's web page; where there is none, say so and give the command."""
        if not server.verified:
            return _watched(server)
        try:
            target = _target(session, server)
            page = target.page()
            if page is not None and await asyncio.to_thread(_browse, page):
                return CommandResult("Opened its web page")
            missed = "Its OpenCode has no web page" if page is None else "No browser could be opened"
            return await self._give_command(self._command_to_show(target, server), missed)
        except TargetError as error:
            return CommandResult(f"Not opened: {error}", ok=False)

    async def copy_command(self, session: Session, server: Server) -> CommandResult:
        """Put the command that opens the session on the clipboard."""
        if not server.verified:
            return _watched(server)
        try:
            return await self.copy(shell_join(self._command_to_show(_target(session, server), server)))
        except (TargetError, UnsafeArgumentError) as error:
            return CommandResult(f"Not copied: {error}", ok=False)

    async def copy(self, text: str) -> CommandResult:
        """Put a text on the clipboard; where there is none, the line holds it."""
        if await clipboard.copy(text):
            return CommandResult(f"Copied: {text}")
        return CommandResult(f"No clipboard found: {text}", ok=False)

    async def run_in_terminal(self, words: Sequence[str], name: str = "") -> str | None:
        """Run one of our own commands, about this id, in a new terminal; its name, or None where none can be opened."""
        port, about = str(self._settings()[PORT]), ["--", name] if name else []
        return await self._open([sys.executable, "-I", "-m", "tray", *words, "--port", port, *about], "", None)

    async def attach(self, url: str, directory: str) -> CommandResult:
        """Open OpenCode's terminal UI on a server, in a new terminal."""
        command = [self._opencode(), "attach", url, "--dir", directory]
        try:
            opened = await self._open(command, "", url)
        except UnsafeArgumentError as error:
            return CommandResult(f"Not opened: {error}", ok=False)
        if opened is not None:
            return CommandResult(f"Opened it in {opened}")
        return await self._give_command(["opencode", *command[1:]], _missing(command))

    # ------------------------------------------------------------------ its own terminal, or a new one

    async def _go_here(self, target: Target, session: Session, server: Server) -> CommandResult:
        command, folder, url = target.command(self._opencode()), target.directory, target.url
        shown = await _bring_up(target, session, server)
        if isinstance(shown, Raised):
            return await self._raised(shown, session, server)
        if isinstance(shown, Detached):
            command, folder, url = shown.command, "", None
        if folder and not await asyncio.to_thread(os.path.isdir, folder):
            return await self._without_terminal(target, command, "Its directory no longer exists")
        opened = await self._open(command, folder, url)
        if opened is not None:
            return CommandResult(f"Opened it in {opened}")
        return await self._without_terminal(target, command, _missing(command))

    async def _go_watched(self, target: Target, session: Session, server: Server) -> CommandResult:
        """Anybody may say anything on a link without a token: no more is done than raising a terminal that is there."""
        shown = await _bring_up(replace(target, url=None), session, server) if is_here(server) else None
        if isinstance(shown, Raised):
            return CommandResult(f"{shown.line}; select the session there", as_requested=False)
        return _watched(server)

    async def _raised(self, raised: Raised, session: Session, server: Server) -> CommandResult:
        """Have OpenCode show the session in the terminal that is in front now."""
        try:
            answer = self._call(server.id, "tui.select", {"sessionID": session.id})
            async with asyncio.timeout(SELECT_TIMEOUT):
                await answer
        except (CallError, TimeoutError):
            return CommandResult(
                f"{raised.line}; select the session there; this OpenCode cannot do it itself", as_requested=False
            )
        return CommandResult(raised.line, as_requested=raised.exact)

    async def _go_far(self, target: Target, server: Server) -> CommandResult:
        host = self._host(server)
        if target.url is not None and await _answers(target.url):
            attach = target.command(self._opencode())
            opened = await self._open(attach, "", target.url)
            if opened is not None:
                return CommandResult(f"Opened it in {opened}")
            missed = _missing(attach)
        elif host is None:
            missed = f"{server.host} is another machine; add it to `[[hosts]]` in the settings"
        else:
            command = [host.opencode, target.directory, "--session", target.session]
            if any(shlex.quote(word) != word for word in command):  # what ssh runs there a shell reads
                missed = f"the remote shell on {host.name} would misinterpret the directory name"
            elif (opened := await self._open(["ssh", "-t", "--", host.ssh, *command], "", None)) is not None:
                return CommandResult(f"Opened it on {host.ssh} in {opened}")
            else:
                missed = _missing(["ssh"])
        return await self._without_terminal(target, self._command_to_show(target, server), missed)

    async def _open(self, command: Sequence[str], folder: str, url: str | None) -> str | None:
        """In a new terminal. The password that is set for `url`, and for no other, goes along in the environment."""
        if shutil.which(command[0]) is None:
            return None  # a terminal would open, and say no more than that
        environment: dict[str, str] = {}
        account = await asyncio.to_thread(self._account, url)
        password = (account.password or os.environ.get(account.password_env, "")) if account is not None else ""
        if account is not None and password:
            environment = {"OPENCODE_SERVER_USERNAME": account.username, "OPENCODE_SERVER_PASSWORD": password}
        preferred = shlex.split(self._settings()[TERMINAL], posix=sys.platform != "win32")
        return await open_terminal(command, folder=folder, environment=environment, preferred=preferred)

    # ------------------------------------------------------------------ without a terminal

    async def _without_terminal(self, target: Target, command: Sequence[str], missed: str) -> CommandResult:
        page = target.page()
        if page is not None and await asyncio.to_thread(_browse, page):
            return CommandResult(f"{missed}. Opened its web page instead", as_requested=False)
        return await self._give_command(command, missed)

    async def _give_command(self, command: Sequence[str], missed: str) -> CommandResult:
        try:
            typed = shell_join(command)
        except UnsafeArgumentError as error:
            return CommandResult(f"{missed}. {error}", ok=False)
        copied = await clipboard.copy(typed)
        to_do = "The command that opens it is on the clipboard" if copied else f"Run: {typed}"
        return CommandResult(f"{missed}. {to_do}", ok=False)

    def _command_to_show(self, target: Target, server: Server) -> list[str]:
        """The command for a person to type. Raises TargetError."""
        if is_here(server) or target.url is not None:
            return target.command("opencode")
        host = self._host(server) or Host(server.host, server.host)
        if not is_destination(host.ssh):
            raise TargetError(f"{host.ssh[:40]!r} is not a host name")
        far = [host.opencode, target.directory, "--session", target.session]
        return ["ssh", "-t", "--", host.ssh, shlex.join(far)]

    # ------------------------------------------------------------------ settings

    def _opencode(self) -> str:
        return opencode_program(self._settings())

    def _host(self, server: Server) -> Host | None:
        return next((host for host in self._settings()[HOSTS] if host.name == server.host), None)

    def _account(self, url: str | None) -> HttpServer | None:
        if url is None:
            return None
        known = (*self._settings()[SERVERS], *self._started())
        return next((one for one in known if _address(one.url) == _address(url)), None)


def is_here(server: Server) -> bool:
    """Whether the server runs on this machine, as far as names tell."""
    return server.host in ("", "localhost", socket.gethostname())


async def _bring_up(target: Target, session: Session, server: Server) -> Raised | Detached | None:
    """What came of the first of the session's terminals that could be brought to the front; None where none could."""
    from tray.actions.attach.terminal_focus import TITLE, focus, seats  # noqa: PLC0415  # psutil is not needed at the start

    for seat in await asyncio.to_thread(seats, server, target.url):
        shown = await focus(replace(seat, title=session.title[:TITLE]))
        if shown is not None:
            return shown
    return None


def _missing(command: Sequence[str]) -> str:
    """Why no terminal could be opened on this command, and what to do."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} was not found; set `attach.opencode` in the settings to its path"
    return "No terminal could be opened; set `attach.terminal` in the settings"


def _target(session: Session, server: Server) -> Target:
    target = Target.of(session, server)
    return target if is_here(server) else target.from_afar()


def _address(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _watched(server: Server) -> CommandResult:
    return CommandResult(f"This session is read-only ({server.read_only_reason}); open its terminal yourself", ok=False)


async def _answers(url: str) -> bool:
    """Whether somebody listens there."""
    _, host, port = _address(url)
    try:
        async with asyncio.timeout(REACHED_WITHIN):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, UnicodeError, TimeoutError):
        return False
    writer.close()
    return True


def _browse(page: str) -> bool:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # a text browser would take our own terminal
    try:
        return webbrowser.open(page)
    except webbrowser.Error:
        return False
