"""What is built for users: the bundle, and the Debian package on a system without Python, with icon and answer."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from desk import Desk
from test_answering import ANSWER
from test_app import BUSY, REQUEST, WAITING, snapshot
from tray_with_icon import TrayWithIcon

from fake_desktop import need
from tray import __version__
from waiting import until

pytestmark = pytest.mark.desktop

BUILT = os.environ.get("OPENCODE_TRAY_PACKAGES", "")  # set by packaging/check.py, which builds them
DEBIAN = os.environ.get("DEBIAN_ROOT_ARCHIVE", "")  # the same
MAX_SIZE = 62  # MB of the unpacked bundle


@pytest.fixture(scope="module")
def built() -> Path:
    if not BUILT:
        pytest.skip("no packages were built; run packaging/check.py")
    return Path(BUILT)


@pytest.fixture(scope="module")
def bundle(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the executable of the unpacked archive, in a folder with a space."""
    folder = tmp_path_factory.mktemp("my programs")
    (archive,) = built.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder, filter="data")
    return folder / f"opencode-tray-{__version__}" / "opencode-tray"


@contextmanager
def tray_of(desk: Desk, folder: Path, *program: str) -> Iterator[TrayWithIcon]:
    folder.mkdir()
    desk.start_panel(dark=True)
    made = TrayWithIcon(desk, folder, *program)
    try:
        yield made
    finally:
        made.home.stop()


def answer_in_the_menu(tray: TrayWithIcon, screenshot: str) -> None:
    """Let a plugin ask, and allow it once with the mouse."""
    desk = tray.desk
    with tray.plugin() as plugin:
        plugin.send(snapshot())
        tray.icon(BUSY)
        plugin.event("permission.asked", **REQUEST)
        menu = desk.open_menu(*tray.icon(WAITING))
        answers = desk.open_menu(menu.x + 60, desk.rows(menu)[ANSWER], button=1)
        desk.screenshot(screenshot)
        desk.click(answers.x + 60, desk.rows(answers)[2])  # after the request's text in two lines
        audit = tray.home.path / "data/opencode-tray/audit.jsonl"
        until(lambda: audit.exists() and '"Allowed once"' in audit.read_text(encoding="utf-8"), "the answer")


def test_the_bundle_is_small_and_shows_its_icon_and_menu(bundle: Path, desk: Desk, tmp_path: Path) -> None:
    size = sum(file.lstat().st_size for file in bundle.parent.rglob("*") if file.is_file())
    assert size < MAX_SIZE * 1_000_000
    with tray_of(desk, tmp_path / "tray", str(bundle)) as tray:
        answer_in_the_menu(tray, "bundle-menu")


def test_the_bundle_contains_the_licence_of_each_package_and_the_lgpl_ones_as_files(bundle: Path) -> None:
    inside = bundle.parent / "_internal"
    page = (Path(__file__).parents[2] / "docs/licences.md").read_text(encoding="utf-8")
    locked = re.findall(r"^\| ([a-z][\w.-]*) \| \S+ \| .+ \| (?:all|Linux) \|$", page, re.MULTILINE)
    build_only = {"hatchling", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}
    for name in {*locked, "python", "pyinstaller"} - build_only:
        texts = [file for file in (inside / "licences" / name).glob("*") if file.stat().st_size > 100]
        assert texts, name
    for name, module in (("pystray", "pystray"), ("python-xlib", "Xlib"), ("zeroconf", "zeroconf")):
        texts = [file.read_text(encoding="utf-8") for file in (inside / "licences" / name).iterdir()]
        assert any("GNU LESSER GENERAL PUBLIC LICENSE" in text for text in texts), name
        assert (inside / module / "__init__.pyc").exists()


def test_programs_that_the_bundle_starts_load_their_own_libraries(bundle: Path) -> None:
    """The boot loader sets LD_LIBRARY_PATH for the bundle; another program would load our libraries with it."""
    command = [bundle, "-P", "-m", "tray.system.bound_program", "env"]
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "/of/the/user"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen = process.stdout.read().splitlines()
    assert "LD_LIBRARY_PATH=/of/the/user" in seen
    assert not [line for line in seen if line.startswith("_PYI")]


