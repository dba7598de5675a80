"""`config`: print all settings, their values and their sources."""

from __future__ import annotations

import argparse
import json
import os

from tray.cli.exit_codes import OK
from tray.core.settings import PORT, SETTINGS
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths


def config(options: argparse.Namespace) -> int:
    """Print the settings as TOML lines with comments, or as JSON. Raises UserError."""
    path = Paths.of(os.environ).settings
    settings = load_settings(path, os.environ, {PORT.key: options.port})
    if options.json:
        values = {s.key: {"value": s.show(settings[s]), "source": settings.source(s)} for s in SETTINGS}
        print(json.dumps({"file": str(path), "settings": values}))
        return OK
    print(f"# {path}" + ("" if path.exists() else " (does not exist; all values are defaults)"))
    for setting in SETTINGS:
        value = json.dumps(setting.show(settings[setting]), ensure_ascii=False)
        print(f"{setting.key} = {value}  # {settings.source(setting)}; {setting.about} ({setting.allowed})")
    return OK
