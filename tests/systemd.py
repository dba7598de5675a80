"""A user manager of systemd of its own, as after login."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from waiting import until

SYSTEMD = "/usr/lib/systemd/systemd"
# The manager refuses to run on a machine that was not booted with systemd: /run is replaced for it alone.
START = f"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {SYSTEMD} --user --log-target=console"


def missing() -> str:
    """Return what a user manager needs and is not here; "" if nothing is."""
    needed = ("systemctl", "unshare", "mount", SYSTEMD)
    names = [name for name in needed if shutil.which(name) is None]
    if names:
        return f"not installed: {', '.join(names)}"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "this user may not make a mount namespace"


class UserManager:
    """A running user manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def run(self, *words: str) -> str:
        """Run a systemctl command and return what it prints."""
        command = ["systemctl", "--user", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=False
        )  # fmt: skip
        return done.stdout.strip()

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return self.run("is-active", unit) == "active"

    def start_session(self) -> None:
        """Start the graphical session, as a compositor does."""
        self.run("start", "session.target")
        until(lambda: self.is_active("graphical-session.target"), "the graphical session")


@contextmanager
def user_manager(folder: Path, environment: Mapping[str, str]) -> Iterator[UserManager]:
    """Run a user manager with this environment; end it with all its units afterwards."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    units = Path(environment["XDG_CONFIG_HOME"]) / "systemd/user"
    units.mkdir(parents=True, exist_ok=True)
    # A graphical session is started by a target that binds to it (systemd.special(7)).
    (units / "session.target").write_text("[Unit]\nBindsTo=graphical-session.target\n", encoding="utf-8")
    manager = UserManager({**environment, "XDG_RUNTIME_DIR": str(runtime)})
    running = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", START],
        env=manager.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until((runtime / "systemd/private").exists, "the user manager")
        yield manager
    finally:
        manager.run("exit")
        running.wait(30)
