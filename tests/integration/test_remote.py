"""Sessions of another machine through a tunnel: a real sshd in a network namespace, a real OpenCode there."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from model_server import ModelServer
from opencode import NEWEST, OpenCode
from ssh_server import FAR_USER, NEAR, FarMachine
from tray_process import Home
from waiting import until

if sys.platform != "linux":
    pytest.skip("network namespaces are Linux's", allow_module_level=True)

STOP = float(os.environ.get("FAULT_STOP_SECONDS", "5"))
RECOVERY = 10.0  # s; it takes at most 5 on a machine that has nothing else to do

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and another user need root")


class Near:
    """The tray on this machine."""

    def __init__(self, folder: Path, far: FarMachine) -> None:
        self.home = Home(folder)
        self.home.path.mkdir(parents=True, exist_ok=True)
        self.far = far
        self.home.environment["PATH"] = f"{far.client}:{self.home.environment.get('PATH', os.environ['PATH'])}"
        self.process = self.home.tray("--no-notify")

    def tunnels(self) -> list[psutil.Process]:
        """Return the processes of ssh that this tray has started."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if child.name() == "ssh"]

    def run(self, *words: str) -> tuple[int, str]:
        done = self.home.run("remote", *words, "--port", str(self.home.port))
        return done.returncode, (done.stdout + done.stderr).strip()

    def state(self) -> dict[str, Any]:
        states = json.loads(self.run("list", "--json")[1])["result"]
        return states[0] if states else {}

    def is_connected(self) -> bool:
        return bool(self.state().get("is_connected"))


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarMachine]:
    with FarMachine(tmp_path / "far") as machine:
        yield machine


@pytest.fixture
def near(tmp_path: Path, far: FarMachine) -> Iterator[Near]:
    made = Near(tmp_path / "near", far)
    yield made
    made.home.stop()


def grant(far: FarMachine) -> dict[str, Any] | None:
    """Return what the plugins there read; None if there is no file."""
    files = list((far.home / ".local/share/opencode-tray/trays").glob("*.json"))
    return json.loads(files[0].read_text()) if files else None


def address(far: FarMachine) -> tuple[int, str]:
    found = grant(far)
    assert found is not None
    return found["port"], found["token"]


def test_a_machine_is_added_listed_and_removed(near: Near, far: FarMachine) -> None:
    code, said = near.run("add", far.destination)
    assert (code, "start OpenCode there" in said, "not on the PATH" in said) == (0, True, True), said
    plugin = far.home / ".config/opencode/plugin/opencode-tray.js"
    assert b"OpenCode Tray's plugin" in plugin.read_bytes()
    found = grant(far)
    assert found is not None
    own = (near.home.path / "data/opencode-tray/token").read_text().strip()
    assert own not in json.dumps(found)
    (file,) = (far.home / ".local/share/opencode-tray/trays").iterdir()
    assert (file.stat().st_mode & 0o777, file.owner()) == (0o600, FAR_USER)
    assert "connected since" in near.run("list")[1]
    assert near.run("doctor", far.destination) == (0, "The tunnel is open; start OpenCode there, or restart it")
    code, said = near.run("remove", far.destination)
    assert (code, "not valid any more" in said) == (0, True)
    until(lambda: grant(far) is None, "the end of the grant")
    assert near.run("list")[1].startswith("No machine has been added")
    assert near.run("remove", far.destination)[0] == 1


def test_what_cannot_work_says_what_to_do(near: Near, far: FarMachine) -> None:
    assert near.run("add", "-oProxyCommand=x")[0] == 2
    code, said = near.run("add", "a b")
    assert (code, "is not HOST or USER@HOST" in said) == (1, True)
    code, said = near.run("add", f"root@{far.destination.partition('@')[2]}")
    assert (code, "ssh-copy-id" in said or "Permission denied" in said) == (1, True), said
    (far.folder / "near" / "known_hosts").write_text("")
    code, said = near.run("add", far.destination)
    assert (code, "connect once in a terminal" in said) == (1, True), said


@pytest.mark.fault
def test_the_tunnel_comes_back_after_a_pulled_cable_and_a_reboot(near: Near, far: FarMachine) -> None:
    assert near.run("add", far.destination)[0] == 0
    first = address(far)
    far.shut_down()
    until(lambda: not near.is_connected(), "the tunnel is lost", 40)
    far.boot()
    until(near.is_connected, "the tunnel is back", 40)
    assert address(far) == first  # the same port and token: plugins find it at once
    far.pull_cable()
    until(lambda: not near.is_connected(), "the tunnel is lost", 60)
    far.plug_cable()
    until(near.is_connected, "the tunnel is back", 90)


@pytest.mark.fault
def test_the_tunnel_comes_back_after_ssh_was_killed_and_stays_when_it_was_stopped(near: Near, far: FarMachine) -> None:
    assert near.run("add", far.destination)[0] == 0
    first = address(far)
    (ssh,) = near.tunnels()
    ssh.suspend()
    time.sleep(STOP)
    ssh.resume()
    until(near.is_connected, "the tunnel that goes on", RECOVERY)
    until(lambda: near.run("doctor", far.destination)[0] == 0, "the tunnel is used", RECOVERY)
    (ssh,) = near.tunnels()
    ssh.kill()
    until(lambda: not near.is_connected(), "the tunnel is lost")
    until(near.is_connected, "the tunnel is back", RECOVERY)
    assert address(far) == first
    until(lambda: len(near.tunnels()) == 1, "one ssh")


@pytest.mark.opencode
def test_a_session_there_is_answered_here_and_not_any_more_after_the_token_was_revoked(
    near: Near, far: FarMachine, tmp_path: Path
) -> None:
    with ModelServer("0.0.0.0") as model:  # noqa: S104  # it is on this machine, and OpenCode on the other one
        opencode = OpenCode(NEWEST, tmp_path / "far" / "opencode", model.port, {}, plugin=False)
        config = opencode.home / "config/opencode/opencode.json"
        config.write_text(config.read_text().replace("127.0.0.1", NEAR))
        assert near.run("add", far.destination)[0] == 0
        shutil.copy(far.home / ".config/opencode/plugin/opencode-tray.js", opencode.home / "config/opencode/plugin")
        opencode.environment["OPENCODE_TRAY_TOKEN_FILE"] = str(far.home / ".local/share/opencode-tray/token")
        opencode.binary = far.program(opencode.binary)
        try:
            answer_and_revoke(near, far, opencode, model)
        finally:
            opencode.kill()


def answer_and_revoke(near: Near, far: FarMachine, opencode: OpenCode, model: ModelServer) -> None:
    def session_with(wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((session for session in near.home.status()["sessions"] if wanted(session)), None)

        return until(found, "the session", 60)

    before = len(model.prompts)
    opencode.tui()
    script = {"calls": [[["bash", {"command": "echo hi > answer.txt", "description": "w"}]]]}
    opencode.type(f"go ##{json.dumps(script)}", lambda: len(model.prompts) > before)
    asked = session_with(lambda session: session["requests"] and session["requests"][0]["complete"])
    (server,) = near.home.status()["servers"]
    known = grant(far)
    assert known is not None
    assert server["id"].startswith(f"{known['key']}/")
    assert near.home.run("reply", asked["requests"][0]["id"], "once", "--port", str(near.home.port)).returncode == 0
    until((opencode.project / "answer.txt").exists, "the command to run")
    assert near.state()["sessions"] == 1
    code, said = near.run("doctor", far.destination)
    assert (code, said) == (0, "The tunnel is open; 1 session")
    assert near.run("remove", far.destination)[0] == 0
    session_with(lambda session: session["status"] == "disconnected")
