"""`install`, `uninstall`, the same for the plugin alone, and `config`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tray.actions.autostart import install_autostart, uninstall_autostart
from tray.actions.command_link import install_link, uninstall_link
from tray.actions.plugin_file import install_plugin, uninstall_plugin
from tray.cli.exit_codes import OK
from tray.core.settings import PORT, SETTINGS
from tray.storage.settings_file import load_settings
from tray.system.autostart import autostart
from tray.system.paths import Paths, command_link, environment_folder


def _install(options: argparse.Namespace) -> int:
    print(install_plugin(Paths.of(os.environ).plugin))
    if _program() == _installed_by_script():
        print(_link())
    print(uninstall_autostart(autostart()) if options.no_autostart else install_autostart(autostart()))
    return OK


def _uninstall(options: argparse.Namespace) -> int:  # noqa: ARG001
    paths = Paths.of(os.environ)
    print(uninstall_autostart(autostart()))
    print(uninstall_plugin(paths.plugin))
    if removed := uninstall_link(command_link(), _installed_by_script()):
        print(removed)
    kept: dict[Path, list[str]] = {}
    contents = ((paths.settings, "settings"), (paths.token, "token"), (paths.cache, "state"), (paths.log, "logs"))
    for path, what in contents:
        if path.parent.is_dir():
            kept.setdefault(path.parent, []).append(what)
    if kept:
        print("Kept, for you to remove by hand:")
    for folder, what_is_there in kept.items():
        print(f"  {folder}  ({', '.join(what_is_there)})")
    for line in _programs_left():
        print(line)
    return OK


def _programs_left() -> Iterator[str]:
    """How the program itself goes, for each way in which it was installed."""
    environment = environment_folder(os.environ)
    if (environment / "pyvenv.cfg").exists():
        size = sum(file.lstat().st_size for file in environment.rglob("*") if file.is_file())
        remove = f'rmdir /s "{environment}"' if sys.platform == "win32" else shlex.join(["rm", "-r", str(environment)])
        yield f"The program itself, {size // 1_000_000} MB, was put there by run.py. To remove it: {remove}"
    for mark, command in (("pipx_metadata.json", "pipx uninstall"), ("uv-receipt.toml", "uv tool uninstall")):
        if (Path(sys.prefix) / mark).exists():
            yield f"To remove the program itself: {command} opencode-tray"


def _program() -> Path:
    """This program's own executable, if it was installed with one."""
    return Path(sysconfig.get_path("scripts")) / ("opencode-tray.exe" if sys.platform == "win32" else "opencode-tray")


def _installed_by_script() -> Path:
    """The executable that packaging/run.py installs."""
    folder = environment_folder(os.environ)
    return folder / ("Scripts/opencode-tray.exe" if sys.platform == "win32" else "bin/opencode-tray")


def _install_command(options: argparse.Namespace) -> int:  # noqa: ARG001
    print(_link())
    return OK


def _link() -> str:
    program = _program()
    if program != _installed_by_script() or sys.platform == "win32":
        found = shutil.which("opencode-tray")
        return f"The command is {found}" if found else f"The command is {program}; its folder is not on your PATH"
    return install_link(command_link(), program, os.environ.get("PATH", ""))


def _install_plugin(options: argparse.Namespace) -> int:  # noqa: ARG001
    print(install_plugin(Paths.of(os.environ).plugin))
    return OK


def _uninstall_plugin(options: argparse.Namespace) -> int:  # noqa: ARG001
    print(uninstall_plugin(Paths.of(os.environ).plugin))
    return OK


def _config(options: argparse.Namespace) -> int:
    paths = Paths.of(os.environ)
    settings = load_settings(paths.settings, os.environ, {PORT.key: options.port})
    if options.json:
        told = {s.key: {"value": s.show(settings[s]), "source": settings.source(s)} for s in SETTINGS}
        print(json.dumps({"file": str(paths.settings), "settings": told}))
        return OK
    print(f"# {paths.settings}" + ("" if paths.settings.exists() else " (not there; every value is the default)"))
    for setting in SETTINGS:
        value = json.dumps(setting.show(settings[setting]), ensure_ascii=False)
        print(f"{setting.key} = {value}  # {settings.source(setting)}; {setting.about} ({setting.allowed})")
    return OK


SETUP: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "install": _install,
    "uninstall": _uninstall,
    "install-command": _install_command,
    "install-plugin": _install_plugin,
    "uninstall-plugin": _uninstall_plugin,
    "config": _config,
}
