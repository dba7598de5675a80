"""Signals that ask the program to end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from real_windows import IS_WINE

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


CONSOLE_END = """
import ctypes
from tray.system.session_end import stop_with_console

stop_with_console(lambda: print("stopped", flush=True))
for event in (2, 6):  # CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT
    print(event, flush=True)
    ctypes.WinDLL("kernelbase").CtrlRoutine(ctypes.c_void_p(event))
"""


@pytest.mark.skipif(not IS_WINE, reason="uses a function of Wine that delivers an event of the console")
def test_the_end_of_the_console_waits_until_the_program_has_stopped() -> None:
    done = subprocess.run([sys.executable, "-c", CONSOLE_END], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["2", "stopped", "6", "stopped"], done.stderr
