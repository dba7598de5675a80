"""tmux, the real one: the very pane among several is shown to whoever looks, and nobody else's."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opencode import IN_CI
from tray.actions.attach.terminal import Detached, Shown
from tray.actions.attach.terminal_focus import has_focus
from tray.actions.attach.tmux import Tmux
from tray.system.terminal_processes import TerminalProcess, terminal_process_of

if shutil.which("tmux") is None:
    if IN_CI:
        pytest.fail("tmux is not installed")
    pytest.skip("needs tmux", allow_module_level=True)


class Server:
    """A tmux server of our own, with clients in pseudo-terminals."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "tmux.sock"
        self._clients: list[tuple[int, int]] = []

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-u", "-f", "/dev/null", "-S", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    def attach(self, session: str) -> int:
        """A client that looks at this session; its pid."""
        before = len(self("list-clients").splitlines())
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp("tmux", ["tmux", "-u", "-S", str(self.socket), "attach-session", "-t", session])  # noqa: S606
        self._clients.append((pid, terminal))
        until(lambda: len(self("list-clients").splitlines()) > before)
        return pid

    def type(self, text: bytes) -> None:
        """Send what a terminal sends, from that of the newest client."""
        os.write(self._clients[-1][1], text)

    def seat(self, pane: str) -> TerminalProcess:
        """The program in this pane."""
        pid = int(self("display-message", "-p", "-t", pane, "#{pane_pid}"))
        found = until(lambda: (seat := terminal_process_of(pid)) and seat.variable("TMUX_PANE") and seat)
        assert isinstance(found, TerminalProcess)
        return found

    def looks_at(self, pid: int) -> str:
        """The pane that this client shows."""
        for line in self("list-clients", "-F", "#{client_pid} #{pane_id}").splitlines():
            if line.startswith(f"{pid} "):
                return line.split(" ")[1]
        return ""

    def stop(self) -> None:
        self("kill-server")
        for pid, terminal in self._clients:
            os.close(terminal)
            os.waitpid(pid, 0)


def until(condition: Callable[[], object]) -> object:
    end = time.monotonic() + 10
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.02)
    return value


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


def go(seat: TerminalProcess) -> Shown | Detached | None:
    assert Tmux().detect(seat)
    return asyncio.run(Tmux().go(seat))


def test_the_very_pane_among_three_is_shown(tmux: Server) -> None:
    client = tmux.attach("one")
    assert tmux.looks_at(client) == "%0"
    for pane in ("%2", "%1", "%0"):
        shown = go(tmux.seat(pane))
        assert isinstance(shown, Shown)
        assert shown.client.pid == client
        assert tmux.looks_at(client) == pane


def test_who_looks_at_the_session_already_is_preferred_to_who_typed_last(tmux: Server) -> None:
    here, there = tmux.attach("one"), tmux.attach("two")
    assert isinstance(go(tmux.seat("%1")), Shown)
    assert (tmux.looks_at(here), tmux.looks_at(there)) == ("%1", "%3")


def test_a_client_of_another_session_is_switched_when_nobody_looks_at_this_one(tmux: Server) -> None:
    client = tmux.attach("two")
    assert isinstance(go(tmux.seat("%2")), Shown)
    assert tmux.looks_at(client) == "%2"


def test_a_client_that_looks_at_the_session_already_is_not_switched(tmux: Server) -> None:
    """A switch closes the windows of an iTerm2 that shows the session's windows as its own (`tmux -CC`)."""
    client = tmux.attach("one")
    tmux("set-hook", "-g", "client-session-changed", "set-option -g @switched yes")
    assert isinstance(go(tmux.seat("%2")), Shown)
    assert tmux.looks_at(client) == "%2"
    assert tmux("show-options", "-gqv", "@switched") == ""
    tmux("switch-client", "-t", "two")  # what the hook would have told
    until(lambda: tmux("show-options", "-gqv", "@switched") == "yes")


