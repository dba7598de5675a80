"""What `run` does if the tray cannot start or stops because of an error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tray.app.application import App
from tray.cli import run, start_failure
from tray.cli.exit_codes import FAILED
from tray.cli.run import Program
from tray.core.settings import ON_MACHINE, OTHER_AGENTS, PAGE, PORT, Settings
from tray.storage.token import Token
from tray.system.paths import Paths
from waiting import until


@pytest.mark.parametrize("method", ["start", "run_until_stopped"])
def test_the_exit_code_after_an_error_restarts_the_tray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(App, method, fail)
    if method == "run_until_stopped":
        monkeypatch.setattr(App, "start", _start)
    program = Program(Paths.inside(tmp_path), Settings({}, {}), {}, Token("x" * 64), headless=True, notify=False)
    assert program.run() == FAILED


@pytest.mark.parametrize("headless", [False, True])
def test_without_stderr_a_failure_is_logged_and_shown_unless_there_may_be_no_user(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, headless: bool
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(start_failure, "show_error", shown.append)
    monkeypatch.setattr(sys, "stderr", None)
    start_failure.report("port 1 is in use", headless=headless)
    assert shown == ([] if headless else ["port 1 is in use"])
    assert caplog.messages == ["port 1 is in use"]


def test_with_stderr_a_failure_is_printed_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(start_failure, "show_error", shown.append)
    start_failure.report("port 1 is in use", headless=False)
    assert capsys.readouterr().err == "opencode-tray: port 1 is in use\n"
    assert (shown, caplog.messages) == ([], [])


async def _start(*_: object) -> int:
    return 0


def test_a_tray_that_is_stopped_while_its_icon_opens_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has ended before the icon is there."""
    settings = Settings({PORT.key: 0, PAGE.key: False, ON_MACHINE.key: False, OTHER_AGENTS.key: False}, {})
    program = Program(Paths.inside(tmp_path), settings, {}, Token("x" * 64), headless=False, notify=False)
    opened: list[str] = []

    class Icon:
        has_menu, name = True, "fake"

        def show(self, view: object) -> None:
            opened.append("shown")

        def run(self) -> None:
            opened.append("ended")

        def stop(self) -> None:
            opened.append("stopped")

    def open_icon(*_: object) -> Icon:
        app = program._app  # noqa: SLF001  # the app that is stopped just now
        assert app is not None
        program._loop.call_soon_threadsafe(app.stop)  # noqa: SLF001
        until(program._loop.is_closed, "the end of the loop")  # noqa: SLF001
        return Icon()

    monkeypatch.setattr("tray.surfaces.backends.open_icon.open_tray_icon", open_icon)
    monkeypatch.setattr(run, "StopSignals", lambda: None)
    assert program.run() == 0
    assert "ended" in opened
