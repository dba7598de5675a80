"""Settings of other machines and of servers with a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_DESTINATION = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.:-]*")


class Host(NamedTuple):
    """Another machine: the host name that its OpenCode reports, and its ssh destination."""

    name: str
    ssh: str  # HOST or USER@HOST
    opencode: str = "opencode"  # path of the program on that machine


class HttpServer(NamedTuple):
    """An OpenCode server with a password: the password itself, or the environment variable that contains it."""

    url: str
    username: str = "opencode"
    password: str = ""
    password_env: str = ""


def is_destination(text: str) -> bool:
    """Whether the text is HOST or USER@HOST, and cannot be an option of ssh."""
    return bool(_DESTINATION.fullmatch(text))


def parse_hosts(value: Any) -> tuple[Host, ...]:
    """Parse the setting `[[hosts]]`. Raises ValueError."""
    hosts = tuple(Host(**table) for table in _tables(value, {"name", "ssh"}, {"opencode"}))
    if not all(is_destination(host.ssh) and not host.opencode.startswith("-") for host in hosts):
        raise ValueError
    return hosts


def parse_servers(value: Any) -> tuple[HttpServer, ...]:
    """Parse the setting `[[servers]]`. Raises ValueError."""
    servers = tuple(HttpServer(**table) for table in _tables(value, {"url"}, {"username", "password", "password_env"}))
    if not all(_is_address(server.url) for server in servers):
        raise ValueError
    return servers


def _is_address(url: str) -> bool:
    """Whether the URL is http or https and contains no user name. Raises ValueError for an invalid port."""
    return bool(re.fullmatch(r"https?://[^/\s@]+(/[^\s@]*)?", url)) and urlsplit(url).port != 0


def _tables(value: Any, needed: set[str], allowed: set[str]) -> list[Mapping[str, str]]:
    if not isinstance(value, (list, tuple)):
        raise ValueError  # noqa: TRY004  # `Setting.parse` raises ValueError
    for table in value:
        if not isinstance(table, Mapping) or not needed <= set(table) <= needed | allowed:
            raise ValueError
        if not all(isinstance(text, str) and text for text in table.values()):
            raise ValueError
    return list(value)
