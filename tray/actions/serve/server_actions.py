"""What can be done with servers from the menu: what `opencode-tray serve` does, with one line of what came of it."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, assert_never

import aiohttp

from tray.actions.serve.listing import FoundServer, clean_up, find_servers
from tray.actions.serve.prompt import PromptError, begin, session_for
from tray.actions.serve.start import ServeError, ServerOptions, start
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
from tray.core.text import clean
from tray.opencode.api import Api
from tray.opencode.executable import opencode_program
from tray.system.open_file import open_file
from tray.system.paths import Paths
from tray.system.text_dialog import Ask


class Going(Protocol):
    """The ways to a server."""

    async def attach(self, url: str, directory: str) -> CommandResult:
        """Open OpenCode's terminal UI on it."""

    async def copy(self, text: str) -> CommandResult:
        """Put a text on the clipboard."""

    async def run_in_terminal(self, words: Sequence[str]) -> str | None:
        """Run one of our own commands in a new terminal; its name, or None where none can be opened."""


class ServerActions:
    """Carries the choices out; lives on the loop's thread."""

    def __init__(self, paths: Paths, settings: Callable[[], Settings], going: Going, ask: Ask) -> None:
        self._paths = paths
        self._settings = settings
        self._going = going
        self._ask = ask

    async def carry_out(self, choice: ServerCommand) -> CommandResult:
        """Do it; what came of it, once that is known."""
        try:
            return await self._carry_out(choice)
        except ServeError as error:
            return CommandResult(str(error), ok=False)

    async def _carry_out(self, choice: ServerCommand) -> CommandResult:
        match choice:
            case StartServer(directory):
                return await self._start(directory)
            case CleanServers():
                gone = await asyncio.to_thread(clean_up, self._paths)
                return CommandResult(f"Removed {len(gone)}: {', '.join(gone)}" if gone else "Nothing to clean up")
            case StopServers():
                ours = [server for server in await self._found() if server.record is not None]
                done = await asyncio.gather(*(stop(server, self._paths) for server in ours))
                failed = [one.message for one in done if not one.ok]
                return CommandResult("; ".join(failed) if failed else f"Stopped {len(ours)}", ok=not failed)
            case CopyServerAddress(url):
                return await self._going.copy(url)
            case _:
                server = next((one for one in await self._found() if one.url == choice.url and one.runs), None)
                if server is None:
                    return CommandResult("This server has ended, or is not on this machine", ok=False)
                return await self._on_server(choice, server)

    async def _on_server(
        self,
        choice: StopServer | RestartServer | PromptServer | OpenServer | AttachServer | ShowServerLog,
        server: FoundServer,
    ) -> CommandResult:
        match choice:
            case StopServer():
                return await stop(server, self._paths)
            case RestartServer():
                again = await restart(server, self._paths, os.environ)
                return CommandResult(f"{again.name} runs again", as_requested=False)
            case PromptServer():
                return await self._prompt(server)
            case OpenServer():
                opened = await asyncio.to_thread(webbrowser.open, server.url)
                return CommandResult("Opened its web page") if opened else await self._going.copy(server.url)
            case AttachServer():
                return await self._going.attach(server.url, server.directory)
            case ShowServerLog():
                if not server.log:
                    return CommandResult(
                        f"{server.name} was not started by OpenCode Tray; its log is not known", ok=False
                    )
                return CommandResult(await open_file(Path(server.log)))
            case _:
                assert_never(choice)

    async def _start(self, directory: str | None) -> CommandResult:
        if directory is None:
            directory = await self._ask("Start a server", "In which folder?", str(Path.home()))
            if not directory:
                return CommandResult("No server was started")
        program = opencode_program(self._settings())
        folder = await asyncio.to_thread(os.path.expanduser, directory)
        server = await start(ServerOptions(folder, program), self._paths, os.environ)
        return CommandResult(f"Server {server.name} runs in {clean(server.directory)}", as_requested=False)

    async def _prompt(self, server: FoundServer) -> CommandResult:
        text = await self._ask("Prompt", f"Tell OpenCode in {clean(server.directory)}:", "")
        if not text:
            return CommandResult("Nothing was sent")
        async with aiohttp.ClientSession() as http:
            try:
                api = Api(server.address, http)
                await begin(api, text, await session_for(api, ""))
            except PromptError as error:
                return CommandResult(f"Not sent: {error}", ok=False)
        return CommandResult("Sent")

    async def _found(self) -> list[FoundServer]:
        accounts = self._settings()[SERVERS]
        return await find_servers(self._paths, accounts, os.environ)
