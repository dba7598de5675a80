"""Programs that open a tunnel from the internet to a port of this machine: how they are run, and what they print."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from tray.core.lenient_json import decode_or
from tray.core.phone_ways import TUNNEL_PROGRAMS

_ADDRESS = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_QUICK = re.compile(r"https://[a-z0-9-]+\.trycloudflare\.com(?![\w.-])")
_LEVEL = re.compile(r"\S+Z ([A-Z]{3}) ")


class TunnelProgram(msgspec.Struct, frozen=True):
    """One program. Each function takes a line that it prints and returns "" if the line says nothing of the kind."""

    arguments: Callable[[int], Sequence[str]]  # for a port on the loopback
    address: Callable[[str], str]  # of the tunnel: https://HOST
    problem: Callable[[str], str]


def _quick_address(line: str) -> str:
    found = _QUICK.search(line)
    return found[0] if found and found[0] != "https://api.trycloudflare.com" else ""


def _quick_problem(line: str) -> str:
    level = _LEVEL.match(line)
    return line if level is None else line[level.end() :] if level[1] == "ERR" else ""


def _ngrok_address(line: str) -> str:
    fields = decode_or(line.encode(), dict[str, Any], {})
    url = fields.get("url") if fields.get("msg") == "started tunnel" else ""
    return url if isinstance(url, str) and _ADDRESS.fullmatch(url) else ""


def _ngrok_problem(line: str) -> str:
    fields = decode_or(line.encode(), dict[str, Any], {})
    if not fields:
        return line
    error = fields.get("err")
    return str(error) if fields.get("lvl") not in ("info", "warn") and error not in (None, "<nil>") else ""


PROGRAMS: Mapping[str, TunnelProgram] = MappingProxyType(
    {
        # https://developers.cloudflare.com/cloudflare-one/networks/connectors/cloudflare-tunnel/do-more-with-tunnels/trycloudflare/
        # Without --no-autoupdate it restarts itself for an update, with another address. Without an empty --config the
        # rules in the user's ~/.cloudflared/config.yml count instead of --url: something else would be exposed.
        "cloudflared": TunnelProgram(
            lambda port: ("tunnel", "--no-autoupdate", "--config", os.devnull, "--url", f"http://127.0.0.1:{port}"),
            _quick_address,
            _quick_problem,
        ),
        # https://ngrok.com/docs/agent/cli. Without --inspect=false it keeps each request with its headers, and so the
        # tokens of devices, and shows them to every user of this machine on port 4040.
        "ngrok": TunnelProgram(
            lambda port: ("http", f"http://127.0.0.1:{port}", "--inspect=false", "--log=stdout", "--log-format=json"),
            _ngrok_address,
            _ngrok_problem,
        ),
    }
)


def installed_program() -> str:
    """Return the name of the first program that is installed; "" if none is."""
    return next((name for name in TUNNEL_PROGRAMS if shutil.which(name)), "")


def command_of(name: str, port: int) -> list[str]:
    """Return the command that opens a tunnel to a port on the loopback."""
    return [name, *PROGRAMS[name].arguments(port)]
