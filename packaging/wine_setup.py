#!/usr/bin/env python3
"""Build the Windows bundle and its setup program under Wine, and test them: `wine_setup.py [-- ARGUMENTS of pytest]`.

The files are left in `windows-packages` of check.py's cache folder. Needs what wine.py needs, Debian's `nsis`, and an X
server for the tests of the icon: the step `windows_setup` of check.py has all of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys

from build_setup import build_setup
from check import CACHE, ROOT, run
from wine import WinePrefix

OUTPUT, WORK = CACHE / "windows-packages", CACHE / "windows-packages-work"
TESTS = "tests/desktop/test_windows_setup.py"


def main() -> int:
    """Build, and run the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    prefix = WinePrefix()
    bundler = prefix.install_bundler() if prefix.make() else None
    if bundler is None:
        return 1
    for folder in (OUTPUT, WORK):
        shutil.rmtree(folder, ignore_errors=True)
    script = (str(ROOT / "packaging/build_packages.py"), "--output", str(OUTPUT), "--work", str(WORK))
    if not prefix.run(prefix.python, *script, PYTHONPATH=f"Z:{bundler}"):
        return 1
    (archive,) = OUTPUT.glob("*.zip")
    setup = build_setup(archive, OUTPUT)
    variables = {"WINE_TEST_PREFIX": prefix.environment["WINEPREFIX"], "WINE_TEST_SETUP": str(setup)}
    return 0 if run(sys.executable, "-P", "-m", "pytest", TESTS, *options.pytest, **variables) else 1


if __name__ == "__main__":
    sys.exit(main())