def test_with_nobody_looking_the_command_shows_the_pane_in_a_new_terminal(tmux: Server) -> None:
    detached = go(tmux.seat("%1"))
    assert isinstance(detached, Detached)
    assert detached.command == ["tmux", "-S", str(tmux.socket), "attach-session", "-t", "$0"]
    assert tmux.looks_at(tmux.attach("one")) == "%1"


def test_a_pane_of_a_server_that_is_gone_or_is_another_one_is_not_shown(tmux: Server) -> None:
    seat = tmux.seat("%1")
    assert go(TerminalProcess(seat.pid, "/dev/pts/9999", seat.environment)) is None  # the same number, another pane
    assert go(TerminalProcess(seat.pid, "", {**seat.environment, "TMUX_PANE": "%77"})) is None
    tmux("kill-server")
    assert go(seat) is None


@pytest.mark.parametrize(
    "environment",
    [{}, {"TMUX": "relative,1,2", "TMUX_PANE": "%1"}, {"TMUX": "/tmp/x,1,2", "TMUX_PANE": "%1; kill-server"}],  # noqa: S108
)
def test_what_is_no_pane_is_not_tried(environment: dict[str, str]) -> None:
    assert not Tmux().detect(TerminalProcess(1, "", environment))


def viewers(seat: TerminalProcess) -> list[tuple[int, bool | None]] | None:
    shown = asyncio.run(Tmux().viewers(seat))
    return None if shown is None else [(viewer.client.pid, viewer.focused) for viewer in shown]


def test_the_clients_that_show_the_pane_are_told(tmux: Server) -> None:
    assert viewers(tmux.seat("%0")) == []
    first, second, third = tmux.attach("one"), tmux.attach("one"), tmux.attach("two")
    assert sorted(viewers(tmux.seat("%0")) or []) == sorted([(first, None), (second, None)])
    assert viewers(tmux.seat("%1")) == []  # its window is not shown
    assert viewers(tmux.seat("%3")) == [(third, None)]
    tmux("select-window", "-t", "one:1")
    assert len(viewers(tmux.seat("%2")) or []) == 2
    assert viewers(tmux.seat("%1")) == []  # not the active pane of its window


def test_a_pane_of_another_server_at_the_same_socket_is_not_shown(tmux: Server) -> None:
    tmux.attach("one")
    seat = tmux.seat("%0")
    assert viewers(TerminalProcess(seat.pid, "/dev/pts/9999", seat.environment)) == []
    tmux("kill-server")
    assert viewers(seat) is None


def test_tmux_knows_the_focus_where_the_terminal_tells_it(tmux: Server) -> None:
    tmux("set-option", "-g", "focus-events", "on")
    client = tmux.attach("one")
    assert viewers(tmux.seat("%0")) == [(client, True)]
    tmux.type(b"\x1b[O")
    until(lambda: viewers(tmux.seat("%0")) == [(client, False)])
    tmux.type(b"\x1b[I")
    until(lambda: viewers(tmux.seat("%0")) == [(client, True)])


def test_of_a_pane_in_a_terminal_without_a_window_tmux_alone_knows_the_focus(
    tmux: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SWAYSOCK", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    tmux.attach("one")
    seat = tmux.seat("%0")
    assert asyncio.run(has_focus(seat, ["Work"])) is None
    assert asyncio.run(has_focus(tmux.seat("%1"), ["Work"])) is False
    tmux("set-option", "-g", "focus-events", "on")
    assert asyncio.run(has_focus(seat, ["Work"])) is True
    tmux("select-pane", "-t", "%0", "-T", "OC | Another session")
    assert asyncio.run(has_focus(seat, ["Work"])) is False
    tmux("select-pane", "-t", "%0", "-T", "OC | Work")
    assert asyncio.run(has_focus(seat, ["Work"])) is True
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 22 192.0.2.2 22")
    tmux("detach-client", "-a")
    tmux("detach-client", "-s", "one")
    tmux.attach("one")  # from another desk
    assert asyncio.run(has_focus(seat, ["Work"])) is None
