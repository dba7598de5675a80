"""On Windows no program that the tray starts opens a console window: it would take the keyboard focus."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tray.system.own_program import own_python

TRAY = Path(__file__).parents[2] / "tray"
FROM_A_TERMINAL = {"cli/report.py", "cli/serve_open.py"}  # the user's, which the program uses
NOT_ON_WINDOWS = {"system/open_file.py"}


def calls(file: Path) -> list[ast.Call]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    started = ("asyncio.create_subprocess_exec", "subprocess.Popen")
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in started]


def test_each_process_is_started_without_a_window_or_with_one_on_purpose() -> None:
    without: set[str] = set()
    for file in TRAY.rglob("*.py"):
        for call in calls(file):
            names = {keyword.arg for keyword in call.keywords}
            if not names & {"creationflags", "start_new_session"}:
                without.add(file.relative_to(TRAY).as_posix())
    assert without == FROM_A_TERMINAL | NOT_ON_WINDOWS


@pytest.mark.parametrize("name", ["python", "opencode-tray"])
def test_a_program_without_a_console_starts_the_one_that_prints(tmp_path: Path, name: str) -> None:
    windowed = tmp_path / f"{name}w.exe"
    assert own_python(str(windowed)) == str(windowed)  # there is no other one
    (tmp_path / f"{name}.exe").touch()
    assert own_python(str(windowed)) == str(tmp_path / f"{name}.exe")
    assert own_python("/usr/bin/python3") == "/usr/bin/python3"
