"""A real OpenCode inside WSL reports to a tray on Windows, as far as namespaces can stand for WSL.

They give it processes, mounts and a network of its own, with the profile folders of Windows below /mnt/c.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer
from network import network_namespace
from opencode import NEWEST, OpenCode
from tray_process import Home
from waiting import until

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux, for namespaces and mounts"
    ),
]

NEAR, FAR = "10.77.43.1", "10.77.43.2"
BASH = [["bash", {"command": "echo hi", "description": "say hi"}]]
DISTRIBUTION = "Ubuntu-24.04"


class WindowsAndWsl:
    """A tray in whose data folder the profile of a Windows user is, and an OpenCode in WSL."""

    def __init__(self, folder: Path, model_port: int) -> None:
        self.tray = Home(folder / "windows")
        self.tray.path.mkdir()
        path = f"{os.environ['PATH']}:/mnt/c/Users/Zoë/AppData/Local/Microsoft/WindowsApps"  # as WSL makes it
        variables = {"WSL_DISTRO_NAME": DISTRIBUTION, "PATH": path}
        self.opencode = OpenCode(NEWEST, folder / "wsl", model_port, variables)
        self.network = ""
        program = folder / "opencode-in-wsl"
        self._program, self._original = program, self.opencode.binary

    def start_tray(self, **environment: str) -> None:
        self.tray.environment |= environment
        self.tray.tray("--no-notify")

    def enter(self) -> None:
        """Make OpenCode start inside of WSL from now on."""
        local = shlex.quote(str(self.tray.path / "data"))
        steps = (
            "mount -t tmpfs tmpfs /mnt",
            "mkdir -p /mnt/c/Users/Public '/mnt/c/Users/Zoë/AppData'",
            f"ln -s {local} '/mnt/c/Users/Zoë/AppData/Local'",
            f'exec {shlex.quote(str(self._original))} "$@"',
        )
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
        inside = shlex.join([*self._in_network(), *namespaces, "sh", "-c", " && ".join(steps), "sh"])
        self._program.write_text(f'#!/bin/sh\nexec {inside} "$@"\n', encoding="utf-8")
        self._program.chmod(0o755)
        self.opencode.binary = self._program

    def _in_network(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.network) if self.network else ()

    def server(self) -> dict[str, Any]:
        """Return the server that the tray shows, or {}."""
        return next(iter(self.tray.status()["servers"]), {})

    def close(self) -> None:
        self.opencode.kill()
        self.tray.stop()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[WindowsAndWsl]:
    with ModelServer() as model:
        made = WindowsAndWsl(tmp_path, model.port)
        try:
            yield made
        finally:
            made.close()


def test_the_tray_on_windows_is_found_and_answers_as_for_another_machine(machine: WindowsAndWsl) -> None:
    """Mirrored networking, and WSL 1: both share the loopback."""
    machine.start_tray()
    machine.enter()
    machine.opencode.serve()
    session = machine.opencode.session()
    machine.opencode.prompt(session, {"calls": [BASH]})
    until(lambda: machine.tray.session(session).get("status") == "waiting_for_permission", "the request", 30)
    server = machine.server()
    assert server["host"].endswith(f" ({DISTRIBUTION})")
    assert server["pid"] < 100, "it is one of another namespace"
    (request,) = machine.tray.session(session)["requests"]
    assert machine.tray.run("reply", request["id"], "once").stdout == "Allowed once: bash\n"
    until(lambda: machine.tray.session(session)["status"] in ("completed", "idle"), "the end of the turn", 30)


def test_with_a_network_of_its_own_the_address_of_windows_is_named(machine: WindowsAndWsl) -> None:
    """The default of WSL 2: the tray listens on the virtual network, and OpenCode knows its address."""
    with network_namespace(f"wsl{os.getpid()}", NEAR, FAR) as name:
        machine.network = name
        machine.start_tray(OPENCODE_TRAY_LISTENER_HOST=NEAR)
        machine.opencode.environment["OPENCODE_MONITOR_HOST"] = f"{NEAR}:{machine.tray.port}"
        machine.enter()
        machine.opencode.run("hello")
        until(lambda: machine.server().get("host", "").endswith(f" ({DISTRIBUTION})"), "the server", 30)
