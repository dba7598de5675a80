"""The real tmux: the pane of a session is shown in the client of its user, and only this pane."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_program import IN_CI
from tray.actions.attach.terminal import Detached, ShownPane
from tray.actions.attach.terminal_focus import has_focus
from tray.actions.attach.tmux import Tmux
from tray.system.terminal_processes import TerminalProcess, terminal_process_of
from waiting import until

pty = pytest.importorskip("pty", reason="tmux and pseudo-terminals are POSIX's")
if shutil.which("tmux") is None:
    if IN_CI:
        pytest.fail("tmux is not installed")
    pytest.skip("needs tmux", allow_module_level=True)


class Server:
    """A private tmux server with clients in pseudo-terminals."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "tmux.sock"
        self._clients: list[tuple[int, int]] = []

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-u", "-f", "/dev/null", "-S", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    def attach(self, session: str) -> int:
        """Attach a client to this session; return its pid."""
        before = len(self("list-clients").splitlines())
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp("tmux", ["tmux", "-u", "-S", str(self.socket), "attach-session", "-t", session])  # noqa: S606
        self._clients.append((pid, terminal))
        until(lambda: len(self("list-clients").splitlines()) > before)
        return pid

    def type(self, text: bytes) -> None:
        """Send input from the terminal of the newest client."""
        os.write(self._clients[-1][1], text)

    def process(self, pane: str) -> TerminalProcess:
        """Return the process in this pane."""
        pid = int(self("display-message", "-p", "-t", pane, "#{pane_pid}"))
        found = until(lambda: (process := terminal_process_of(pid)) and process.variable("TMUX_PANE") and process)
        assert isinstance(found, TerminalProcess)
        return found

    def pane_of(self, pid: int) -> str:
        """Return the pane that this client shows."""
        for line in self("list-clients", "-F", "#{client_pid} #{pane_id}").splitlines():
            if line.startswith(f"{pid} "):
                return line.split(" ")[1]
        return ""

    def stop(self) -> None:
        self("kill-server")
        for pid, terminal in self._clients:
            os.close(terminal)
            os.waitpid(pid, 0)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Server]:
    """Session `one` with two windows, the second of two panes; session `two` with one."""
    server = Server(tmp_path)
    server("new-session", "-d", "-s", "one", "-x", "80", "-y", "24", "sleep 600")
    server("new-window", "-t", "one", "sleep 600")
    server("split-window", "-t", "one", "sleep 600")
    server("new-session", "-d", "-s", "two", "sleep 600")
    server("select-window", "-t", "one:0")
    yield server
    server.stop()


def show(process: TerminalProcess) -> ShownPane | Detached | None:
    assert Tmux().detect(process)
    return asyncio.run(Tmux().show_pane(process))


def test_the_pane_of_the_process_is_shown(tmux: Server) -> None:
    client = tmux.attach("one")
    assert tmux.pane_of(client) == "%0"
    for pane in ("%2", "%1", "%0"):
        shown = show(tmux.process(pane))
        assert isinstance(shown, ShownPane)
        assert shown.client.pid == client
        assert tmux.pane_of(client) == pane


def test_a_client_of_the_session_is_preferred_to_the_last_used_client(tmux: Server) -> None:
    here, there = tmux.attach("one"), tmux.attach("two")
    assert isinstance(show(tmux.process("%1")), ShownPane)
    assert (tmux.pane_of(here), tmux.pane_of(there)) == ("%1", "%3")


def test_without_a_client_of_the_session_another_client_is_switched_to_it(tmux: Server) -> None:
    client = tmux.attach("two")
    assert isinstance(show(tmux.process("%2")), ShownPane)
    assert tmux.pane_of(client) == "%2"


def test_a_client_of_the_session_is_not_switched(tmux: Server) -> None:
    """A switch closes the windows of an iTerm2 that shows the session's windows as its own (`tmux -CC`)."""
    client = tmux.attach("one")
    tmux("set-hook", "-g", "client-session-changed", "set-option -g @switched yes")
    assert isinstance(show(tmux.process("%2")), ShownPane)
    assert tmux.pane_of(client) == "%2"
    assert tmux("show-options", "-gqv", "@switched") == ""
    tmux("switch-client", "-t", "two")  # the hook does work
    until(lambda: tmux("show-options", "-gqv", "@switched") == "yes")


