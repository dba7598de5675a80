"""Read the settings file. Its keys and values are checked by `tray.core.settings`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tray.core.errors import UserError
from tray.core.settings import SETTINGS, Settings, parse_settings


class SettingsFileError(UserError):
    """The settings file cannot be read or is not valid TOML."""

    is_usage = True


def load_settings(path: Path, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Load the settings from flags, environment, file and defaults, in this order of precedence.

    Raises SettingsFileError, or SettingError for an invalid value.
    """
    try:
        table = _toml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        table = {}
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise SettingsFileError(f"{path}: {error}") from error
    return parse_settings(table, str(path), environment, flags)


def _toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ValueError and RecursionError."""
    import tomllib  # noqa: PLC0415  # most users have no settings file

    return tomllib.loads(text)


def template() -> str:
    """Return a settings file with every setting in comments."""
    lines = ["# OpenCode Tray settings. Uncomment a line to change it; a running tray reloads the file."]
    section = ""
    for setting in SETTINGS:
        head, _, key = setting.key.partition(".")
        if not key:
            first, *rest = setting.example
            lines += ["", f"# {first}  # {setting.about} ({setting.allowed})", *(f"# {line}" for line in rest)]
            continue
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        value = json.dumps(setting.default)  # a literal of TOML as well
        lines.append(f"# {key} = {value}  # {setting.about} ({setting.allowed})")
    return "\n".join(lines) + "\n"
