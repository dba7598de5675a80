"""The paths of the program's files on this platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import platformdirs

NAME = "opencode-tray"
TITLE = "OpenCode Tray"  # as users see it
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107  # bytes of the path of a unix socket (sun_path in sys/un.h)


class Paths(NamedTuple):
    """Every file that the program reads or writes."""

    settings: Path
    token: Path
    endpoint: Path  # holds the address of the running tray
    cache: Path
    audit: Path
    history: Path  # a database
    log: Path
    plugin: Path  # the plugin in OpenCode's configuration folder
    servers: Path  # private folder with a record of each server started by the tray
    server_logs: Path  # folder of their logs
    hook_socket: Path  # in a private folder; the hooks of other agents report to it
    devices: Path  # the browsers that may use the local page
    remotes: Path  # the machines that report through a tunnel
    channels: Path  # what channels have to know after a restart
    tailnet_entry: Path  # the entry of `tailscale serve` that has to be undone
    certificates: Path  # private folder with those of the page on the local network
    phone_code: Path  # the picture of a QR code that is shown now
    team: Path  # the identity of this tray in a team
    panel_notice: Path  # exists once a notification has said that no panel shows the icon

    @classmethod
    def inside(cls, folder: Path) -> Paths:
        """Return paths that are all in one folder, for a demo or a test."""
        names = (
            "settings.toml", "token", "endpoint", "cache.json", "audit.jsonl", "history.db", "tray.log", "plugin.js",
            "servers", "logs", "hooks/socket", "devices.json", "remotes.json", "channels.json",
            "tailnet.json", "certificates", "phone.png", "team-identity.json", "panel-notice",
        )  # fmt: skip
        return cls(*(folder / name for name in names))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Paths:
        """Return the platform's paths, overridden by opencode-monitor's and our own environment variables."""
        data = _data_folder(environment)
        token = Path(environment.get("OPENCODE_TRAY_TOKEN_FILE") or data / "token")
        return cls(
            settings=Path(platformdirs.user_config_dir(NAME, appauthor=False)) / "settings.toml",
            token=token,
            endpoint=token.parent / "endpoint",  # the plugin expects it there
            cache=Path(environment.get("OPENCODE_MONITOR_CACHE_FILE") or data / "cache.json"),
            audit=data / "audit.jsonl",
            history=data / "history.db",
            log=Path(
                environment.get("OPENCODE_MONITOR_LOG_FILE")
                or Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "tray.log"
            ),
            plugin=opencode_config(environment) / "plugin" / "opencode-tray.js",
            servers=data / "servers",
            server_logs=Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "servers",
            hook_socket=data / "hooks" / "socket",
            devices=data / "devices.json",
            remotes=data / "remotes.json",
            channels=data / "channels.json",
            tailnet_entry=data / "tailnet.json",
            certificates=data / "certificates",
            phone_code=data / "phone.png",
            team=data / "team-identity.json",
            panel_notice=data / "panel-notice",
        )


def _data_folder(environment: Mapping[str, str]) -> Path:
    """Return the same folder as the plugin: XDG_DATA_HOME counts on macOS too, with any version of platformdirs."""
    if sys.platform == "darwin" and environment.get("XDG_DATA_HOME"):
        return Path(environment["XDG_DATA_HOME"]) / NAME
    return Path(platformdirs.user_data_dir(NAME, appauthor=False))


def environment_folder(environment: Mapping[str, str]) -> Path:
    """Return the virtual environment that packaging/run.py installs into; it may not exist."""
    return _data_folder(environment) / "venv"


def command_link() -> Path:
    """Return the link to our command in the user's bin folder (XDG base directories; pipx and uv use it as well)."""
    return Path.home() / ".local" / "bin" / NAME


def opencode_config(environment: Mapping[str, str]) -> Path:
    """Return OpenCode's configuration folder, which follows XDG even on macOS and Windows."""
    if environment.get("OPENCODE_CONFIG_DIR"):
        return Path(os.path.expanduser(environment["OPENCODE_CONFIG_DIR"]))  # noqa: PTH111  # keeps `~unknown`
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "opencode"
