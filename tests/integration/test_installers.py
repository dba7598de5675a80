"""The built wheel and source distribution: accepted by twine, and the wheel installed with uv and pipx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tray import __version__
from tray_process import Home

ROOT = Path(__file__).parents[2]
WHEELS = os.environ.get("OPENCODE_TRAY_WHEELS", "")  # of the locked dependencies; set by packaging/check.py
PROGRAMS = Path(sys.executable).parent
SUFFIX = ".exe" if sys.platform == "win32" else ""
INSTALLERS = {"uv": ("uv", "tool"), "pipx": ("pipx",)}  # pipx installs with uv where it finds it, else with pip
OUR_OWN = ("tray/plugin/opencode-tray.js", "tray/surfaces/page/static/index.html", "tray/assets/opencode-tray.png")


def build(source: Path, folder: Path, *targets: str) -> Path:
    """Build the wheel, or these targets, of the project in a folder; return the folder that contains them."""
    words = [word for target in targets for word in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", "--directory", folder, *words]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source distribution of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("dist"), "wheel", "sdist")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home folder where both installers keep their files and link the command."""
    made = Home(tmp_path, (str(tmp_path / "bin" / f"opencode-tray{SUFFIX}"),))
    made.environment.pop("PYTHONPATH", None)  # the checkout
    made.environment |= {
        "PATH": os.pathsep.join((str(PROGRAMS), os.environ["PATH"])),  # pipx looks for uv
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_CONFIG_FILE": str(tmp_path / "uv.toml"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
    }
    yield made
    made.stop()


def run(home: Home, program: str, *words: str) -> None:
    """Run a program of this environment. Raises AssertionError with its output if it fails."""
    done = subprocess.run(
        [PROGRAMS / f"{program}{SUFFIX}", *words],
        env=home.environment, capture_output=True, text=True, errors="replace", timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_twine_accepts_both(built: Path, home: Home) -> None:
    names = sorted(file.name for file in built.iterdir())
    assert names == [f"opencode_tray-{__version__}-py3-none-any.whl", f"opencode_tray-{__version__}.tar.gz"]
    run(home, "twine", "check", "--strict", *(str(built / name) for name in names))


def test_the_wheel_of_the_source_distribution_is_the_same(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / f"opencode_tray-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    rebuilt = build(tmp_path / f"opencode_tray-{__version__}", tmp_path / "dist", "wheel")
    (first,), (second,) = built.glob("*.whl"), rebuilt.glob("*.whl")
    with zipfile.ZipFile(first) as wheel:
        assert set(OUR_OWN) <= set(wheel.namelist())
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.skipif(not WHEELS, reason="packaging/check.py downloads the dependencies")
@pytest.mark.parametrize("installer", INSTALLERS)
def test_the_installed_wheel_runs_with_plugin_and_page(built: Path, home: Home, installer: str) -> None:
    settings = f"no-index = true\nfind-links = {json.dumps([WHEELS, str(built)])}\n"
    (home.path / "uv.toml").write_text(settings, encoding="utf-8")
    program, *words = INSTALLERS[installer]
    run(home, program, *words, "install", "--python", sys.executable, "opencode-tray")
    assert home.run("--version").stdout == f"opencode-tray {__version__}\n"
    process = home.tray()
    assert home.status()["version"] == __version__
    port = ("--port", str(home.port))
    address = home.run("open", "--print", *port).stdout.partition("#")[0]
    with urllib.request.urlopen(address, timeout=10) as page:  # noqa: S310
        assert b"OpenCode Tray" in page.read()
    assert home.run("install-plugin").returncode == 0
    plugin = home.path / "config/opencode/plugin/opencode-tray.js"
    assert plugin.read_bytes() == (ROOT / "plugin/opencode-tray.js").read_bytes()
    assert home.run("stop", *port).returncode == 0
    process.wait(10)
    run(home, program, *words, "uninstall", "opencode-tray")
    assert not Path(home.program[0]).exists()
