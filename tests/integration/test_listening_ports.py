"""Ports that a process listens on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence

import pytest

from real_windows import needs_real_windows
from tray.opencode.processes import listening_addresses

LISTENER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
input()
"""


def ports(*before: str) -> tuple[int, Sequence[tuple[str, int]]]:
    """Start a listening_addresses process; return its port and the addresses that `listening` finds."""
    command = [*before, sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            return int(line), listening_addresses(process.pid)
        finally:
            process.kill()


@needs_real_windows("it does not tell whose a port is")
def test_finds_the_ports_that_a_process_listens_on() -> None:
    port, found = ports()
    assert list(found) == [("127.0.0.1", port)]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_ports_in_another_network_namespace_are_ignored() -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("cannot create a network namespace")
    assert list(ports(unshare, "-rn")[1]) == []
