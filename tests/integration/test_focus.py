"""Keyboard focus: the commands that desktops and terminals receive, and how their output is read."""

from __future__ import annotations

import json
import sys

import pytest

from fake_programs import Programs, terminal_process
from tray.actions.attach.kitty import Kitty
from tray.actions.attach.session_focus import is_looked_at
from tray.actions.attach.terminal import FocusState, MultiplexerClient
from tray.actions.attach.terminal_focus import any_of, has_focus
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.core.servers import Server
from tray.system import mac_windows
from tray.system.open_window import OpenWindow
from tray.system.open_windows import focused_window
from tray.system.wayland_windows import list_windows
from waiting import run

if sys.platform == "win32":
    pytest.skip("the programs are scripts", allow_module_level=True)

# ---------------------------------------------------------------------- windows

TERMINAL, OTHER, FILES = (
    OpenWindow(5, focused=True, title="one"),
    OpenWindow(9, focused=True),
    OpenWindow(4, focused=True),
)


def behind(window: OpenWindow) -> OpenWindow:
    return OpenWindow(window.pid, focused=False, title=window.title, number=window.number)


@pytest.mark.parametrize(
    ("windows", "number", "expected"),
    [
        ([TERMINAL, behind(OTHER)], 0, (True, "one")),
        ([behind(TERMINAL), OTHER], 0, (False, "")),
        ([behind(TERMINAL), FILES], 0, (False, "")),  # the program that started the terminal
        ([OTHER], 0, (None, "")),  # the terminal's window is not listed
        ([], 0, (None, "")),
        ([OpenWindow(5, focused=False, number=1), OpenWindow(5, focused=True, number=2)], 0, (True, "")),
        ([OpenWindow(5, focused=False, number=1), OpenWindow(5, focused=True, number=2)], 1, (False, "")),
        ([OpenWindow(5, focused=False, number=1), OpenWindow(5, focused=True, number=2)], 2, (True, "")),
        ([TERMINAL, OpenWindow(9, focused=False, number=3)], 3, (True, "one")),  # WINDOWID of an unrelated program
        (
            [TERMINAL, OpenWindow(4, focused=False, number=3)],
            3,
            (True, "one"),
        ),  # WINDOWID of the program that started the terminal
    ],
)
def test_the_nearest_ancestor_with_a_window_is_the_terminal(
    windows: list[OpenWindow], number: int, expected: tuple[bool | None, str]
) -> None:
    assert focused_window(windows, (6, 5, 4), number) == expected


SWAY = {
    "type": "root",
    "nodes": [
        {
            "type": "workspace",
            "focused": False,
            "nodes": [{"nodes": [{"pid": 5, "name": "OC | Work", "focused": True, "nodes": []}]}, "odd"],
            "floating_nodes": [{"pid": 9, "name": None, "focused": False}],
        }
    ],
}


@pytest.mark.parametrize(
    ("variable", "program", "outputs", "found"),
    [
        ("SWAYSOCK", "swaymsg", {"get_tree": json.dumps(SWAY)}, {5: (True, "OC | Work"), 9: (False, "")}),
        ("SWAYSOCK", "swaymsg", {"get_tree": "not JSON"}, None),
        (
            "HYPRLAND_INSTANCE_SIGNATURE",
            "hyprctl",
            {
                "activewindow": '{"address": "0x2", "pid": 9}',
                "clients": '[{"address": "0x1", "pid": 5, "title": "a"}, {"address": "0x2", "pid": 9, "title": "b"}]',
            },
            {5: (False, "a"), 9: (True, "b")},
        ),
        (
            "HYPRLAND_INSTANCE_SIGNATURE",
            "hyprctl",
            {"activewindow": "{}", "clients": '[{"address": "0x1", "pid": 5, "title": "a"}]'},
            {5: (False, "a")},
        ),
        ("HYPRLAND_INSTANCE_SIGNATURE", "hyprctl", {"activewindow": "Couldn't connect"}, None),
        (
            "NIRI_SOCKET",
            "niri",
            {"windows": '[{"id": 1, "pid": 5, "title": "a", "is_focused": true}, {"id": 2, "pid": null}]'},
            {5: (True, "a"), 0: (False, "")},
        ),
        ("NIRI_SOCKET", "niri", {"windows": "[]"}, None),
    ],
)
def test_compositors_list_their_windows_and_the_focused_one(
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    program: str,
    outputs: dict[str, str],
    found: dict[int, tuple[bool, str]] | None,
) -> None:
    monkeypatch.setenv(variable, "x")
    programs.add(program, outputs)
    windows = run(list_windows((6, 5)))
    assert found == (None if windows is None else {w.pid: (w.focused, w.title) for w in windows})


@pytest.mark.parametrize(
    ("outputs", "focused"),
    [
        ({"getactivewindow": "5", "search --pid 6": ""}, True),
        ({"getactivewindow": "9"}, None),
        ({"getactivewindow": "4", "search --pid 5": "{0000-1111}", "search --pid 6": ""}, False),  # the file manager
        ({"getactivewindow": ""}, None),
    ],
)
def test_kwin_reports_the_active_window_and_windows_of_nearer_ancestors(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, str], focused: bool | None
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    programs.add("kdotool", outputs)
    windows = run(list_windows((6, 5, 4)))
    assert focused_window(windows or (), (6, 5, 4))[0] is focused


