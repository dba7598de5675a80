"""The setting `[[channels]]`: services that bring alerts to where the user is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from tray.core.quiet_hours import parse_hours

REASONS = ("permission", "question", "error", "finished")  # the values of `core.alerts.Reason`
PUSH = "push"  # the kind that brings notifications to the browsers that have turned them on
DEFAULT_DELAY, MAX_DELAY = 20, 3600  # s
MAX_TEXT = 2_000  # characters of an option
Option = str | int  # a bool is an int
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_OPEN_OPTIONS = ("server", "host", "port", "_env")  # ends of the names of options that are no secrets


class Detail(Enum):
    """How much of a request a message says."""

    FULL = "full"  # the whole command or question, with buttons if it fits into the message
    TITLE = "title"  # project, title of the session and name of the tool
    NOTHING = "nothing"  # only that a session needs the user


class ChannelSettings(NamedTuple):
    """One channel."""

    kind: str  # the module in tray/surfaces/channels/kinds
    name: str  # for the user; it is unique
    reasons: tuple[str, ...] = REASONS
    projects: tuple[str, ...] = ()  # directories; (): all
    quiet_hours: str = ""
    delay: int = DEFAULT_DELAY  # s after the notification on the desktop; nothing is sent of what is over by then
    detail: Detail = Detail.TITLE
    options: tuple[tuple[str, Option], ...] = ()  # of the kind, sorted by name


PUSH_DEFAULTS = ChannelSettings(PUSH, PUSH, detail=Detail.FULL)  # encrypted up to the browser


def parse_channels(value: Any) -> tuple[ChannelSettings, ...]:
    """Parse the setting. What a kind needs is checked when it is started. Raises ValueError."""
    if not isinstance(value, (list, tuple)):
        raise ValueError  # noqa: TRY004  # `Setting.parse` raises ValueError
    channels = tuple(map(_channel, value))
    push = [channel for channel in channels if channel.kind == PUSH]
    if len({channel.name for channel in channels}) < len(channels) or len(push) > 1 or any(c.options for c in push):
        raise ValueError
    return channels


def _channel(table: Any) -> ChannelSettings:
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str) or not table["kind"].isidentifier():
        raise ValueError
    kind, name, delay = table["kind"], table.get("name", table["kind"]), table.get("delay", DEFAULT_DELAY)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError
    if not isinstance(delay, int) or isinstance(delay, bool) or not 0 <= delay <= MAX_DELAY:
        raise ValueError
    options = {key: option for key, option in table.items() if key not in ChannelSettings._fields}
    if not all(isinstance(option, (str, int)) and len(str(option)) <= MAX_TEXT for option in options.values()):
        raise ValueError
    reasons, projects = _texts(table.get("reasons", REASONS)), _texts(table.get("projects", ()))
    if not set(reasons) <= set(REASONS) or not all(map(_is_absolute, projects)):
        raise ValueError
    hours, detail = parse_hours(table.get("quiet_hours", "")), Detail(table.get("detail", _default_detail(kind)))
    return ChannelSettings(kind, name, reasons, projects, hours, delay, detail, tuple(sorted(options.items())))


def _default_detail(kind: str) -> Detail:
    return PUSH_DEFAULTS.detail if kind == PUSH else Detail.TITLE


def _is_absolute(directory: str) -> bool:
    return bool(re.match(r"/|[A-Za-z]:[\\/]|\\\\", directory))


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) and text for text in value):
        raise ValueError
    return tuple(value)


def shown(channel: ChannelSettings) -> dict[str, Any]:
    """Return the settings as plain JSON values, without secrets."""
    options = {name: value if name.endswith(_OPEN_OPTIONS) else "…" for name, value in channel.options}
    return {**channel._asdict(), "detail": channel.detail.value, "options": options}
