"""`install`, `uninstall`, the same for the plugin alone, and `config`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping

from tray.actions.autostart import install_autostart, uninstall_autostart
from tray.actions.plugin_file import install_plugin, uninstall_plugin
from tray.cli import OK
from tray.core.settings import PORT, SETTINGS
from tray.storage.settings_file import load_settings
from tray.system.autostart import autostart
from tray.system.paths import Paths


def _install(options: argparse.Namespace) -> int:
    print(install_plugin(Paths.of(os.environ).plugin))
    print(uninstall_autostart(autostart()) if options.no_autostart else install_autostart(autostart()))
    return OK


def _uninstall(options: argparse.Namespace) -> int:  # noqa: ARG001
    paths = Paths.of(os.environ)
    print(uninstall_autostart(autostart()))
    print(uninstall_plugin(paths.plugin))
    left = {path.parent for path in (paths.settings, paths.token, paths.cache, paths.log)}
    for folder in sorted(folder for folder in left if folder.is_dir()):
        print(f"Kept {folder}: settings, secrets, history or logs of yours; remove it by hand")
    return OK


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
    "install-plugin": _install_plugin,
    "uninstall-plugin": _uninstall_plugin,
    "config": _config,
}
