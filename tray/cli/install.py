"""`install`, `uninstall`, and their parts: the plugin, the command link, and the start at login."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from tray.actions.install import (
    InstallError,
    install_application_entry,
    install_autostart,
    install_link,
    install_plugin,
    uninstall_application_entry,
    uninstall_autostart,
    uninstall_link,
    uninstall_plugin,
)
from tray.cli import install_hooks as hooks
from tray.cli.exit_codes import OK
from tray.system.application_entry import application_entry
from tray.system.autostart import Autostart, autostart, linux_autostart, startup_line
from tray.system.paths import Paths, command_link, environment_folder
from tray.system.sandbox import refuse_sandbox
from tray.system.systemd_unit import TARGET, systemctl


def install(options: argparse.Namespace) -> int:
    """Install the plugin, the autostart entry and the hooks of agents, and print what was done. Raises UserError."""
    refuse_sandbox()
    agents = hooks.chosen(options.agents)
    entry, advice = _autostart(uses_systemd=options.systemd)
    if options.dry_run:
        print(f"Would write {Paths.of(os.environ).plugin}")
        if (menu := application_entry(os.environ)) is not None and not menu.is_for_all:
            print(f"Would write {menu.path}")
        print(f"Would {'remove' if options.no_autostart else 'write'} {entry.place}")
        hooks.show(agents)
        return OK
    print(install_plugin(Paths.of(os.environ).plugin))
    if _program() == _installed_by_script():
        print(_link())
    if (menu := application_entry(os.environ)) is not None:
        print(install_application_entry(menu))
    if options.no_autostart:
        print(uninstall_autostart(entry))
    else:
        print(install_autostart(entry) + (f". {advice}" if advice else ""))
    if options.agents is None:
        hooks.offer()
    else:
        hooks.install(agents)
    return OK


def _autostart(*, uses_systemd: bool) -> tuple[Autostart, str]:
    """Return the autostart entry, and what the user has to do as well, if anything.

    Where the desktop reads no autostart entries, the unit of systemd is chosen if the session is one of systemd.
    """
    if sys.platform != "linux":
        if uses_systemd:
            raise InstallError("--systemd is for Linux")
        return autostart(), ""
    entries, line = linux_autostart(), startup_line(os.environ)
    if uses_systemd and shutil.which("systemctl") is None:
        raise InstallError("there is no systemd here; leave out --systemd")
    is_managed = (uses_systemd or line) and systemctl("is-active", TARGET)
    if uses_systemd and not is_managed:
        return entries.with_unit(), f"This session does not start {TARGET}: the tray starts only in sessions that do"
    if is_managed:
        return entries.with_unit(), ""
    if line and not entries.uses_unit:
        return entries, f"This desktop starts no such entries: add this line to its configuration: {line}"
    return entries, ""


def uninstall(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Remove what `install` wrote, and print which files are kept. Raises UserError."""
    paths = Paths.of(os.environ)
    removals: tuple[Callable[[], str], ...] = (
        lambda: uninstall_autostart(autostart()),
        lambda: uninstall_plugin(paths.plugin),
        lambda: uninstall_application_entry(entry) if (entry := application_entry(os.environ)) is not None else "",
        lambda: uninstall_link(command_link(), _installed_by_script()),
        *hooks.removals(),
    )
    errors: list[InstallError] = []
    for remove in removals:
        try:
            if removed := remove():
                print(removed)
        except InstallError as error:  # remove the others nevertheless
            errors.append(error)
    kept: dict[Path, list[str]] = {}
    contents = ((paths.settings, "settings"), (paths.token, "token"), (paths.cache, "state"), (paths.log, "logs"))
    for path, content in contents:
        if path.parent.is_dir():
            kept.setdefault(path.parent, []).append(content)
    if kept:
        print("These folders are kept; delete them if you no longer need them:")
    for folder, names in kept.items():
        print(f"  {folder}  ({', '.join(names)})")
    for line in _program_removal():
        print(line)
    if errors:
        raise InstallError("; ".join(map(str, errors)))
    return OK


def _program_removal() -> Iterator[str]:
    """Yield how to remove the program itself, for each way in which it was installed."""
    environment = environment_folder(os.environ)
    if (environment / "pyvenv.cfg").exists():
        size = sum(file.lstat().st_size for file in environment.rglob("*") if file.is_file())
        remove = f'rmdir /s "{environment}"' if sys.platform == "win32" else shlex.join(["rm", "-r", str(environment)])
        yield f"To remove the program ({size // 1_000_000} MB, installed by run.py): {remove}"
    for mark, command in (("pipx_metadata.json", "pipx uninstall"), ("uv-receipt.toml", "uv tool uninstall")):
        if (Path(sys.prefix) / mark).exists():
            yield f"To remove the program: {command} opencode-tray"


def _program() -> Path:
    """Return the path of this program's executable, if it was installed with one."""
    return Path(sysconfig.get_path("scripts")) / ("opencode-tray.exe" if sys.platform == "win32" else "opencode-tray")


def _installed_by_script() -> Path:
    """Return the path of the executable that packaging/run.py installs."""
    folder = environment_folder(os.environ)
    return folder / ("Scripts/opencode-tray.exe" if sys.platform == "win32" else "bin/opencode-tray")


def install_command(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Link the command into a folder of the PATH. Raises UserError."""
    print(_link())
    return OK


def _link() -> str:
    program = _program()
    if program != _installed_by_script() or sys.platform == "win32":
        found = shutil.which("opencode-tray")
        return f"The command is {found}" if found else f"The command is {program}; its folder is not on your PATH"
    return install_link(command_link(), program, os.environ.get("PATH", ""))


def install_plugin_only(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Install or update the plugin. Raises UserError."""
    print(install_plugin(Paths.of(os.environ).plugin))
    return OK


def uninstall_plugin_only(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Remove the plugin. Raises UserError."""
    print(uninstall_plugin(Paths.of(os.environ).plugin))
    return OK
