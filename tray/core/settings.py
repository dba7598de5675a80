"""All settings, each with its default, its allowed values, and the environment variables that set it.

Every command reads the settings, so this module imports little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from tray.core import quiet_hours
from tray.core.budgets import Budget, parse_budgets
from tray.core.channel_settings import ChannelSettings, parse_channels, shown
from tray.core.command_line import split_command
from tray.core.errors import UserError
from tray.core.remote_hosts import Host, HttpServer, parse_hosts, parse_servers
from tray.core.team_settings import (
    TrustedTray,
    parse_broker_url,
    parse_team_key,
    parse_team_name,
    parse_trusted,
    parse_variable_name,
)

T = TypeVar("T")

DEFAULT_PORT = 41235  # opencode-monitor's: its plugin connects to it by default
PAGE_DEFAULT_PORT = 41236


class SettingError(UserError):
    """An unknown setting, or a value that is not allowed. The text names setting, source and what is allowed."""

    is_usage = True


def _not_allowed(key: str, value: object, allowed: str, source: str) -> SettingError:
    given = f"{key} = {value!r}" if isinstance(value, (str, int, float)) else f"the value of {key}"
    return SettingError(f"{source}: {given} is not allowed; allowed: {allowed}")


def _unknown(key: str, known: Collection[str], source: str) -> SettingError:
    from difflib import get_close_matches  # noqa: PLC0415  # every command reads the settings

    near = get_close_matches(key, known, 1) or [name for name in known if name.rpartition(".")[2] == key]
    hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(sorted(known))}"
    return SettingError(f"{source}: unknown setting {key}; {hint}")


class Setting(Generic[T]):
    """One setting.

    `parse` takes a TOML value or the text of an environment variable; it raises ValueError for a value that is not
    allowed. `variables` are environment variables besides OPENCODE_TRAY_<KEY>. `show` returns the value as plain JSON
    without secrets. `example` is the lines of TOML of a setting that is a list of tables.
    """

    def __init__(
        self,
        key: str,
        default: T,
        allowed: str,
        about: str,
        parse: Callable[[Any], T],
        variables: tuple[str, ...] = (),
        show: Callable[[T], Any] = lambda value: value,
        example: tuple[str, ...] = (),
    ) -> None:
        self.key = key
        self.default = default
        self.allowed = allowed
        self.about = about
        self.parse = parse
        self.variables = variables
        self.show = show
        self.example = example

    @property
    def environment(self) -> tuple[str, ...]:
        """The environment variables that set it, in order of precedence."""
        if self.example:
            return ()  # a list of tables
        return (f"OPENCODE_TRAY_{self.key.upper().replace('.', '_')}", *self.variables)


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError


def _number(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError
        return number

    return parse


def _one_of(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return parse


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError
    return value


def _command(value: Any) -> str:
    """Accept a command line by the rules of POSIX or of Windows: core does not know the system."""
    text = _text(value)
    try:
        split_command(text, windows=False)
    except ValueError:
        split_command(text, windows=True)
    return text


def _address(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:%_-]{1,253}", value):
        raise ValueError
    return value


HOST = Setting("listener.host", "127.0.0.1", "an address or host name", "address that the listener binds to", _address)
PORT = Setting(
    "listener.port",
    DEFAULT_PORT,
    "1 to 65535, or 0 for a free port",
    "port of the listener",
    _number(0, 65535),
    ("OPENCODE_MONITOR_PORT",),
)
PAGE = Setting("page.enabled", True, "true or false", "serve the page for browsers on this machine", _flag)
PAGE_PORT = Setting(
    "page.port", PAGE_DEFAULT_PORT, "1 to 65535, or 0 for a free port", "port of the page", _number(0, 65535)
)
PAGE_LAN = Setting(
    "page.lan",
    False,
    "true or false",
    "serve the page for paired phones on the local network as well, without encryption unless page.https is true",
    _flag,
)
PAGE_HTTPS = Setting(
    "page.https",
    False,
    "true or false",
    "with page.lan: encrypt it, with a certificate that each phone has to trust once",
    _flag,
)
TUNNEL_HOURS = Setting(
    "page.tunnel_hours",
    4,
    "1 to 24 hours",
    "time after which a tunnel from the internet to the page is closed",
    _number(1, 24),
)
NOTIFY = Setting("notifications.enabled", True, "true or false", "show notifications", _flag)
ON_PERMISSION = Setting(
    "notifications.permission", True, "true or false", "notify when a session waits for a permission", _flag
)
ON_QUESTION = Setting("notifications.question", True, "true or false", "notify when a session asks a question", _flag)
ON_ERROR = Setting("notifications.error", True, "true or false", "notify when a session fails", _flag)
ON_FINISHED = Setting("notifications.finished", True, "true or false", "notify when a turn finishes", _flag)
FINISHED_AFTER = Setting(
    "notifications.finished_after",
    15,
    "0 to 86400 seconds",
    "notify only of turns that end this long after your last prompt or answer",
    _number(0, 86_400),
)
QUIET_HOURS = Setting(
    "notifications.quiet_hours", "", quiet_hours.ALLOWED, "hours without notifications", quiet_hours.parse_hours
)
WHEN_LOOKING = Setting(
    "notifications.when_looking",
    "hold",
    '"hold", "show" or "never"',
    "notifications of the session whose terminal has the focus: delay, show at once, or wait until it loses it",
    _one_of("hold", "show", "never"),
)
SOUND = Setting(
    "notifications.sound", "off", '"off" or "soft"', "play a sound with each notification", _one_of("off", "soft")
)
SPEAK = Setting("notifications.speak", False, "true or false", "speak a short summary of each notification", _flag)
ICON_STYLE = Setting(
    "icon.style", "colour", '"colour" or "monochrome"', "style of the icon", _one_of("colour", "monochrome")
)
ICON_COUNT = Setting("icon.count", True, "true or false", "show the number of waiting sessions in the icon", _flag)
MENU_COLUMNS = Setting("menu.columns", 72, "40 to 120 columns", "maximum width of a menu row", _number(40, 120))
FINISHED_FOR = Setting(
    "sessions.finished_for",
    60,
    "1 to 10080 minutes",
    "time after which a finished session is shown as idle",
    _number(1, 10_080),
)
TERMINAL = Setting(
    "attach.terminal",
    "",
    "the name of a terminal, or a command to which the program is appended",
    "terminal for opening sessions (default: $TERMINAL, then the first one found)",
    _command,
)
OPENCODE = Setting(
    "attach.opencode", "", "a path", "path of the OpenCode program (default: the one on the PATH)", _text
)
HOSTS: Setting[tuple[Host, ...]] = Setting(
    "hosts",
    (),
    'tables with name, ssh = "user@host" and, optionally, opencode (the program there)',
    "other machines and how to reach them",
    parse_hosts,
    show=lambda hosts: [host._asdict() for host in hosts],
    example=("[[hosts]]", 'name = "build-box"', 'ssh = "me@build-box.example"'),
)
SERVERS: Setting[tuple[HttpServer, ...]] = Setting(
    "servers",
    (),
    "tables with url, username, and password or password_env",
    "OpenCode servers that need a password",
    parse_servers,
    show=lambda servers: [{**server._asdict(), "password": "…" if server.password else ""} for server in servers],
    example=("[[servers]]", 'url = "http://127.0.0.1:4096"', 'password_env = "OPENCODE_SERVER_PASSWORD"'),
)
ON_MACHINE = Setting(
    "discovery.processes", True, "true or false", "find OpenCode processes on this machine that have no plugin", _flag
)
OTHER_AGENTS = Setting(
    "discovery.agents", True, "true or false", "find the sessions of other agents on this machine", _flag
)
ON_NETWORK = Setting(
    "discovery.mdns",
    False,
    "true or false",
    "find OpenCode servers that announce themselves on the network (mDNS)",
    _flag,
)
HISTORY = Setting("history.enabled", True, "true or false", "record sessions, usage and answers", _flag)
HISTORY_TEXT = Setting(
    "history.text",
    "lines",
    '"lines" or "off"',
    "record titles, commands, and a line of each prompt and reply, or no text at all",
    _one_of("lines", "off"),
)
HISTORY_DAYS = Setting(
    "history.keep_days",
    400,
    "7 to 10000 days",
    "time after which single responses are removed; their sums stay",
    _number(7, 10_000),
)
BUDGETS: Setting[tuple[Budget, ...]] = Setting(
    "budgets",
    (),
    'tables with amount (US dollars), and optionally period = "day", "week" or "month", project (a directory), model, '
    'and money = "reported" or "estimated"',
    "amounts of money at which you are notified",
    parse_budgets,
    show=lambda budgets: [budget._asdict() for budget in budgets],
    example=("[[budgets]]", "amount = 100", 'period = "month"'),
)
CHANNELS: Setting[tuple[ChannelSettings, ...]] = Setting(
    "channels",
    (),
    "tables with kind, the fields of that kind, and optionally name, reasons, projects, quiet_hours, delay (seconds), "
    'and detail = "full", "title" or "nothing"; no two with the same name',
    "services that bring alerts to where you are",
    parse_channels,
    show=lambda channels: [shown(channel) for channel in channels],
    example=("[[channels]]", 'kind = "telegram"', 'token_env = "TELEGRAM_TOKEN"'),
)
TEAM_BROKER = Setting(
    "team.broker",
    "",
    "mqtt://HOST:PORT or mqtts://HOST:PORT, with USER@ before the host if it is needed, and without a password",
    "broker (MQTT 5) through which the trays of a team share their sessions",
    parse_broker_url,
)
TEAM_NAME = Setting(
    "team.name",
    "team",
    "1 to 40 letters, digits, - and _",
    "name of the team, which is a part of its topics",
    parse_team_name,
)
TEAM_PASSWORD_ENV = Setting(
    "team.password_env",
    "",
    "the name of an environment variable",
    "variable that contains the password for the broker",
    parse_variable_name,
)
TEAM_KEY = Setting(
    "team.key",
    "",
    "32 bytes in hex or base64; `opencode-tray team key` makes one",
    "key that the trays of the team share, and the broker does not know",
    parse_team_key,
    show=lambda key: "…" if key else "",
)
TEAM_KEY_ENV = Setting(
    "team.key_env",
    "",
    "the name of an environment variable",
    "variable that contains the key of the team",
    parse_variable_name,
)
TEAM_PUBLISH = Setting("team.publish", True, "true or false", "publish the sessions of this tray in the team", _flag)
TEAM_WATCH = Setting("team.watch", True, "true or false", "show the sessions that the others publish", _flag)
TEAM_ANSWERS: Setting[tuple[TrustedTray, ...]] = Setting(
    "team.answers",
    (),
    '"off", or a list of "NAME KEY"; `opencode-tray team identity` prints the key of a tray',
    "other trays that may answer the requests of this one",
    parse_trusted,
    show=lambda trays: [f"{tray.name} {tray.key}" for tray in trays],
)
TURN_COST = Setting(
    "alerts.turn_cost",
    5,
    "0 to 10000 US dollars; 0: off",
    "notify when one turn costs more than this",
    _number(0, 10_000),
)
TURN_MINUTES = Setting(
    "alerts.turn_minutes",
    30,
    "0 to 10080 minutes; 0: off",
    "notify when one turn works longer than this",
    _number(0, 10_080),
)
DEBUG = Setting("log.debug", False, "true or false", "write a detailed log", _flag, ("OPENCODE_MONITOR_DEBUG",))

CHECK_UPDATES = Setting(
    "updates.check",
    False,
    "true or false",
    "ask the Python package index once a day whether there is a newer version",
    _flag,
)

NOT_QUOTED = (TEAM_BROKER, TEAM_KEY)  # a value that is not allowed may contain a secret

SETTINGS: tuple[Setting[Any], ...] = (
    HOST,
    PORT,
    PAGE,
    PAGE_PORT,
    PAGE_LAN,
    PAGE_HTTPS,
    TUNNEL_HOURS,
    NOTIFY,
    ON_PERMISSION,
    ON_QUESTION,
    ON_ERROR,
    ON_FINISHED,
    FINISHED_AFTER,
    QUIET_HOURS,
    WHEN_LOOKING,
    SOUND,
    SPEAK,
    ICON_STYLE,
    ICON_COUNT,
    MENU_COLUMNS,
    FINISHED_FOR,
    TERMINAL,
    OPENCODE,
    ON_MACHINE,
    OTHER_AGENTS,
    ON_NETWORK,
    HISTORY,
    HISTORY_TEXT,
    HISTORY_DAYS,
    TURN_COST,
    TURN_MINUTES,
    TEAM_BROKER,
    TEAM_NAME,
    TEAM_PASSWORD_ENV,
    TEAM_KEY,
    TEAM_KEY_ENV,
    TEAM_PUBLISH,
    TEAM_WATCH,
    TEAM_ANSWERS,
    CHECK_UPDATES,
    DEBUG,
    HOSTS,
    SERVERS,
    BUDGETS,
    CHANNELS,
)


class Settings:
    """The values of all settings and the source of each. Immutable."""

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str], problems: tuple[str, ...] = ()) -> None:
        self.problems = problems  # invalid values that a source of higher precedence overrides
        self._values = dict(values)
        self._sources = dict(sources)

    def __getitem__(self, setting: Setting[T]) -> T:
        """Return the value in effect."""
        value: T = self._values.get(setting.key, setting.default)
        return value

    def source(self, setting: Setting[Any]) -> str:
        """Return the source of the value: "default", the file, the environment variable or "flag"."""
        return self._sources.get(setting.key, "default")

    def given(self, setting: Setting[T], value: T, source: str) -> Settings:
        """Return a copy with this value and its source."""
        return Settings({**self._values, setting.key: value}, {**self._sources, setting.key: source}, self.problems)

    def is_quiet(self, minute_of_day: int) -> bool:
        """Whether this local minute (0 to 1439) lies in the quiet hours, which may span midnight."""
        return quiet_hours.is_quiet(self[QUIET_HOURS], minute_of_day)


def secret_variables(settings: Settings) -> set[str]:
    """Return the environment variables that contain the secrets of the settings."""
    channels = [option for channel in settings[CHANNELS] for option in channel.options]
    return {
        *(server.password_env for server in settings[SERVERS]),
        *(str(value) for name, value in channels if name.endswith("_env")),
        settings[TEAM_PASSWORD_ENV],
        settings[TEAM_KEY_ENV],
        *TEAM_KEY.environment,
    } - {""}


def parse_settings(
    file: Mapping[str, Any], file_name: str, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Parse the settings: flags override the environment, which overrides the file. Raises SettingError."""
    given = _flat(file)
    known = {setting.key for setting in SETTINGS}
    for key in given:
        if key not in known:
            raise _unknown(key, known, file_name)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        candidates = _candidates(setting, given, file_name, environment, flags)
        for number, (source, value) in enumerate(candidates):
            try:
                parsed = setting.parse(value)
            except ValueError:
                wrong = _not_allowed(setting.key, None if setting in NOT_QUOTED else value, setting.allowed, source)
                if number == 0:
                    raise wrong from None
                problems.append(str(wrong))
                continue
            if number == 0:
                values[setting.key], sources[setting.key] = parsed, source
    return Settings(values, sources, tuple(problems))


def _candidates(
    setting: Setting[Any],
    file: Mapping[str, Any],
    file_name: str,
    environment: Mapping[str, str],
    flags: Mapping[str, Any],
) -> list[tuple[str, Any]]:
    """Return (source, value) of each source that sets the setting, in order of precedence."""
    candidates = [("flag", flags[setting.key])] if flags.get(setting.key) is not None else []
    candidates += [(name, environment[name]) for name in setting.environment if environment.get(name)]
    return candidates + ([(file_name, file[setting.key])] if setting.key in file else [])


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten tables: {"icon": {"count": true}} → {"icon.count": true}."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat
