"""Read the settings file. Its keys and values are checked by `tray.core.settings`."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tray.core.errors import UserError
from tray.core.settings import SETTINGS, Settings, parse_settings
from tray.files.reading import open_regular

MAX_SIZE = 1_000_000  # bytes
UNESCAPED_PATH = re.compile(r'"[A-Za-z]:\\(?!\\)')
PATH_HINT = r"; write a path with backslashes in single quotes: 'C:\Users\me'"


class SettingsFileError(UserError):
    """The settings file cannot be read or is not valid TOML."""

    is_usage = True


def load_settings(path: Path, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Load the settings from flags, environment, file and defaults, in this order of precedence.

    Raises SettingsFileError, or SettingError for an invalid value.
    """
    text = ""
    try:
        with open_regular(path) as file:
            if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & stat.S_IWOTH:  # it names programs to run
                raise SettingsFileError(f"every user of this machine can write to {path}; run: chmod o-w {path}")
            text = file.read(MAX_SIZE).decode("utf-8-sig")
        table = _toml(text)
    except FileNotFoundError:
        table = {}
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{path}: the text is {_encoding(error)}; save it as UTF-8") from error
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError among them
        hint = PATH_HINT if UNESCAPED_PATH.search(text) else ""
        raise SettingsFileError(f"{path}: {error}{hint}") from error
    return parse_settings(table, str(path), environment, flags)


def _encoding(error: UnicodeDecodeError) -> str:
    """Name the encoding of a text that is not UTF-8: UTF-16 if it has a byte order mark, as Windows PowerShell adds."""
    return "UTF-16" if error.object.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "not UTF-8"


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
