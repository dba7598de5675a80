"""Where this program's files live on this platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs

NAME = "opencode-tray"


class Paths(NamedTuple):
    """Every file that the program reads or writes."""

    settings: Path
    token: Path
    endpoint: Path  # where the running tray listens
    cache: Path
    audit: Path
    log: Path
    plugin: Path  # the plugin inside OpenCode's configuration
    servers: Path  # the folder of the servers that were started, which is private
    server_logs: Path  # the folder of their logs

    @classmethod
    def inside(cls, folder: Path) -> Paths:
        """All of them in one folder: of a demo, or of a test."""
        names = (
            "settings.toml", "token", "endpoint", "cache.json", "audit.jsonl", "tray.log", "plugin.js",
            "servers", "logs",
        )  # fmt: skip
        return cls(*(folder / name for name in names))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Paths:
        """The platform's folders, with opencode-monitor's and our own variables honoured."""
        data = _data_folder(environment)
        token = Path(environment.get("OPENCODE_TRAY_TOKEN_FILE") or data / "token")
        return cls(
            settings=Path(platformdirs.user_config_dir(NAME, appauthor=False)) / "settings.toml",
            token=token,
            endpoint=token.parent / "endpoint",  # the plugin looks for it beside the token
            cache=Path(environment.get("OPENCODE_MONITOR_CACHE_FILE") or data / "cache.json"),
            audit=data / "audit.jsonl",
            log=Path(
                environment.get("OPENCODE_MONITOR_LOG_FILE")
                or Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "tray.log"
            ),
            plugin=opencode_config(environment) / "plugin" / "opencode-tray.js",
            servers=data / "servers",
            server_logs=Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "servers",
        )


def _data_folder(environment: Mapping[str, str]) -> Path:
    """The same as the plugin's: XDG_DATA_HOME counts on macOS too, whatever the version of platformdirs."""
    if sys.platform == "darwin" and environment.get("XDG_DATA_HOME"):
        return Path(environment["XDG_DATA_HOME"]) / NAME
    return Path(platformdirs.user_data_dir(NAME, appauthor=False))


def environment_folder(environment: Mapping[str, str]) -> Path:
    """The environment that packaging/run.py installs into, whether it is there or not."""
    return _data_folder(environment) / "venv"


def command_link() -> Path:
    """Where a person's own commands lie on Linux and macOS (the XDG base directories; pipx and uv put theirs there)."""
    return Path.home() / ".local" / "bin" / NAME


def opencode_config(environment: Mapping[str, str]) -> Path:
    """OpenCode's own configuration folder: the same on every platform (XDG, even on macOS and Windows)."""
    if environment.get("OPENCODE_CONFIG_DIR"):
        return Path(os.path.expanduser(environment["OPENCODE_CONFIG_DIR"]))  # noqa: PTH111  # leaves ~nobody as it is
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "opencode"
