"""Which ports a process has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tray.opencode.processes import listening

LISTENER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""


def ports(*before: str) -> tuple[int, Sequence[tuple[str, int]]]:
    """The port that a process listens on, and what is found of it."""
    command = [*before, sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        try:
            return int(told), listening(process.pid)
        finally:
            process.kill()


def test_the_ports_that_a_process_takes_connections_on_are_found() -> None:
    port, found = ports()
    assert list(found) == [("127.0.0.1", port)]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_what_listens_in_a_container_of_its_own_is_not_taken_for_a_port_of_this_machine() -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this user may make no network namespace")
    assert list(ports(unshare, "-rn")[1]) == []
