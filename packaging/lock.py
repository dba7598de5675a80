#!/usr/bin/env python3
"""Write the lock files: exact versions with hashes, for every platform and every supported Python.

    requirements.lock         what run.py installs: the dependencies and the build back end
    requirements-dev.lock     what check.py installs: the same versions, all extras and other dependency groups
    requirements-bundle.lock  what build_packages.py needs: the same versions, the extra `team`, and the group `bundle`
    requirements-audit.lock   what its step `audit` installs: the group `audit` alone
    requirements-lowest.lock  what its step `lowest` installs: the lowest versions that pyproject.toml allows

Run it after each change of a requirement in pyproject.toml. Locked versions stay; `--upgrade` takes the newest.
Needs uv: pip install --group lock
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
LOCK, DEV_LOCK, BUNDLE_LOCK, AUDIT_LOCK, LOWEST_LOCK = (
    PACKAGING / f"requirements{name}.lock" for name in ("", "-dev", "-bundle", "-audit", "-lowest")
)
APART = ("lock", "bundle", "audit")  # groups that no other lock file contains
OLDEST_PYTHON = "3.11"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")


def compile_lock(output: Path, *options: str | Path, sources: tuple[str, ...] = ("pyproject.toml",)) -> None:
    """Run `uv pip compile`. Raises CalledProcessError, after uv's own message, if there is no solution.

    Without `sources`, the project's own requirements are left out.
    """
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if uv is None:
        sys.exit("lock.py needs uv; install it with: pip install --group lock")
    command = (
        uv, "pip", "compile", *sources, "--quiet", "--universal", "--python-version", OLDEST_PYTHON,
        "--generate-hashes", "--no-emit-index-url", "--no-annotate",
        "--custom-compile-command", "python packaging/lock.py", "--output-file", output, *options,
    )  # fmt: skip
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True)


def main() -> None:
    """Write the five files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of the locked ones")
    upgrade = ("--upgrade",) if parser.parse_args().upgrade else ()
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    groups = [name for name in project["dependency-groups"] if name not in APART]
    extras = [word for words in project["project"]["optional-dependencies"].values() for word in words]
    compile_lock(LOCK, "--group", "build", *upgrade)
    every_group = [word for name in groups for word in ("--group", name)]
    compile_lock(DEV_LOCK, *every_group, "--all-extras", "--constraints", LOCK, *upgrade)
    bundled = ("--group", "build", "--group", "bundle", "--extra", "team")
    compile_lock(BUNDLE_LOCK, *bundled, "--constraints", DEV_LOCK, *upgrade)
    compile_lock(AUDIT_LOCK, "--group", "audit", "--constraints", DEV_LOCK, *upgrade, sources=())
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder) / "tools.txt"  # the test tools are not what is tested: they keep their locked versions
        shipped = set(PIN.findall(LOCK.read_text(encoding="utf-8")))
        shipped |= {found[0] for word in extras if (found := NAME.match(word))}
        pins = DEV_LOCK.read_text(encoding="utf-8").replace(" \\\n", "\n").splitlines()
        tools.write_text("\n".join(pin for pin in pins if (name := PIN.match(pin)) and name[1] not in shipped))
        LOWEST_LOCK.unlink(missing_ok=True)  # uv prefers the versions in the file that it replaces
        compile_lock(
            LOWEST_LOCK, "--group", "build", "--group", "test", "--all-extras", "--constraints", tools,
            "--resolution", "lowest-direct",
        )  # fmt: skip


if __name__ == "__main__":
    main()
