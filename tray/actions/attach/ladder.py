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
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tray.actions.attach.kitty import Kitty
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.mac_terminals import ITerm2, Terminal
from tray.actions.attach.rung import Detached, Multiplexer, Rung, Shown
from tray.actions.attach.target import Target, TargetError
from tray.actions.attach.tmux import Tmux
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.core.calls import Call, CallError
from tray.core.choices import Done
from tray.core.model import Server, Session
from tray.core.places import Host, HttpServer
from tray.core.settings import HOSTS, OPENCODE, PORT, SERVERS, TERMINAL, Settings
from tray.system import clipboard
from tray.system.processes import Seat, attached_to, seat_of
from tray.system.terminals import open_terminal

TITLE = 20  # characters of a session's title that OpenCode surely leaves in the name of its terminal: "OC | TITLE"
NESTED = 4  # multiplexers within multiplexers that are followed
REACHED_WITHIN = 1.0  # s that a server on another machine gets to take a connection
SELECT_TIMEOUT = 2.0  # s that OpenCode gets to show the session in its terminal UI
WITHOUT_SCREEN = {"serve", "web", "acp", "run", "github", "mcp"}  # OpenCode's commands that show no session

MULTIPLEXERS: Sequence[Multiplexer] = (Tmux(), Zellij())
_WINDOW = Window()
RUNGS: Sequence[Rung] = (Kitty(), WezTerm(_WINDOW), Konsole(_WINDOW), ITerm2(), Terminal(), _WINDOW)


