"""What a person sets about other machines and servers: how to reach them, and the password for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_DESTINATION = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.:-]*")


class Host(NamedTuple):
    """Another machine: the name that its OpenCode reports, and where ssh finds it."""

    name: str
    ssh: str  # HOST or USER@HOST
    opencode: str = "opencode"  # the program there


class HttpServer(NamedTuple):
    """An OpenCode server with a password. Either the password itself, or the variable that holds it."""

    url: str
    username: str = "opencode"
    password: str = ""
    password_env: str = ""


def is_destination(text: str) -> bool:
    """Whether ssh can take it for a destination, and for nothing else: HOST or USER@HOST."""
    return bool(_DESTINATION.fullmatch(text))


def parse_hosts(value: Any) -> tuple[Host, ...]:
    """`[[hosts]]`. Raises ValueError."""
    hosts = tuple(Host(**table) for table in _tables(value, {"name", "ssh"}, {"opencode"}))
    if not all(is_destination(host.ssh) and not host.opencode.startswith("-") for host in hosts):
        raise ValueError
    return hosts


def parse_servers(value: Any) -> tuple[HttpServer, ...]:
    """`[[servers]]`. Raises ValueError."""
    servers = tuple(HttpServer(**table) for table in _tables(value, {"url"}, {"username", "password", "password_env"}))
    if not all(_is_address(server.url) for server in servers):
        raise ValueError
    return servers


def _is_address(url: str) -> bool:
    """Whether it is an http or https address without a user in it. Raises ValueError for a port that is none."""
    return bool(re.fullmatch(r"https?://[^/\s@]+(/[^\s@]*)?", url)) and urlsplit(url).port != 0


def _tables(value: Any, needed: set[str], allowed: set[str]) -> list[Mapping[str, str]]:
    if not isinstance(value, (list, tuple)):
        raise ValueError  # noqa: TRY004  # what the settings' parser expects of all of us
    for table in value:
        if not isinstance(table, Mapping) or not needed <= set(table) <= needed | allowed:
            raise ValueError
        if not all(isinstance(text, str) and text for text in table.values()):
            raise ValueError
    return list(value)
