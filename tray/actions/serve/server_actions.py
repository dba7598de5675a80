"""Execute the server commands of the menu, which do the same as `opencode-tray serve`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import aiohttp

from tray.actions.attach.fallback import open_page
from tray.actions.attach.opener import SessionOpener
from tray.actions.serve.errors import ServeError
from tray.actions.serve.listing import FoundServer, clean_up, find_servers
from tray.actions.serve.prompt import PromptError, prepare_session, start_turn
from tray.actions.serve.start import ServerOptions, start
from tray.actions.serve.stop import restart, stop
from tray.core.commands import (
    AttachServer,
    CleanServers,
    CommandResult,
    CopyServerAddress,
    OpenServer,
    PromptServer,
    RestartServer,
    ServerCommand,
    ShowServerLog,
    StartServer,
    StopServer,
    StopServers,
)
from tray.core.settings import SERVERS, Settings
from tray.core.text import clean, counted
from tray.opencode.api import Api
from tray.opencode.executable import opencode_program
from tray.system.open_file import OpenFileError, open_file
from tray.system.paths import Paths
from tray.system.secret_variables import whole_environment
from tray.system.text_dialog import Ask, NoDialogError


class ServerActions:
    """Executes server commands on the event loop's thread."""

    def __init__(self, paths: Paths, settings: Callable[[], Settings], opener: SessionOpener, ask: Ask) -> None:
        self._paths = paths
        self._settings = settings
        self._opener = opener
        self._ask = ask

    async def execute(self, command: ServerCommand) -> CommandResult:
        """Execute a command and return its result."""
        try:
            return await self._execute(command)
        except (ServeError, OpenFileError) as error:
            return CommandResult(str(error), ok=False)
        except NoDialogError:
            words = "start --dir DIR" if isinstance(command, StartServer) else "send ID PROMPT"
            advice = "No dialog program found: install zenity or kdialog, or run in a terminal:"
            return CommandResult(f"{advice} opencode-tray serve {words}", ok=False)

    async def _execute(self, command: ServerCommand) -> CommandResult:
        match command:
            case StartServer(directory):
                return await self._start(directory)
            case CleanServers():
                removed = await asyncio.to_thread(clean_up, self._paths)
                if not removed:
                    return CommandResult("Nothing to clean up")
                return CommandResult(f"Removed {counted(len(removed), 'item', 'items')}: {', '.join(removed)}")
            case StopServers():
                return await self._stop_all()
            case CopyServerAddress(url):
                return await self._opener.copy(url)
            case _:
                for server in await self._find():
                    if server.url == command.url and server.is_running:
                        return await self._on_server(command, server)
                return CommandResult("This server has ended, or is not on this machine", ok=False)

    async def _on_server(
        self,
        command: StopServer | RestartServer | PromptServer | OpenServer | AttachServer | ShowServerLog,
        server: FoundServer,
    ) -> CommandResult:
        match command:
            case StopServer():
                return await stop(server, self._paths)
            case RestartServer():
                restarted = await restart(server, self._paths, os.environ)
                return CommandResult(f"Restarted server {restarted.name}", as_requested=False)
            case PromptServer():
                return await self._prompt(server)
            case OpenServer():
                if await open_page(server.url):
                    return CommandResult("Opened the web page")
                copied = await self._opener.copy(server.url)
                return CommandResult(f"No browser could be opened. {copied.message}", ok=False)
            case AttachServer():
                return await self._opener.attach(server.url, server.directory)
            case ShowServerLog():
                if not server.log:
                    message = f"{server.name} was not started by OpenCode Tray, so its log is unknown"
                    return CommandResult(message, ok=False)
                return CommandResult(await open_file(Path(server.log)))
            case _:
                assert_never(command)

    async def _start(self, directory: str | None) -> CommandResult:
        if directory is None:
            directory = await self._ask("Start a server", "In which folder?", str(Path.home()))
            if not directory:
                return CommandResult("No server was started")
        program = opencode_program(self._settings())
        folder = await asyncio.to_thread(os.path.expanduser, directory)
        server = await start(ServerOptions(folder, program), self._paths, os.environ)
        return CommandResult(f"Server {server.name} is running in {clean(server.directory)}", as_requested=False)

    async def _stop_all(self) -> CommandResult:
        servers = [server for server in await self._find() if server.record is not None]
        results = await asyncio.gather(*(stop(server, self._paths) for server in servers))
        failures = [result.message for result in results if not result.ok]
        if failures:
            return CommandResult("; ".join(failures), ok=False)
        return CommandResult(f"Stopped {counted(len(servers), 'server', 'servers')}")

    async def _prompt(self, server: FoundServer) -> CommandResult:
        text = await self._ask("Prompt", f"Prompt for OpenCode in {clean(server.directory)}:", "")
        if not text:
            return CommandResult("Nothing was sent")
        async with aiohttp.ClientSession() as http:
            try:
                api = Api(server.address, http)
                await start_turn(api, text, await prepare_session(api, ""))
            except PromptError as error:
                return CommandResult(f"Not sent: {error}", ok=False)
        return CommandResult("Sent")

    async def _find(self) -> list[FoundServer]:
        accounts = self._settings()[SERVERS]
        return await find_servers(self._paths, accounts, whole_environment())