class Ladder:
    """Takes a person to a session."""

    def __init__(self, settings: Callable[[], Settings], call: Call) -> None:
        self._settings = settings
        self._call = call

    async def go(self, session: Session, server: Server) -> Done:
        """Climb down until a rung holds."""
        try:
            target = self._target(session, server)
        except TargetError as error:
            return Done(f"Not opened: {error}", ok=False)
        if is_here(server):
            return await self._go_here(target, session, server)
        return await self._go_far(target, server)

    async def _go_here(self, target: Target, session: Session, server: Server) -> Done:
        command, folder = target.command(self._opencode()), target.directory
        for seat in await asyncio.to_thread(_seats, server, target):
            shown = await self._show(replace(seat, title=session.title[:TITLE]), session, server)
            if isinstance(shown, Done):
                return shown
            if isinstance(shown, Detached):
                command, folder = shown.command, ""
                break
        if folder and not await asyncio.to_thread(Path(folder).is_dir):
            return await self._without_terminal(target, shlex.join(command), "its directory is not there any more")
        opened = await self._open(command, folder, target.url)
        if opened is not None:
            return Done(f"Opened it in {opened}")
        missed = "no terminal could be opened; `attach.terminal` in the settings names one"
        return await self._without_terminal(target, shlex.join(command), missed)

    async def _go_far(self, target: Target, server: Server) -> Done:
        host = self._host(server)
        if target.url is not None and await _answers(target.url):
            opened = await self._open(target.command(self._opencode()), "", target.url)
            if opened is not None:
                return Done(f"Opened it in {opened}")
        if host is None:
            missed = f"{server.host} is another machine; `[[hosts]]` in the settings says how to reach it"
        elif (opened := await self._open_far(host, target)) is not None:
            return Done(f"Opened it on {host.ssh} in {opened}")
        else:
            missed = f"no terminal with ssh to {host.ssh} could be opened"
        return await self._without_terminal(target, self._shown_command(target, server), missed)

    async def browse(self, session: Session, server: Server) -> Done:
        """Open the session's web page; where there is none, say so and give the command."""
        try:
            target = self._target(session, server)
        except TargetError as error:
            return Done(f"Not opened: {error}", ok=False)
        page = target.page()
        if page is not None and await asyncio.to_thread(_browse, page):
            return Done("Opened its web page")
        missed = "its OpenCode has no web page" if page is None else "no browser could be opened"
        return await self._give_command(self._shown_command(target, server), missed)

    async def copy_command(self, session: Session, server: Server) -> Done:
        """Put the command that opens the session on the clipboard."""
        try:
            target = self._target(session, server)
        except TargetError as error:
            return Done(f"Not copied: {error}", ok=False)
        return await self.copy(self._shown_command(target, server))

    async def copy(self, text: str) -> Done:
        """Put a text on the clipboard; where there is none, the line holds it."""
        if await clipboard.copy(text):
            return Done(f"Copied: {text}")
        return Done(f"There is no clipboard here: {text}", as_asked=False)

    def _target(self, session: Session, server: Server) -> Target:
        target = Target.of(session, server)
        return target if is_here(server) else target.from_afar()

    async def run_in_terminal(self, words: Sequence[str], name: str) -> str | None:
        """Run one of our own commands, about this id, in a new terminal; its name, or None where none can be opened."""
        port = str(self._settings()[PORT])
        return await self._open([sys.executable, "-I", "-m", "tray", *words, "--port", port, "--", name], "", None)

    # ------------------------------------------------------------------ its own terminal

    async def _show(self, seat: Seat, session: Session, server: Server) -> Done | Detached | None:
        """Bring the terminal to the front in which OpenCode shows the session, or could."""
        selecting = asyncio.ensure_future(self._select(session, server))
        line = await self._focus(seat)
        selected = await selecting
        if not isinstance(line, str):
            return line
        if not selected:
            return Done(f"{line}; choose the session there: this OpenCode cannot be told to", as_asked=False)
        return Done(line, as_asked="one of its" not in line)

    async def _select(self, session: Session, server: Server) -> bool:
        try:
            answer = self._call(server.id, "tui.select", {"sessionID": session.id})
            await asyncio.wait_for(answer, SELECT_TIMEOUT)
        except (CallError, asyncio.TimeoutError):
            return False
        return True

    async def _focus(self, seat: Seat) -> str | Detached | None:
        through: list[str] = []
        for _ in range(NESTED):
            multiplexer = next((one for one in MULTIPLEXERS if one.detect(seat)), None)
            if multiplexer is None:
                break
            shown = await multiplexer.go(seat)
            if not isinstance(shown, Shown):
                return shown
            through.append(multiplexer.name)
            seat = shown.client
        for rung in RUNGS:
            if rung.detect(seat) and (line := await rung.go(seat)) is not None:
                return f"Focused its {through[0]} pane; {line[0].lower()}{line[1:]}" if through else line
        return f"Focused its {through[0]} pane" if through else None

    # ------------------------------------------------------------------ a new terminal

    async def _open(self, command: Sequence[str], folder: str, url: str | None) -> str | None:
        environment: dict[str, str] = {}
        account = self._account(url)
        if account is not None:
            password = account.password or os.environ.get(account.password_env, "")
            environment = {"OPENCODE_SERVER_USERNAME": account.username, "OPENCODE_SERVER_PASSWORD": password}
        preferred = shlex.split(self._settings()[TERMINAL])
        return await open_terminal(command, folder=folder, environment=environment, preferred=preferred)

    async def _open_far(self, host: Host, target: Target) -> str | None:
        """In a new terminal over ssh. What ssh runs there a shell reads, so every word has to be a plain one."""
        command = [host.opencode, target.directory, "--session", target.session]
        if any(shlex.quote(word) != word for word in command):
            return None
        return await self._open(["ssh", "-t", "--", host.ssh, *command], "", None)

    # ------------------------------------------------------------------ without a terminal

    async def _without_terminal(self, target: Target, command: str, missed: str) -> Done:
        page = target.page()
        if page is not None and await asyncio.to_thread(_browse, page):
            return Done(f"Opened its web page: {missed}", as_asked=False)
        return await self._give_command(command, missed)

    async def _give_command(self, command: str, missed: str) -> Done:
        copied = await clipboard.copy(command)
        return Done(f"{'The command is on the clipboard' if copied else command}: {missed}", as_asked=False)

    def _shown_command(self, target: Target, server: Server) -> str:
        if is_here(server) or target.url is not None:
            return shlex.join(target.command("opencode"))
        host = self._host(server)
        far = [host.opencode if host else "opencode", target.directory, "--session", target.session]
        return shlex.join(["ssh", "-t", host.ssh if host else server.host, shlex.join(far)])

    # ------------------------------------------------------------------ settings

    def _opencode(self) -> str:
        """The program: what is set, else what is on the PATH, else where its installer puts it."""
        usual = str(Path.home() / ".opencode" / "bin" / "opencode")
        return self._settings()[OPENCODE] or shutil.which("opencode") or shutil.which(usual) or "opencode"

    def _host(self, server: Server) -> Host | None:
        return next((host for host in self._settings()[HOSTS] if host.name == server.host), None)

    def _account(self, url: str | None) -> HttpServer | None:
        wanted = (url or "").rstrip("/")
        return next((one for one in self._settings()[SERVERS] if one.url.rstrip("/") == wanted), None)


def is_here(server: Server) -> bool:
    """Whether the server runs on this machine, as far as names tell."""
    return server.host in ("", "localhost", socket.gethostname())


def _seats(server: Server, target: Target) -> list[Seat]:
    """The terminals that show, or could show, the session: OpenCode's own, and those attached to its server."""
    own = seat_of(server.pid)
    seats = [own] if own is not None and own.tty and not _shows_nothing(own) else []
    return seats + (attached_to(target.url) if target.url else [])


def _shows_nothing(seat: Seat) -> bool:
    return any(word in WITHOUT_SCREEN for word in seat.arguments[1:3])


async def _answers(url: str) -> bool:
    """Whether somebody listens there."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), REACHED_WITHIN)
    except (OSError, asyncio.TimeoutError):
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
