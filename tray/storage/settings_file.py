"""Reading the settings file; the rules are core's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tray.core.errors import UserError
from tray.core.settings import SETTINGS, Settings, parse_settings


class SettingsFileError(UserError):
    """The file is no TOML, or cannot be read."""

    is_usage = True


def load_settings(path: Path, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Flags, environment, file, defaults. Raises SettingsFileError, or SettingError for a value not allowed."""
    try:
        table = _toml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        table = {}
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise SettingsFileError(f"{path}: {error}") from error
    return parse_settings(table, str(path), environment, flags)


def _toml(text: str) -> dict[str, Any]:
    """Raises ValueError, RecursionError. Most people have no such file: the parser is loaded for those who do."""
    import tomllib  # noqa: PLC0415

    return tomllib.loads(text)


def template() -> str:
    """A settings file that sets nothing and shows everything."""
    lines = ["# OpenCode Tray. Remove the # before a line to change it; a running tray takes it up by itself."]
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
        value = f'"{setting.default}"' if isinstance(setting.default, str) else str(setting.default).lower()
        lines.append(f"# {key} = {value}  # {setting.about} ({setting.allowed})")
    return "\n".join(lines) + "\n"