def test_macos_reports_the_front_application(programs: Programs) -> None:
    programs.add("lsappinfo", {"info -only pid ASN:0x0-0x15015": '"pid"=5', "front": "ASN:0x0-0x15015"})
    assert run(mac_windows.list_windows()) == [OpenWindow(5, focused=True)]
    programs.add("lsappinfo", {"front": "[ NULL ]"})
    assert run(mac_windows.list_windows()) is None


def test_focus_is_unknown_on_a_desktop_that_does_not_report_it(programs: Programs) -> None:
    assert run(has_focus(terminal_process(), ["Work"])) is None
    assert programs.calls == []


# ---------------------------------------------------------------------- terminals


def kitty_ls(*, window: bool = True, tab: bool = True, pane: bool = True) -> str:
    work = {"id": 3, "title": "OC | Work", "is_focused": pane}
    other = {"id": 4, "title": "vim", "is_focused": not pane}
    return json.dumps([{"is_focused": window, "tabs": [{"is_focused": tab, "windows": [work, other]}]}])


@pytest.mark.parametrize(
    ("output", "focus"),
    [
        (kitty_ls(), FocusState(has_focus=True, title="OC | Work")),
        (kitty_ls(window=False), FocusState(has_focus=False, title="OC | Work")),
        (kitty_ls(tab=False), FocusState(has_focus=False, title="OC | Work")),
        (kitty_ls(pane=False), FocusState(has_focus=False, title="OC | Work")),
        ("[]", None),
        ('[{"tabs": 3}]', None),
        ("not JSON", None),
    ],
)
def test_kitty_reports_the_focus_of_the_pane(programs: Programs, output: str, focus: FocusState | None) -> None:
    programs.add("kitty", {"ls": output})
    here = terminal_process(KITTY_WINDOW_ID="3", KITTY_LISTEN_ON="unix:/tmp/kitty-9")
    assert run(Kitty().focus_state(here)) == focus
    assert programs.calls == [["kitty", "@", "--to", "unix:/tmp/kitty-9", "ls"]]


@pytest.mark.parametrize(
    ("output", "front", "focus"),
    [
        ('[{"focused_pane_id": 2}]', 5, True),
        ('[{"focused_pane_id": 2}]', 9, False),
        ('[{"focused_pane_id": 1}]', 5, False),
        ("[]", 5, False),
        ("not JSON", 5, True),  # then only its window counts
    ],
)
def test_wezterm_reports_the_active_pane_and_the_desktop_the_window(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, output: str, front: int, focus: bool
) -> None:
    monkeypatch.setenv("SWAYSOCK", "x")
    windows = [{"pid": pid, "name": "wezterm", "focused": pid == front} for pid in (5, 9)]
    programs.add("swaymsg", {"get_tree": json.dumps({"nodes": windows})})
    programs.add("wezterm", {"list-clients": output})
    here = terminal_process(WEZTERM_PANE="2", WEZTERM_UNIX_SOCKET="/run/user/1/wezterm")
    assert WezTerm(Window()).detect(here)
    assert run(has_focus(here, ())) is focus


@pytest.mark.parametrize(
    ("output", "clients"),
    [
        ("CLIENT_ID ZELLIJ_PANE_ID RUNNING_COMMAND\n1 terminal_4 opencode", []),  # the client is not a local process
        ("CLIENT_ID ZELLIJ_PANE_ID RUNNING_COMMAND\n1 terminal_5 vim", []),
        ("CLIENT_ID ZELLIJ_PANE_ID RUNNING_COMMAND\n1 terminal_4 opencode\n2 terminal_5 vim", None),
        ("", None),
    ],
)
def test_zellij_clients_count_only_if_all_show_the_same_pane(
    programs: Programs, output: str, clients: list[MultiplexerClient] | None
) -> None:
    programs.add("zellij", {"list-clients": output})
    assert (
        run(Zellij().clients_showing(terminal_process(ZELLIJ_SESSION_NAME="no such session", ZELLIJ_PANE_ID="4")))
        == clients
    )


@pytest.mark.parametrize(
    ("name", "titles", "focus"),
    [
        ("OC | Work", ["Work"], True),
        ("OC | Other", ["Work"], False),  # the terminal shows another session
        ("OC | Other", ["Work", "Other"], True),  # one of its subagents
        ("OC | A title that is longer than what…", ["A title that is longer than what fits in there"], True),
        ("~ : OC | Work — Konsole", ["Work"], True),
        ("xterm", ["Work"], True),  # it does not say what it shows
        ("OpenCode", [""], True),
        ("OC | Work", [""], True),
    ],
)
def test_a_terminal_that_shows_another_session_does_not_count(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, name: str, titles: list[str], focus: bool
) -> None:
    monkeypatch.setenv("SWAYSOCK", "x")
    programs.add("swaymsg", {"get_tree": json.dumps({"pid": 5, "name": name, "focused": True})})
    assert run(has_focus(terminal_process(), titles)) is focus


def test_any_focused_terminal_decides_else_any_unknown_one() -> None:
    assert any_of([False, None, True]) is True
    assert any_of([False, None]) is None
    assert any_of([False, False]) is False
    assert any_of([]) is None


def test_focus_of_a_remote_session_or_without_a_terminal_is_unknown(programs: Programs) -> None:
    for server in (Server("s", "n", "elsewhere.example", "/p", pid=1), Server("s", "n", "", "/p")):
        assert run(is_looked_at(server, ["Work"])) is None
    assert programs.calls == []
