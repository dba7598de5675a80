"""packaging/run.py in an empty home: what it writes, what it prints, and how everything is removed again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

import tray
from tray.actions.install import InstallError, install_link, uninstall_link
from tray_process import Home

RUN = Path(__file__).parent.parent.parent / "packaging" / "run.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no links there; the program says where it is")

PIP = f"""
import pathlib, sys
if "install" in sys.argv:  # what pip makes of the entry point
    program = pathlib.Path(sys.prefix, "bin", "opencode-tray")
    program.write_text(f"#!{{sys.executable}}\\nimport sys; from tray.cli.main import main; sys.exit(main())")
    program.chmod(0o755)
    found = {[str(Path(tray.__file__).parent.parent), sysconfig.get_path("purelib")]!r}
    pathlib.Path(__file__).parent.parent.joinpath("tray.pth").write_text("\\n".join(found))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home; in its environment a pip that needs no network."""
    made = Home(tmp_path)
    for name in [name for name in made.environment if name.startswith("XDG_")]:
        del made.environment[name]
    yield made
    made.stop()


def everything(home: Home) -> set[str]:
    return {str(path.relative_to(home.path)) for path in home.path.rglob("*")}


def start(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(RUN), *arguments],
        env=home.environment,
        cwd=home.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def listening(home: Home) -> tuple[subprocess.Popen[str], list[str]]:
    """Run it until the tray listens; the process, and what it said."""
    process = start(home, "--headless", "--no-notify", "--port", str(home.port))
    assert process.stdout is not None
    said: list[str] = []
    while not said or "listens on" not in said[-1]:
        said.append(process.stdout.readline())
        assert said[-1], said
    return process, said


def set_up(home: Home) -> list[str]:
    """Run it until the tray listens, and end it as Ctrl-C does; what it said."""
    process, said = listening(home)
    assert process.stdout is not None
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()
    return said


def prepared(home: Home) -> Path:
    folder = home.path / ".local/share/opencode-tray/venv"
    venv.create(folder, symlinks=True)
    pip = next(folder.glob("lib/python*/site-packages")) / "pip"
    pip.mkdir()
    (pip / "__main__.py").write_text(PIP, encoding="utf-8")
    return folder


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_installs_and_writes_nothing(home: Home, flag: str) -> None:
    process = start(home, flag)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "--headless" in said
    assert "installs" in said or "environment" in said
    assert everything(home) == set()


def test_only_the_first_run_prints_the_next_steps(home: Home) -> None:
    environment = prepared(home)
    said = "".join(set_up(home))
    for words in ("Start `opencode`", "restart it once", "Ctrl-C stops", "install` makes it start at login"):
        assert words in said
    link = home.path / ".local/bin/opencode-tray"
    assert link.resolve() == environment / "bin/opencode-tray"
    assert f'export PATH="{link.parent}:$PATH"' in said  # it is not on it here
    assert "Next steps" not in "".join(set_up(home))


def test_terminating_run_py_terminates_the_tray(home: Home) -> None:
    prepared(home)
    process, _ = listening(home)
    process.terminate()
    assert process.wait(10) == 0
    assert process.stdout is not None
    assert process.stdout.read() == ""  # no process has its end open, so no tray is left
    process.stdout.close()


def test_uninstall_removes_the_link_and_prints_how_to_remove_the_program(home: Home) -> None:
    environment = prepared(home)
    set_up(home)
    link = home.path / ".local/bin/opencode-tray"
    done = subprocess.run([link, "uninstall"], env=home.environment, capture_output=True, text=True, check=True)
    assert f"Removed {link}" in done.stdout
    assert not os.path.lexists(link)
    assert f"rm -r {environment}" in done.stdout
    assert " MB" in done.stdout
    kept = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(kept) == len(set(kept)) == 2  # one line for each folder: token and state, logs
    assert any("token, state" in line for line in kept)


def test_uninstall_prints_the_command_of_pipx_or_uv(home: Home) -> None:
    for mark, command in (("pipx_metadata.json", "pipx uninstall"), ("uv-receipt.toml", "uv tool uninstall")):
        folder = home.path / command.split()[0]
        venv.create(folder, symlinks=True)
        (folder / mark).touch()
        found = next(folder.glob("lib/python*/site-packages")) / "tray.pth"
        found.write_text(f"{Path(tray.__file__).parent.parent}\n{sysconfig.get_path('purelib')}", encoding="utf-8")
        done = subprocess.run(
            [folder / "bin/python", "-I", "-m", "tray", "uninstall"],
            env=home.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"{command} opencode-tray" in done.stdout


def test_a_file_of_another_program_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    link, program = tmp_path / "bin/opencode-tray", tmp_path / "venv/bin/opencode-tray"
    for path in (link, program):
        path.parent.mkdir(parents=True)
        path.write_text("mine", encoding="utf-8")
    assert "left in place" in install_link(link, program, "")
    assert uninstall_link(link, program) == ""
    assert link.read_text(encoding="utf-8") == "mine"
    link.unlink()
    link.symlink_to(tmp_path / "pipx/bin/opencode-tray")  # also one that leads nowhere
    assert "left in place" in install_link(link, program, "")
    assert uninstall_link(link, program) == ""
    assert link.is_symlink()


def test_the_link_needs_an_existing_program_and_can_be_installed_twice(tmp_path: Path) -> None:
    link, program = tmp_path / "bin/opencode-tray", tmp_path / "venv/bin/opencode-tray"
    with pytest.raises(InstallError):
        install_link(link, program, "")
    program.parent.mkdir(parents=True)
    program.touch()
    for _ in range(2):
        assert install_link(link, program, str(link.parent)) == f"The command is {link}"
    program.unlink()
    assert uninstall_link(link, program) == f"Removed {link}"
    assert not os.path.lexists(link)
