"""Signals that ask the program to end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, signal, sys, threading
from tray.system.signals import StopSignals

signals = StopSignals()
waiting = threading.Thread(target=lambda: asyncio.run(signals.wait()), daemon=True)
waiting.start()
signal.pthread_sigmask(signal.SIG_BLOCK, [NUMBER])  # the kernel gives the signal to the other thread
os.kill(os.getpid(), NUMBER)
waiting.join(10)
sys.exit(waiting.is_alive())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal masks")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_received_while_the_main_thread_waits_for_a_lock(number: signal.Signals) -> None:
    program = PROGRAM.replace("NUMBER", str(int(number)))
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0
