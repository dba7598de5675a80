"""Open a session in the best way that works, and report which it was.

The ways, in this order: its own terminal, a new terminal, its web page, the command on the clipboard.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from tray.actions.attach.fallback import copy, give_command, open_page, page_or_command
from tray.actions.attach.new_terminal import NewTerminal, is_reachable, why_not_opened
from tray.actions.attach.target import Target, TargetError, is_local
from tray.actions.attach.terminal import Detached, Focused
from tray.core.commands import CommandResult
from tray.core.remote_hosts import Host, HttpServer, is_destination
from tray.core.servers import AgentKind, Server, Source
from tray.core.sessions import Session, SessionKey
from tray.core.settings import HOSTS, PORT, Settings
from tray.core.source_calls import CallError, SourceCall
from tray.core.text import clean
from tray.opencode.executable import opencode_program
from tray.system.own_program import own_command
from tray.system.programs import UnsafeArgumentError, shell_join
from tray.system.secret_variables import hidden_variables

SELECT_TIMEOUT = 2.0  # s that OpenCode gets to show the session in its terminal UI


class SessionOpener:
    """Opens sessions and servers for the user."""

    def __init__(
        self, settings: Callable[[], Settings], call: SourceCall, running: Callable[[], Collection[HttpServer]] = tuple
    ) -> None:
        """`running` returns the servers that were started by the tray."""
        self._settings = settings
        self._call = call
        self._terminal = NewTerminal(settings, running)
        self._opening: set[SessionKey] = set()

    # ------------------------------------------------------------------ commands

    async def open(self, session: Session, server: Server) -> CommandResult:
        """Open a session. A second call for the same session does nothing while the first one runs."""
        if (refused := self._refused(server)) is not None:
            return refused
        if session.key in self._opening:
            return CommandResult("The session is already being opened", as_requested=False)
        self._opening.add(session.key)
        try:
            target = _target(session, server)
            if not server.verified:
                return await self._open_read_only(target, session, server)
            if is_local(server):
                return await self._open_local(target, session, server)
            return await self._open_remote(target, server)
        except (TargetError, UnsafeArgumentError) as error:
            return CommandResult(f"Not opened: {error}", ok=False)
        finally:
            self._opening.discard(session.key)

    async def open_in_browser(self, session: Session, server: Server) -> CommandResult:
        """Open the session's web page; if it has none, give the user the command."""
        if (refused := self._refused(server)) is not None:
            return refused
        if not server.verified:
            return _read_only(server)
        try:
            target = _target(session, server)
            page = target.page()
            if page is not None and await open_page(page):
                return CommandResult("Opened the web page")
            reason = "Its OpenCode has no web page" if page is None else "No browser could be opened"
            return await give_command(self._command_to_show(target, server), reason)
        except TargetError as error:
            return CommandResult(f"Not opened: {error}", ok=False)

    async def copy_command(self, session: Session, server: Server) -> CommandResult:
        """Copy the command that opens the session."""
        if (refused := self._refused(server)) is not None:
            return refused
        if not server.verified:
            return _read_only(server)
        try:
            return await copy(shell_join(self._command_to_show(_target(session, server), server)))
        except (TargetError, UnsafeArgumentError) as error:
            return CommandResult(f"Not copied: {error}", ok=False)

    async def copy(self, text: str) -> CommandResult:
        """Copy a text to the clipboard. Without a clipboard, the message contains the text."""
        return await copy(text)

    async def run_in_terminal(self, words: Sequence[str], argument: str = "") -> str | None:
        """Run an `opencode-tray` command in a new terminal; return the terminal's name, or None if that failed.

        `argument` follows a `--`, so that it is never taken for an option.
        """
        port = str(self._settings()[PORT])
        last = ["--", argument] if argument else []
        return await self._terminal.run(own_command(*words, "--port", port, *last), environment=hidden_variables())

    async def attach(self, url: str, directory: str) -> CommandResult:
        """Open OpenCode's terminal UI on the server at `url`, in a new terminal."""
        arguments = ["attach", url, "--dir", directory]
        command = [self._opencode(), *arguments]
        try:
            opened = await self._terminal.run(command, url=url)
        except UnsafeArgumentError as error:
            return CommandResult(f"Not opened: {error}", ok=False)
        if opened is not None:
            return CommandResult(f"Opened in {opened}")
        return await give_command(["opencode", *arguments], why_not_opened(command))

    # ------------------------------------------------------------------ sessions on this machine

    async def _open_local(self, target: Target, session: Session, server: Server) -> CommandResult:
        command, folder, url = target.command(self._opencode()), target.directory, target.url
        found = await _focus_terminal(target, session, server)
        if isinstance(found, Focused) and server.agent_kind is not AgentKind.OPENCODE:
            return CommandResult(found.message, as_requested=found.exact)  # its terminal shows one session
        if isinstance(found, Focused):
            return await self._select_session(found, session, server)
        if isinstance(found, Detached):
            command, folder, url = found.command, "", None
        elif server.agent_kind is not AgentKind.OPENCODE and server.live and not server.job and not server.is_daemon:
            reason = (
                f"{server.agent_kind.title} runs as process {server.pid}, whose terminal cannot be brought to the front"
            )
            return CommandResult(reason, ok=False)  # a second process would write to the same session
        if folder and not await asyncio.to_thread(os.path.isdir, folder):
            return await page_or_command(target.page(), command, "Its directory no longer exists")
        opened = await self._terminal.run(command, folder, url)
        if opened is not None:
            return CommandResult(f"Opened in {opened}")
        return await page_or_command(target.page(), command, why_not_opened(command))

    async def _open_read_only(self, target: Target, session: Session, server: Server) -> CommandResult:
        """Only focus an existing terminal: without the token, any process can claim to be OpenCode."""
        found = await _focus_terminal(replace(target, url=None), session, server) if is_local(server) else None
        if isinstance(found, Focused):
            return CommandResult(f"{found.message}; select the session there", as_requested=False)
        return _read_only(server)

    async def _select_session(self, focused: Focused, session: Session, server: Server) -> CommandResult:
        """Have OpenCode show the session in the terminal that is in front now."""
        try:
            async with asyncio.timeout(SELECT_TIMEOUT):
                await self._call(server.id, "tui.select", {"sessionID": session.id})
        except (CallError, TimeoutError):
            return CommandResult(
                f"{focused.message}; select the session there, because this OpenCode cannot do it", as_requested=False
            )
        return CommandResult(focused.message, as_requested=focused.exact)

    # ------------------------------------------------------------------ sessions on other machines

    async def _open_remote(self, target: Target, server: Server) -> CommandResult:
        host = self._host(server)
        if target.url is not None and await is_reachable(target.url):
            command = target.command(self._opencode())
            if (opened := await self._terminal.run(command, url=target.url)) is not None:
                return CommandResult(f"Opened in {opened}")
            reason = why_not_opened(command)
        elif host is None and server.wsl:
            command = target.command_in_wsl(server.wsl, server.opencode)
            if (opened := await self._terminal.run(command)) is not None:
                return CommandResult(f"Opened in {opened}")
            reason = why_not_opened(command)
        elif host is None:
            reason = f"{server.host} is another machine; add it to `[[hosts]]` in the settings"
        else:
            remote = _remote_command(host, target)
            if any(shlex.quote(word) != word for word in remote):  # ssh passes the words to a shell
                reason = f"the remote shell on {host.name} would misinterpret the directory name"
            elif (opened := await self._terminal.run(["ssh", "-t", "--", host.ssh, *remote])) is not None:
                return CommandResult(f"Opened on {host.ssh} in {opened}")
            else:
                reason = why_not_opened(["ssh"])
        return await page_or_command(target.page(), self._command_to_show(target, server), reason)

    def _command_to_show(self, target: Target, server: Server) -> list[str]:
        """Return the command that the user can type to open the session. Raises TargetError."""
        if is_local(server) or target.url is not None:
            return target.command("opencode")
        host = self._host(server)
        if host is None and server.wsl:
            return target.command_in_wsl(server.wsl, server.opencode)
        host = host or Host(server.host, server.host)
        if not is_destination(host.ssh):
            raise TargetError(f"{host.ssh[:40]!r} is not a host name")
        return ["ssh", "-t", "--", host.ssh, shlex.join(_remote_command(host, target))]

    # ------------------------------------------------------------------ settings

    def _opencode(self) -> str:
        return opencode_program(self._settings())

    def _refused(self, server: Server) -> CommandResult | None:
        """Return the result for a session that another tray publishes, unless its machine is in the settings."""
        if server.source is not Source.TEAM or self._host(server) is not None:
            return None
        advice = "to open its sessions, add it to `[[hosts]]` in the settings"
        return CommandResult(f"It runs on {clean(server.host)} of {clean(server.owner)}; {advice}", ok=False)

    def _host(self, server: Server) -> Host | None:
        if server.ssh:
            return Host(server.host, server.ssh, server.opencode)
        return next((host for host in self._settings()[HOSTS] if host.name == server.host), None)


async def _focus_terminal(target: Target, session: Session, server: Server) -> Focused | Detached | None:
    """Bring the first of the session's terminals for which that works to the front; None if there is none."""
    from tray.actions.attach.codex_terminals import codex_terminals  # noqa: PLC0415  # loads psutil
    from tray.actions.attach.terminal_focus import (  # noqa: PLC0415  # loads psutil
        TITLE_LENGTH,
        bring_to_front,
        session_terminals,
    )

    if server.is_daemon:
        terminals = await codex_terminals(target.directory, target.session, [session.title])
    else:
        terminals = await asyncio.to_thread(session_terminals, server, target.url)
    for terminal in terminals:
        found = await bring_to_front(replace(terminal, title=session.title[:TITLE_LENGTH]))
        if found is not None:
            return found
    return None


def _target(session: Session, server: Server) -> Target:
    target = Target.of(session, server)
    return target if is_local(server) else target.for_remote()


def _remote_command(host: Host, target: Target) -> list[str]:
    return [host.opencode, target.directory, "--session", target.session]


def _read_only(server: Server) -> CommandResult:
    return CommandResult(f"This session is read-only ({server.read_only_reason}); open its terminal yourself", ok=False)
