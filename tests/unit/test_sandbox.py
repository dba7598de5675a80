"""Sandboxes in which the tray refuses to start, because it would see nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tray.actions.doctor.finding import Level
from tray.actions.doctor.installation import sandbox as check
from tray.cli.main import main
from tray.system import sandbox
from tray.system.sandbox import Sandbox, find_sandbox

STORE = (
    "C:\\Program Files\\WindowsApps\\PythonSoftwareFoundation.Python.3.13_3.13.2544.0_x64__qbz5n2kfra8p0",
    "C:/Program Files/WindowsApps/PythonSoftwareFoundation.Python.3.11_3.11.9_x64__qbz5n2kfra8p0",
)
OTHERS = ("C:\\py", "C:\\Users\\a\\AppData\\Local\\Programs\\Python\\Python313", "C:\\WindowsApps\\Python")


@pytest.mark.parametrize("python", STORE)
def test_the_python_of_the_store_is_refused(tmp_path: Path, python: str) -> None:
    found = find_sandbox(tmp_path / "none", python, "win32")
    assert found is not None
    assert "Microsoft Store" in found.problem


@pytest.mark.parametrize("python", OTHERS)
def test_other_pythons_are_not(tmp_path: Path, python: str) -> None:
    assert find_sandbox(tmp_path / "none", python, "win32") is None


def test_flatpak_is_recognised_by_its_file(tmp_path: Path) -> None:
    info = tmp_path / ".flatpak-info"
    assert find_sandbox(info, "/usr", "linux") is None
    info.touch()
    found = find_sandbox(info, "/usr", "linux")
    assert found is not None
    assert "flatpak-spawn --host" in found.advice


@pytest.mark.parametrize("command", [["run", "--headless"], ["install", "--agents", "none"]])
def test_run_and_install_end_with_the_reason(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox, "find_sandbox", lambda: Sandbox("this is a sandbox", "Leave it"))
    assert main(command) == 2
    assert capsys.readouterr().err == "opencode-tray: this is a sandbox. Leave it\n"


def test_doctor_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def findings(found: Sandbox | None) -> list[tuple[Level, str, str]]:
        monkeypatch.setattr("tray.actions.doctor.installation.find_sandbox", lambda: found)
        return [(finding.level, finding.message, finding.fix) for finding in check(None)]  # type: ignore[arg-type]

    assert findings(Sandbox("this is a sandbox", "Leave it")) == [(Level.BROKEN, "this is a sandbox", "Leave it")]
    assert findings(None) == []