def test_without_clients_the_returned_command_shows_the_pane(tmux: Server) -> None:
    detached = show(tmux.process("%1"))
    assert isinstance(detached, Detached)
    assert detached.command == ["tmux", "-S", str(tmux.socket), "attach-session", "-t", "$0"]
    assert tmux.pane_of(tmux.attach("one")) == "%1"


def test_a_closed_pane_or_one_of_another_server_is_not_shown(tmux: Server) -> None:
    process = tmux.process("%1")
    assert (
        show(TerminalProcess(process.pid, "/dev/pts/9999", process.environment)) is None
    )  # another pane with the same ID
    assert show(TerminalProcess(process.pid, "", {**process.environment, "TMUX_PANE": "%77"})) is None
    tmux("kill-server")
    assert show(process) is None


@pytest.mark.parametrize(
    "environment",
    [{}, {"TMUX": "relative,1,2", "TMUX_PANE": "%1"}, {"TMUX": "/tmp/x,1,2", "TMUX_PANE": "%1; kill-server"}],  # noqa: S108
)
def test_an_invalid_tmux_environment_is_not_detected(environment: dict[str, str]) -> None:
    assert not Tmux().detect(TerminalProcess(1, "", environment))


def clients(process: TerminalProcess) -> list[tuple[int, bool | None]] | None:
    shown = asyncio.run(Tmux().clients_showing(process))
    return None if shown is None else [(client.process.pid, client.focused) for client in shown]


def test_the_clients_that_show_the_pane_are_listed(tmux: Server) -> None:
    assert clients(tmux.process("%0")) == []
    first, second, third = tmux.attach("one"), tmux.attach("one"), tmux.attach("two")
    assert sorted(clients(tmux.process("%0")) or []) == sorted([(first, None), (second, None)])
    assert clients(tmux.process("%1")) == []  # its window is not shown
    assert clients(tmux.process("%3")) == [(third, None)]
    tmux("select-window", "-t", "one:1")
    assert len(clients(tmux.process("%2")) or []) == 2
    assert clients(tmux.process("%1")) == []  # not the active pane of its window


def test_a_pane_of_another_server_at_the_same_socket_has_no_clients(tmux: Server) -> None:
    tmux.attach("one")
    process = tmux.process("%0")
    assert clients(TerminalProcess(process.pid, "/dev/pts/9999", process.environment)) == []
    tmux("kill-server")
    assert clients(process) is None


def test_tmux_knows_the_focus_if_the_terminal_reports_it(tmux: Server) -> None:
    tmux("set-option", "-g", "focus-events", "on")
    client = tmux.attach("one")
    assert clients(tmux.process("%0")) == [(client, True)]
    tmux.type(b"\x1b[O")
    until(lambda: clients(tmux.process("%0")) == [(client, False)])
    tmux.type(b"\x1b[I")
    until(lambda: clients(tmux.process("%0")) == [(client, True)])


def focus_is(process: TerminalProcess, expected: bool | None) -> None:
    """Wait until tmux knows the focus of a pane: it takes a moment after each of its commands."""
    until(lambda: asyncio.run(has_focus(process, ["Work"])) is expected, f"the focus: {expected}")


def test_without_a_window_the_focus_that_tmux_knows_counts(tmux: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SWAYSOCK", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    tmux.attach("one")
    process = tmux.process("%0")
    focus_is(process, None)
    focus_is(tmux.process("%1"), False)
    tmux("set-option", "-g", "focus-events", "on")
    focus_is(process, True)
    tmux("select-pane", "-t", "%0", "-T", "OC | Another session")
    focus_is(process, False)
    tmux("select-pane", "-t", "%0", "-T", "OC | Work")
    focus_is(process, True)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 22 192.0.2.2 22")
    tmux("detach-client", "-a")
    tmux("detach-client", "-s", "one")
    until(lambda: not tmux("list-clients"), "the end of the first client")
    tmux.attach("one")  # over SSH
    focus_is(process, None)
