"""Where the bundled executable starts: `opencode-tray`, and the Python interpreter for the tray's own modules.

The tray starts some of its own parts as processes: the start at login, commands in a new terminal, hooks, and the
process that ends a tunnel. It does so with `sys.executable`, which is this executable in a bundle. So the executable
takes the same arguments as Python there: `[-I] [-P] [-S] (-m MODULE | FILE.py) ARGUMENT...`.
"""

from __future__ import annotations

import os
import sys

PYTHON_OPTIONS = {"-I", "-P", "-S"}  # they keep foreign modules out, of which a bundle has none
LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")


def restore_environment() -> None:
    """Remove what PyInstaller's boot loader has set for this process: other programs must not load our libraries.

    The boot loader keeps the user's value in NAME_ORIG. Its own variables make a second bundle think that it is a part
    of this one.
    """
    for name in LIBRARY_PATHS:
        original = os.environ.pop(f"{name}_ORIG", None)
        if original is not None:
            os.environ[name] = original
        elif getattr(sys, "frozen", False):
            os.environ.pop(name, None)
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]


def main() -> None:
    """Run a module or a file of the bundle, or the command line."""
    restore_environment()
    words = sys.argv[1:]
    while words and words[0] in PYTHON_OPTIONS:
        words.pop(0)
    if words[:1] == ["-m"] and len(words) > 1:
        import runpy  # noqa: PLC0415  # a command needs nothing of it

        sys.argv[1:] = words[2:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words and words[0].endswith(".py"):
        import runpy  # noqa: PLC0415

        sys.argv[:] = words
        runpy.run_path(words[0], run_name="__main__")
    else:
        from tray.cli.main import main as run_command  # noqa: PLC0415  # a hook needs nothing of it

        sys.exit(run_command())


if __name__ == "__main__":
    main()
