#!/usr/bin/env python3
"""Look up known vulnerabilities of all locked packages: pip-audit for the lock files, npm for the plugin.

Exit code 0 only if every package was looked up and none is vulnerable; 1 for a vulnerability; 2 if a service could not
be asked, or does not know a package: nothing is claimed then. requirements-lowest.lock is reported only: it holds the
lowest versions that pyproject.toml allows, which only tests install.

Needs an environment with requirements-audit.lock: `packaging/check.py --only audit` has one.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from project import ROOT

PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
ONLY_REPORTED = "requirements-lowest.lock"
VULNERABLE, UNKNOWN = 1, 2  # exit codes
SHOWN = 5  # names of packages that were not looked up


class Result(NamedTuple):
    """What was found."""

    audited: int = 0  # packages
    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # packages that were not looked up, or why none was


def layers(lock: str) -> Iterator[dict[str, str]]:
    """Yield the packages of a lock file for all systems as {name: version}; a second version is in another layer."""
    left = list(dict.fromkeys(PIN.findall(lock)))
    while left:
        layer: dict[str, str] = {}
        for name, version in left:
            layer.setdefault(name, version)
        yield layer
        left = [(name, version) for name, version in left if layer[name] != version]


def read_pip_audit(output: str, wanted: Mapping[str, str]) -> Result:
    """Return what `pip-audit --format json` printed. It ends with success if it knows no package at all."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Result(unknown=("pip-audit could not ask its service",))
    audited = {each["name"]: each for each in found if "vulns" in each}
    vulnerable = (f"{name} {each['version']}: {vuln['id']}" for name, each in audited.items() for vuln in each["vulns"])
    left = (f"{name} {version}" for name, version in wanted.items() if name not in audited)
    return Result(len(audited), tuple(vulnerable), tuple(left))


def read_npm_audit(output: str) -> Result:
    """Return what `npm audit --json` printed."""
    try:
        report = json.loads(output)
        count = int(report["metadata"]["dependencies"]["total"])
        found = (f"{name}: {each['severity']}" for name, each in report["vulnerabilities"].items())
        return Result(count, tuple(found))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Result(unknown=("npm could not ask its registry",))


def audit_lock(lock: Path) -> Result:
    """Look up the packages of a lock file."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for layer in layers(lock.read_text(encoding="utf-8")):
            file = Path(folder) / "requirements.txt"  # without markers: pip-audit would leave out other systems
            file.write_text("".join(f"{name}=={version}\n" for name, version in layer.items()), encoding="utf-8")
            options = (
                "--requirement",
                file,
                "--no-deps",
                "--disable-pip",
                "--format",
                "json",
                "--progress-spinner",
                "off",
            )
            output = _output(sys.executable, "-m", "pip_audit", *options)
            results.append(read_pip_audit(output, layer))
    return Result(
        sum(each.audited for each in results), *(sum(parts, ()) for parts in list(zip(*results, strict=True))[1:])
    )


def audit_plugin() -> Result:
    """Look up the packages that build and test the plugin. It has none of its own."""
    npm = shutil.which("npm")
    if npm is None:
        return Result(unknown=("npm is not installed",))
    return read_npm_audit(_output(npm, "audit", "--json", "--package-lock-only", "--prefix", ROOT / "plugin"))


def _output(*command: str | Path) -> str:
    """Return what a command printed. Both programs fail if there is a vulnerability, and say so in their output."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout


def main() -> int:
    """Print what was found for each file."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    code = 0
    locks = sorted((ROOT / "packaging").glob("requirements*.lock"))
    found = {lock.name: audit_lock(lock) for lock in locks} | {"plugin/package-lock.json": audit_plugin()}
    for name, result in found.items():
        print(f"{name}: {result.audited} packages looked up, {len(result.vulnerable)} vulnerabilities")
        for line in result.vulnerable:
            print(f"  VULNERABLE {line}")
        if result.unknown:
            more = f", … ({len(result.unknown)} packages)" if len(result.unknown) > SHOWN else ""
            print(f"  NOT LOOKED UP: {', '.join(result.unknown[:SHOWN])}{more}")
            code = code or UNKNOWN
        if result.vulnerable and name != ONLY_REPORTED:
            code = VULNERABLE
    if code == UNKNOWN:
        print("The audit is not complete: nothing is known about the packages that were not looked up.")
    return code


if __name__ == "__main__":
    sys.exit(main())