def test_the_start_at_login_runs_the_bundle(bundle: Path, desk: Desk, tmp_path: Path) -> None:
    need("gio")
    with tray_of(desk, tmp_path / "tray", str(bundle)) as tray:
        home = tray.home
        tray.process.terminate()
        tray.process.wait(10)
        done = home.run("install", "--agents", "")
        assert done.returncode == 0, done.stderr
        entry = home.path / "config/autostart/opencode-tray.desktop"
        environment = {**home.environment, "OPENCODE_TRAY_LISTENER_PORT": str(home.port)}
        subprocess.run(["gio", "launch", entry], env=environment, check=True, timeout=20)
        until(lambda: home.run("status", "--port", str(home.port)).returncode == 0, "the tray", 20)
        assert home.run("stop", "--port", str(home.port)).returncode == 0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the root of a Debian without Python, which sees the temporary files of this one."""
    if os.geteuid() != 0 or not Path(DEBIAN).exists():
        pytest.skip("there is no Debian to install it in; run packaging/check.py as root")
    root = tmp_path_factory.mktemp("debian")
    subprocess.run(["tar", "-C", root, "-xf", DEBIAN], check=True, timeout=60)
    mounts = (["mount", "--bind", tempfile.gettempdir(), root / "tmp"], ["mount", "-t", "proc", "proc", root / "proc"])
    for command in mounts:
        subprocess.run(command, check=True, timeout=10)
    yield root
    for command in mounts:
        subprocess.run(["umount", "--lazy", command[-1]], check=True, timeout=10)
    shutil.rmtree(root)  # pytest would keep it


def files_of(root: Path) -> set[Path]:
    """Return all files but those of the package manager and temporary ones."""
    apart = {root / name for name in ("tmp", "proc", "var/lib/apt", "var/lib/dpkg", "var/log", "var/cache")}
    found: set[Path] = set()
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder) / name not in apart]
        found.update(Path(folder) / name for name in names)
    return found


def test_the_debian_package_works_without_python_and_leaves_nothing(
    built: Path, system: Path, desk: Desk, tmp_path: Path
) -> None:
    def inside(*command: str) -> str:
        done = subprocess.run(
            ["chroot", system, *command], capture_output=True, text=True, check=False, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    before = files_of(system)
    (package,) = built.glob("*.deb")
    shutil.copy(package, tmp_path)
    assert not (system / "usr/bin/python3").exists()
    options = ("--yes", "--no-install-recommends", "--option", "Dpkg::Use-Pty=0")
    inside("apt-get", "install", *options, f"{tmp_path}/{package.name}")
    assert inside("opencode-tray", "--version") == f"opencode-tray {__version__}\n"
    for path in (
        "usr/share/man/man1/opencode-tray.1.gz",
        "usr/share/bash-completion/completions/opencode-tray",
        "usr/share/zsh/site-functions/_opencode-tray",
        "usr/share/fish/vendor_completions.d/opencode-tray.fish",
        "usr/share/icons/hicolor/scalable/apps/opencode-tray.svg",
        "etc/xdg/autostart/opencode-tray.desktop",
    ):
        assert (system / path).exists(), path
    assert "LESSER" in inside("cat", "/usr/share/doc/opencode-tray/licences/pystray/COPYING.LGPL")
    with tray_of(desk, tmp_path / "tray", "chroot", str(system), "/usr/bin/opencode-tray") as tray:
        answer_in_the_menu(tray, "debian-package-menu")
        assert tray.home.run("install", "--no-autostart", "--agents", "").returncode == 0
        entry = tray.home.path / "config/autostart/opencode-tray.desktop"
        assert "Hidden=true" in entry.read_text()
        assert tray.home.run("stop", "--port", str(tray.home.port)).returncode == 0
        tray.process.wait(10)
    inside("apt-get", "purge", "--yes", "opencode-tray")
    assert files_of(system) - before == set()


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-utils is not installed")
def test_the_entry_of_the_application_menu_is_valid() -> None:
    file = Path(__file__).parents[2] / "packaging/bundle/opencode-tray.desktop"
    done = subprocess.run(["desktop-file-validate", file], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_packages_are_named_by_version_and_machine(built: Path) -> None:
    machine = platform.machine()
    names = {file.name for file in built.iterdir() if file.is_file()}
    debian = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    assert names == {
        f"opencode-tray-{__version__}-linux-{machine}.tar.gz",
        f"opencode-tray_{__version__}_{debian}.deb",
        f"opencode-tray-{__version__}-1.{machine}.rpm",
    }
