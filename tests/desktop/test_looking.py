"""No notification is shown for a focused session: real windows, tmux panes and the real OpenCode."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from desk import Desk
from workspace import Workspace

from fake_desktop import need
from tray.actions.attach.session_focus import is_looked_at
from tray.actions.attach.terminal import Focused
from tray.actions.attach.window import Window
from tray.core.servers import Server
from tray.system import x11_windows
from tray.system.terminal_processes import terminal_process_of
from waiting import until

pytestmark = pytest.mark.desktop

OBSERVED = 3.0  # s; a notification is shown 1 s after its request


class Screen:
    """A desktop with a window manager, and a fake program named opencode that runs in its windows."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.program = folder / "opencode"
        self.program.write_text(f'#!/bin/sh\necho $$ > "{folder}/$1.pid"\nwhile :; do sleep 600; done\n')
        self.program.chmod(0o755)
        self._folder = folder

    def server(self, name: str) -> Server:
        pid = until(lambda: self._pid(name), f"the program {name}")
        return Server(name, name, "", "/p", pid=pid, confirmed=True)

    def _pid(self, name: str) -> int:
        path = self._folder / f"{name}.pid"
        return int(path.read_text() or 0) if path.exists() else 0


def looks_at(server: Server, *titles: str) -> bool | None:
    return asyncio.run(asyncio.wait_for(is_looked_at(server, titles), 20))


@pytest.fixture
def screen(desk: Desk, tmp_path: Path) -> Screen:
    need("openbox", "xterm", "tmux")
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    until(lambda: "_NET_SUPPORTING_WM_CHECK" in desk.run("xprop", "-root"), "the window manager")
    folder = tmp_path / "programs"
    folder.mkdir()
    return Screen(desk, folder)


def test_the_session_in_the_active_window_is_focused(screen: Screen) -> None:
    desk = screen.desk
    windows = {}
    for name in ("one", "two"):
        desk.spawn(name, ["xterm", "-T", name, "-e", str(screen.program), name])
        windows[name] = until(lambda name=name: desk.run("xdotool", "search", "--name", f"^{name}$").strip(), name)
    one, two = screen.server("one"), screen.server("two")
    for front, behind, name in ((one, two, "one"), (two, one, "two"), (one, two, "one")):
        desk.run("xdotool", "windowactivate", "--sync", windows[name])
        assert (looks_at(front), looks_at(behind)) == (True, False)
    desk.run("xdotool", "set_window", "--name", "OC | Some work", windows["one"])
    until(lambda: looks_at(one, "Other work") is False, "the window's new name")
    assert looks_at(one, "Some work") is True
    desk.run("xdotool", "windowminimize", "--sync", windows["one"])
    until(lambda: looks_at(one) is False, "the minimized window")


def test_the_terminal_is_the_nearest_ancestor_window_not_the_inherited_windowid(screen: Screen) -> None:
    """As in the terminal of an editor that was started from an xterm."""
    desk = screen.desk
    inner = f"WINDOWID=$OUTER exec {screen.program} one"
    script = f"OUTER=$WINDOWID exec xterm -T inner -e sh -c '{inner}'"
    desk.spawn("outer", ["xterm", "-T", "outer", "-e", "sh", "-c", f"{script} & wait"])
    one = screen.server("one")
    outside = until(lambda: desk.run("xdotool", "search", "--name", "^outer$").strip(), "the outer window")
    until(lambda: looks_at(one), "the inner window")
    desk.run("xdotool", "windowactivate", "--sync", outside)
    assert looks_at(one) is False
    seat = terminal_process_of(one.pid)
    assert seat is not None
    assert seat.variable("WINDOWID") == outside
    assert asyncio.run(Window().bring_to_front(seat)) == Focused("Brought the window to the front")
    assert looks_at(one) is True


def test_without_a_window_manager_the_window_list_is_unknown(desk: Desk) -> None:
    assert desk.display
    assert x11_windows.list_windows() is None


def test_the_tmux_pane_shown_in_the_active_window_is_focused(
    screen: Screen, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    desk, socket = screen.desk, str(tmp_path / "tmux.sock")

    def tmux(*words: str) -> None:
        desk.run("tmux", "-f", "/dev/null", "-S", socket, *words)

    request.addfinalizer(lambda: tmux("kill-server"))
    tmux("new-session", "-d", "-s", "work", f"{screen.program} left")
    tmux("split-window", "-t", "work", f"{screen.program} right")
    left, right = screen.server("left"), screen.server("right")
    assert (looks_at(left), looks_at(right)) == (False, False)  # no client is attached
    desk.spawn("seat", ["xterm", "-T", "seat", "-xrm", "*allowTitleOps: false", "-e", "tmux", "-S", socket, "attach"])
    until(lambda: looks_at(right), "the pane in the window")
    assert looks_at(left) is False
    tmux("select-pane", "-t", "work:0.0")
    assert (looks_at(left), looks_at(right)) == (True, False)
    desk.spawn("other", ["xterm", "-T", "other", "-e", "sleep", "600"])
    until(lambda: looks_at(left) is False, "the other window")


@pytest.mark.opencode
def test_a_request_in_a_focused_session_is_announced_when_the_focus_is_lost(workspace: Workspace) -> None:
    need("dunst", "dunstctl")
    desk, opencode = workspace.desk, workspace.opencode
    desk.start_notifications("dunst")
    workspace.start_tray('[notifications]\nwhen_looking = "never"\n', notify=True)
    opencode.tui()
    workspace.terminal("other", "sleep", "600")
    workspace.terminal("seat", "tmux", "-S", f"{opencode.home}/tmux.sock", "attach")
    until(lambda: opencode.tmux("list-clients"), "tmux's client")
    prompt = f"first ##{json.dumps({'calls': [[['bash', {'command': 'make release'}]]]})}"
    opencode.type(prompt, lambda: any("first" in prompt for prompt in workspace.model.prompts))
    until(lambda: workspace.home.status()["attention"]["waiting"], "the request", 20)

    def shown() -> int:
        return int(desk.run("dunstctl", "count", "displayed"))

    end = time.monotonic() + OBSERVED
    while time.monotonic() < end:
        assert shown() == 0
        time.sleep(0.05)
    desk.screenshot("looking-nothing")
    workspace.look_at("other")
    until(shown, "the notification")
    desk.screenshot("looked-away")
    (text,) = desk.shown_notifications()
    assert "make release" in text
