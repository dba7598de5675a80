"""The exact commands that terminals, compositors and dialogs receive; no environment variable can change them."""

from __future__ import annotations

import os
import sys

import pytest

from fake_programs import Programs, terminal_process
from tray.actions.attach.kitty import Kitty
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.terminal import Detached, Focused
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.system import text_dialog
from tray.system.terminal_processes import terminal_process_of
from tray.system.wayland_windows import focus
from waiting import run

if sys.platform == "win32":
    pytest.skip("the programs are scripts", allow_module_level=True)


def test_kitty_focuses_its_window_over_its_socket(programs: Programs) -> None:
    programs.add("kitty")
    here = terminal_process(KITTY_WINDOW_ID="3", KITTY_LISTEN_ON="unix:/tmp/kitty-9")
    assert Kitty().detect(here)
    assert run(Kitty().bring_to_front(here)) == Focused("Focused the kitty window")
    assert programs.calls == [["kitty", "@", "--to", "unix:/tmp/kitty-9", "focus-window", "--match", "id:3"]]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"KITTY_WINDOW_ID": "3"},  # no remote control
        {"KITTY_WINDOW_ID": "3 or id:4", "KITTY_LISTEN_ON": "unix:/tmp/x"},
        {"KITTY_WINDOW_ID": "3", "KITTY_LISTEN_ON": "tcp:evil.example:1"},
    ],
)
def test_an_invalid_or_remote_kitty_environment_is_not_detected(environment: dict[str, str]) -> None:
    assert not Kitty().detect(terminal_process(**environment))


def test_a_refusal_by_kitty_is_a_failure(programs: Programs) -> None:
    programs.add("kitty", {"focus-window": ""}, code=1)
    assert (
        run(Kitty().bring_to_front(terminal_process(KITTY_WINDOW_ID="3", KITTY_LISTEN_ON="unix:/tmp/kitty-9"))) is None
    )


def test_wezterm_activates_its_pane_through_its_own_socket(programs: Programs) -> None:
    programs.add("wezterm")
    here = terminal_process(WEZTERM_PANE="2", WEZTERM_UNIX_SOCKET="/run/user/1/wezterm")
    wezterm = WezTerm(Window())
    assert wezterm.detect(here)
    assert run(wezterm.bring_to_front(here)) == Focused("Focused the WezTerm pane")
    assert programs.calls == [["wezterm", "cli", "activate-pane", "--pane-id", "2"]]
    assert not wezterm.detect(terminal_process(WEZTERM_PANE="2; x", WEZTERM_UNIX_SOCKET="/x"))


def test_a_zellij_session_without_clients_is_detached(programs: Programs) -> None:
    programs.add("zellij")
    here = terminal_process(ZELLIJ_SESSION_NAME="work session", ZELLIJ_PANE_ID="4")
    assert Zellij().detect(here)
    assert run(Zellij().show_pane(here)) == Detached(["zellij", "attach", "work session"])
    for name in ("", "--help", "a\nb"):
        assert not Zellij().detect(terminal_process(ZELLIJ_SESSION_NAME=name, ZELLIJ_PANE_ID="4"))


@pytest.mark.parametrize(
    "environment",
    [
        {
            "KONSOLE_DBUS_SERVICE": "org.evil",
            "KONSOLE_DBUS_SESSION": "/Sessions/1",
            "KONSOLE_DBUS_WINDOW": "/Windows/1",
        },
        {"KONSOLE_DBUS_SERVICE": ":1.7", "KONSOLE_DBUS_SESSION": "/Sessions/x", "KONSOLE_DBUS_WINDOW": "/Windows/1"},
        {"KONSOLE_DBUS_SERVICE": ":1.7", "KONSOLE_DBUS_SESSION": "/Sessions/1", "KONSOLE_DBUS_WINDOW": "/MainApp"},
    ],
)
def test_an_invalid_konsole_environment_is_not_detected(environment: dict[str, str]) -> None:
    assert not Konsole(Window()).detect(terminal_process(**environment))


# ---------------------------------------------------------------------- compositors


def test_sway_focuses_the_first_process_with_a_window(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAYSOCK", "/run/sway")
    programs.add("swaymsg", {"pid=5": ""})
    assert run(focus((6, 5, 4)))
    assert programs.calls == [["swaymsg", "-q", f"[pid={pid}] focus"] for pid in (6, 5)]
    assert not run(focus((9, 8)))


def test_hyprland_failures_are_found_in_its_output_not_in_its_exit_code(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPRLAND_INSTANCE_SIGNATURE", "x")
    programs.add("hyprctl", {"clients": '[{"pid": 5}, 7]', "dispatch": "ok"})
    assert run(focus((6, 5, 4)))
    assert programs.calls[-1] == ["hyprctl", "dispatch", "focuswindow", "pid:5"]
    programs.add("hyprctl", {"clients": '[{"pid": 5}]', "dispatch": "No such window found"})
    assert not run(focus((5,)))
    programs.add("hyprctl", {"clients": "not JSON"})
    assert not run(focus((5,)))


def test_niri_focuses_the_window_by_its_id(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRI_SOCKET", "/run/niri")
    programs.add("niri", {"windows": '[{"id": 12, "pid": 5}]', "focus-window": ""})
    assert run(focus((6, 5)))
    assert programs.calls[-1] == ["niri", "msg", "action", "focus-window", "--id", "12"]


def test_kwin_is_controlled_with_kdotool(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    programs.add("kdotool", {"search --pid 5": "{0000-1111}", "windowactivate": ""})
    assert run(focus((6, 5)))
    assert programs.calls[-1] == ["kdotool", "windowactivate", "{0000-1111}"]


def test_without_a_desktop_no_window_is_raised(programs: Programs) -> None:
    assert run(Window().bring_to_front(terminal_process())) is None
    assert programs.calls == []


# ---------------------------------------------------------------------- dialogs


@pytest.mark.parametrize("program", ["zenity", "kdialog", "yad"])
def test_a_dialog_shows_any_question_as_plain_text(programs: Programs, program: str) -> None:
    programs.add(program, {"": "typed text"})
    assert run(text_dialog.ask_text("Title", "What <b>now</b> & \\n $(id)?", "--first")) == "typed text"
    (call,) = programs.calls
    assert call[0] == program
    words = " ".join(call[1:])
    assert "--first" not in call  # which would be an option
    assert "first" in words
    assert "$(id)" in words
    assert ("<b>" in words) == (program == "kdialog")  # the others read markup


def test_a_cancelled_dialog_returns_none(programs: Programs) -> None:
    programs.add("zenity", {"": ""}, code=1)
    assert run(text_dialog.ask_text("Title", "What?", "")) is None


def test_only_existing_processes_have_a_terminal_process() -> None:
    own = terminal_process_of(os.getpid())
    assert own is not None
    assert own.ancestors[0] == os.getppid()
    assert own.variable("PATH")
    assert terminal_process_of(0) is None
    assert terminal_process_of(2**22 + 1) is None
