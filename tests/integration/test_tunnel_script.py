"""The script that runs on another machine while a tunnel is open, in the shells of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tray.sources.remote.tunnel import READY, SCRIPT
from waiting import DEADLINE

if sys.platform == "win32":
    pytest.skip("the script is for POSIX shells", allow_module_level=True)

KEY = "desk-1"


class Far:
    """Runs the script in a HOME of its own."""

    def __init__(self, home: Path, shell: str) -> None:
        self.file = home / f".local/share/opencode-tray/trays/{KEY}.json"
        self._home = home
        self._shell = shell
        self._started: list[subprocess.Popen[bytes]] = []

    def connect(self, text: str) -> subprocess.Popen[bytes]:
        environment = {"HOME": str(self._home), "PATH": os.environ["PATH"]}
        command = [self._shell, "-c", SCRIPT]
        script = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._started.append(script)
        assert script.stdin is not None
        assert script.stdout is not None
        script.stdin.write(f"{KEY}\n{text}\n".encode())
        script.stdin.flush()
        assert script.stdout.readline() == READY
        return script

    def stop(self) -> None:
        for script in self._started:
            script.kill()
            script.communicate()


@pytest.fixture(params=["sh", "bash"])
def far(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Far]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    made = Far(tmp_path, request.param)
    yield made
    made.stop()


def test_the_file_says_nothing_after_the_end_of_the_connection(far: Far) -> None:
    script = far.connect('{"port": 1}')
    assert far.file.read_text() == '{"port": 1}\n'
    assert far.file.stat().st_mode & 0o777 == 0o600
    script.communicate(timeout=DEADLINE)
    assert far.file.read_text() == "{}\n"
    assert list(far.file.parent.iterdir()) == [far.file]


def test_the_file_is_removed_with_the_machine(far: Far) -> None:
    far.connect('{"port": 1}').communicate(b"remove\n", timeout=DEADLINE)
    assert list(far.file.parent.iterdir()) == []


@pytest.mark.parametrize("last", [b"", b"remove\n"])
def test_the_end_of_an_old_connection_leaves_the_file_of_the_new_one(far: Far, last: bytes) -> None:
    old = far.connect('{"port": 1, "connection": "a"}')
    new = far.connect('{"port": 1, "connection": "b"}')
    old.communicate(last, timeout=DEADLINE)
    assert far.file.read_text() == '{"port": 1, "connection": "b"}\n'
    new.communicate(timeout=DEADLINE)
    assert far.file.read_text() == "{}\n"


def test_files_that_were_empty_for_a_month_are_removed(far: Far) -> None:
    far.connect("{}").communicate(timeout=DEADLINE)
    month_ago = time.time() - 32 * 86400
    names = {"forgotten": "{}\n", "resting": "{}\n", "used": '{"port": 1}\n'}
    for name, text in names.items():
        path = far.file.with_name(f"{name}.json")
        path.write_text(text)
        if name != "resting":
            os.utime(path, (month_ago, month_ago))
    far.connect('{"port": 2}')
    assert {path.stem for path in far.file.parent.iterdir()} == {"resting", "used", KEY}
