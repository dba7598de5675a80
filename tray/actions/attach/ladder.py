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
from pathlib import Path

from tray.actions.attach.kitty import Kitty
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.mac_terminals import ITerm2, Terminal
from tray.actions.attach.rung import Detached, Multiplexer, Rung
from tray.actions.attach.target import Target, TargetError
from tray.actions.attach.tmux import Tmux
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.core.calls import Call, CallError
from tray.core.choices import Done
from tray.core.model import Server, Session
from tray.core.places import Host, HttpServer
from tray.core.settings import HOSTS, OPENCODE, SERVERS, TERMINAL, Settings
from tray.system import clipboard
from tray.system.processes import Seat, attached_to, seat_of
from tray.system.terminals import open_terminal

NESTED = 4  # multiplexers within multiplexers that are followed
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
            target = Target.of(session, server)
        except TargetError as error:
            return Done(f"Not opened: {error}", ok=False)
        missed = "its terminal was not found"
        if is_here(server):
            for seat in await asyncio.to_thread(_seats, server, target):
                done = await self._show(seat, session, server)
                if done is not None:
                    return done
            if server.connected or target.url is None:
                opened = await self._open(target.command(self._opencode()), target.directory, target.url)
                if opened is not None:
                    return Done(f"Opened it in {opened}")
            missed = "no terminal could be opened; `attach.terminal` in the settings names one"
        else:
            host = self._host(server)
            if host is not None:
                far = await self._open_far(host, target)
                if far is not None:
                    return far
                missed = f"no terminal with ssh to {host.ssh} could be opened"
            else:
                missed = f"{server.host} is another machine; `[[hosts]]` in the settings says how to reach it"
        return await self._without_terminal(target, missed)

    async def browse(self, session: Session, server: Server) -> Done:
        """Open the session's web page; where there is none, say so and give the command."""
        try:
            target = Target.of(session, server)
        except TargetError as error:
            return Done(f"Not opened: {error}", ok=False)
        return await self._without_terminal(target, "", wants_page=True)

    async def copy_command(self, session: Session, server: Server) -> Done:
        """Put the command that opens the session on the clipboard."""
        try:
            target = Target.of(session, server)
        except TargetError as error:
            return Done(f"Not copied: {error}", ok=False)
        return await self.copy(self._shown_command(target, server))

    async def copy(self, text: str) -> Done:
        """Put a text on the clipboard; where there is none, the line holds it."""
        if await clipboard.copy(text):
            return Done(f"Copied: {text}")
        return Done(f"There is no clipboard here: {text}", as_asked=False)

    # ------------------------------------------------------------------ its own terminal

    async def _show(self, seat: Seat, session: Session, server: Server) -> Done | None:
        """Bring the terminal to the front in which OpenCode shows the session, or could."""
        selecting = asyncio.ensure_future(self._select(session, server))
        line = await self._focus(seat)
        selected = await selecting
        if line is None:
            return None
        if not selected:
            return Done(f"{line}; choose the session there, this OpenCode cannot be told to", as_asked=False)
        several = "one of its" in line
        return Done(line, as_asked=not several)

    async def _select(self, session: Session, server: Server) -> bool:
        try:
            answer = self._call(server.id, "tui.select", {"sessionID": session.id})
            await asyncio.wait_for(answer, SELECT_TIMEOUT)
        except (CallError, asyncio.TimeoutError):
            return False
        return True

    async def _focus(self, seat: Seat) -> str | None:
        through: list[str] = []
        for _ in range(NESTED):
            multiplexer = next((one for one in MULTIPLEXERS if one.detect(seat)), None)
            if multiplexer is None:
                break
            shown = await multiplexer.go(seat)
            if shown is None:
                return None
            through.append(multiplexer.name)
            if isinstance(shown, Detached):
                opened = await self._open(shown.command, "", None)
                return f"Opened its {multiplexer.name} session in {opened}" if opened else None
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
        there = folder if folder and Path(folder).is_dir() else ""  # noqa: ASYNC240  # one look
        preferred = shlex.split(self._settings()[TERMINAL])
        return await open_terminal(command, folder=there, environment=environment, preferred=preferred)

    async def _open_far(self, host: Host, target: Target) -> Done | None:
        """In a new terminal over ssh. What ssh runs there a shell reads, so every word has to be a plain one."""
        command = [host.opencode, target.directory, "--session", target.session]
        if any(shlex.quote(word) != word for word in command):
            return None
        opened = await self._open(["ssh", "-t", "--", host.ssh, *command], "", None)
        return Done(f"Opened it on {host.ssh} in {opened}") if opened else None

    # ------------------------------------------------------------------ without a terminal

    async def _without_terminal(self, target: Target, missed: str, *, wants_page: bool = False) -> Done:
        page = target.page()
        if page is not None and await asyncio.to_thread(_browse, page):
            return Done(f"Opened its web page: {missed}", as_asked=False) if missed else Done("Opened its web page")
        if wants_page:
            missed = "its OpenCode has no web page" if page is None else "no browser could be opened"
        done = await self.copy(target.shown_command())
        how = "The command is on the clipboard" if done.as_asked else target.shown_command()
        return Done(f"{how}: {missed}", as_asked=False)

    def _shown_command(self, target: Target, server: Server) -> str:
        if is_here(server):
            return target.shown_command()
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


def _browse(page: str) -> bool:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # a text browser would take our own terminal
    try:
        return webbrowser.open(page)
    except webbrowser.Error:
        return False
