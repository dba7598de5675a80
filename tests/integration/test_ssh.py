"""What ssh and the other machine may do wrong, with a script in place of ssh: print too much, stall, end, or refuse."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from running_app import RunningApp
from tray.core.commands import AddRemote, ListRemotes
from tray.core.remotes import Remote
from tray.sources.remote import ssh, tunnel
from tray.sources.remote.setup import install, installed_plugin
from tray.sources.remote.tunnel import Tunnel
from waiting import run, until_async

if sys.platform == "win32":
    pytest.skip("the programs are shell scripts", allow_module_level=True)

ALLOCATED = 'echo "Allocated port 4000 for remote forward to 127.0.0.1:1" >&2\n'
FLOOD = "exec yes 'Welcome to the build box'"
WORKS = f"""case "$*" in
*hostname*) cat > /dev/null; echo "opencode-tray: far"; echo "opencode-tray: " ;;
*) {ALLOCATED} read -r key; read -r text; echo opencode-tray ready; cat > /dev/null ;;
esac"""


@pytest.fixture
def ssh_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts a shell script in place of ssh."""

    def put(script: str) -> None:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin")
    return put


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_a_machine_that_prints_without_end_is_given_up_at_once(ssh_is: Callable[[str], None], stream: str) -> None:
    async def test() -> None:
        ssh_is(f"{FLOOD}{stream}")
        begun = time.monotonic()
        with pytest.raises(ssh.SshError, match="printed more than 1024 KiB"):
            await installed_plugin("far")
        assert time.monotonic() - begun < ssh.COMMAND_TIMEOUT / 2

    run(test())


def test_a_machine_that_answers_something_else_is_not_set_up(ssh_is: Callable[[str], None]) -> None:
    async def test() -> None:
        ssh_is("cat > /dev/null; echo far; echo /usr/bin/opencode")
        with pytest.raises(ssh.SshError, match="did not run what was sent"):
            await install("far", b"plugin")
        ssh_is('echo Welcome; cat > /dev/null; echo "opencode-tray: far"; echo "opencode-tray: /usr/bin/opencode"')
        assert await install("far", b"plugin") == ("far", "/usr/bin/opencode")

    run(test())


async def problems_of(attempts: int) -> list[str]:
    """Return why a tunnel ended, or could not be opened, at the first attempts."""
    watched = Tunnel(Remote("desk-1", "far"), lambda: "token", 1, lambda: 1)
    living = asyncio.create_task(watched.run())
    problems: list[str] = []
    try:
        while len(problems) < attempts:
            state = await watched.wait_for_change(20)
            if not state.is_connected:
                problems.append(state.problem)
        return problems
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (f"{ALLOCATED}{FLOOD}", "printed more than"),
        (f"{ALLOCATED}exec tr '\\0' x < /dev/zero", "printed more than"),
        (f"{FLOOD} >&2", "printed more than"),
        (f"{ALLOCATED}echo opencode-tray ready; {FLOOD} >&2", "printed more than"),
        (f"{ALLOCATED}exec sleep 600", "did not answer within 0.5 s"),
        ("exec sleep 600", "did not answer within 0.5 s"),
        ("exit 0", "did not run what was sent"),
        (f"{ALLOCATED}echo opencode-tray ready; echo 'Connection reset by peer' >&2; exit 255", "Connection reset"),
        ("echo 'Permission denied (publickey).' >&2; exit 255", "ssh-copy-id far"),
    ],
)
def test_a_tunnel_says_why_it_is_not_open(
    ssh_is: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    async def test() -> None:
        ssh_is(script)
        monkeypatch.setattr(tunnel, "OPEN_TIMEOUT", 0.5 if "sleep" in script else 20.0)
        assert problem in (await problems_of(1))[0]

    run(test())


def test_a_port_that_is_still_in_use_is_not_blamed_on_sshd(ssh_is: Callable[[str], None]) -> None:
    async def test() -> None:
        in_use = "Error: remote port forwarding failed for listen port 4000"
        first = f"{ALLOCATED} read -r key; read -r text; echo opencode-tray ready; echo 'Connection reset' >&2"
        ssh_is(f"""case "$*" in *127.0.0.1:4000:*) echo '{in_use}' >&2 ;; *) {first} ;; esac; exit 255""")
        lost, again = await problems_of(2)
        assert (lost, again) == ("Connection reset", "its port there is still in use; another one is tried")
        ssh_is(f"echo '{in_use}' >&2; exit 255")
        assert "AllowTcpForwarding" in (await problems_of(1))[0]

    run(test())


def test_a_list_that_cannot_be_read_is_no_problem_any_more_after_the_next_machine(
    ssh_is: Callable[[str], None], tmp_path: Path
) -> None:
    async def test() -> None:
        ssh_is(WORKS)
        running = RunningApp(tmp_path)
        running.paths.remotes.parent.mkdir(parents=True, exist_ok=True)
        running.paths.remotes.write_text("{")
        async with running:
            running.app.show_on(running.views.append)
            await until_async(lambda: "cannot read" in str(running.views[-1:]), "the problem in the menu")
            result = await running.choose(AddRemote("far"))
            assert (result.ok, "start OpenCode there" in result.message) == (True, True), result
            await until_async(lambda: "cannot read" not in str(running.views[-1:]), "the end of the problem")
            (state,) = (await running.choose(ListRemotes())).result
            assert (state["is_connected"], state["host"], state["sessions"]) == (True, "far", 0)

    run(test())
