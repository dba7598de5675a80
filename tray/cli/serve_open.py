"""`serve open`, `attach` and `password`: use a server."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import webbrowser

from tray.actions.serve.errors import ServeError
from tray.cli.exit_codes import OK
from tray.cli.serve_common import ServeUsageError, server_with_id
from tray.opencode.executable import opencode_program
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths
from tray.system.programs import command_for


async def open_in_browser(options: argparse.Namespace) -> int:
    """Open the server's web page. Raises UserError."""
    server = await server_with_id(options.server)
    print(server.url)
    if server.password:
        print(f"User name: {server.username}. Show the password with: opencode-tray serve password {server.name}")
    await asyncio.to_thread(webbrowser.open, server.url)
    return OK


async def show_password(options: argparse.Namespace) -> int:
    """Print the server's password. Raises UserError."""
    server = await server_with_id(options.server)
    if not server.password:
        raise ServeError(f"{server.name} has no password, or its password is unknown")
    print(server.password)
    return OK


async def attach(options: argparse.Namespace) -> int:
    """Run `opencode attach` in this terminal, and return its exit code. Raises UserError."""
    server = await server_with_id(options.server)
    if server.state != "healthy":
        raise ServeError(f"{server.name} does not answer ({server.state})")
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise ServeUsageError("attach needs a terminal")
    program = opencode_program(load_settings(Paths.of(os.environ).settings, os.environ, {}))
    login = {"OPENCODE_SERVER_USERNAME": server.username, "OPENCODE_SERVER_PASSWORD": server.password}
    environment = {**os.environ, **(login if server.password else {})}
    command = command_for([program, "attach", server.url, "--dir", server.directory])
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        raise ServeError(f"cannot start {program}: {error}") from error
    try:
        return await process.wait()
    finally:  # OpenCode handles Ctrl-C itself; anything else that ends this process must end it too
        if process.returncode is None:
            process.terminate()
            await process.wait()
