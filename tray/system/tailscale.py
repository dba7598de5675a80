"""Tailscale on this machine, as its program describes it, and one entry of `tailscale serve`.

https://tailscale.com/docs/reference/tailscale-cli/serve describes the commands (since version 1.52), ipn/serve.go in
its source the configuration. Funnel, which opens an entry to the internet, is never used.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tray.core.errors import UserError
from tray.core.lenient_json import JSON_ERRORS
from tray.core.text import clean, shorten
from tray.system.subprocesses import run

# On macOS, where the app puts nothing on the PATH, and launchd's PATH lacks Homebrew's folders.
MAC_PROGRAMS = (
    "/opt/homebrew/bin/tailscale", "/usr/local/bin/tailscale", "/Applications/Tailscale.app/Contents/MacOS/Tailscale",
)  # fmt: skip
AS_COMMAND = {"TAILSCALE_BE_CLI": "1"}  # else the app's program shows its window unless a shell has started it
PORT = 443
TIMEOUT = 15.0  # s; without a permission that the tailnet's admin gives, `serve` waits for it
MAX_REASON = 300  # columns of what the program says


T = TypeVar("T")


class TailscaleError(UserError):
    """Tailscale does not do what is asked; the text says why."""


class _Self(msgspec.Struct):
    name: str = msgspec.field(default="", name="DNSName")


class _Status(msgspec.Struct):
    state: str = msgspec.field(default="", name="BackendState")
    own: _Self | None = msgspec.field(default=None, name="Self")
    certificates: tuple[str, ...] | None = msgspec.field(default=None, name="CertDomains")


class _Web(msgspec.Struct):
    handlers: dict[str, dict[str, Any]] | None = msgspec.field(default=None, name="Handlers")


class _Config(msgspec.Struct):
    tcp: dict[str, Any] | None = msgspec.field(default=None, name="TCP")
    web: dict[str, _Web] | None = msgspec.field(default=None, name="Web")
    funnel: dict[str, bool] | None = msgspec.field(default=None, name="AllowFunnel")
    foreground: dict[str, _Config] | None = msgspec.field(default=None, name="Foreground")


def program() -> str:
    """Return Tailscale's program; "" if it is not installed."""
    if shutil.which("tailscale"):
        return "tailscale"
    installed = MAC_PROGRAMS if sys.platform == "darwin" else ()
    return next((path for path in installed if Path(path).is_file()), "")


def serve_command(page_port: int) -> list[str]:
    """Return the command that serves a port of the loopback to the tailnet."""
    return [program() or "tailscale", "serve", "--bg", f"--https={PORT}", _target(page_port)]


def off_command() -> list[str]:
    """Return the command that undoes it."""
    return [program() or "tailscale", "serve", f"--https={PORT}", "off"]


async def own_name() -> str:
    """Return the name of this machine for which Tailscale has a certificate. Raises TailscaleError."""
    if not program():
        raise TailscaleError("Tailscale is not installed: https://tailscale.com/download")
    status = _decode(await _read("status", "--json", "--peers=false"), _Status)
    if status.state != "Running":
        raise TailscaleError(f"Tailscale does not run ({clean(status.state) or 'no state'}): tailscale up")
    name = (status.own.name if status.own is not None else "").rstrip(".").lower()
    if name not in (status.certificates or ()):
        raise TailscaleError("HTTPS is off in this tailnet: turn it on at https://login.tailscale.com/admin/dns")
    return name


async def is_port_free() -> bool:
    """Whether no entry of `tailscale serve` uses the port. Raises TailscaleError."""
    config = await _config()
    return not any(_uses_port(each) for each in (config, *(config.foreground or {}).values()))


async def is_served(name: str, page_port: int) -> bool:
    """Whether the port has exactly the entry of `serve_command`, and no Funnel. Raises TailscaleError."""
    config = await _config()
    key = f"{name}:{PORT}"
    own = (config.web or {}).get(key)
    others = [each for each in config.web or {} if each.endswith(f":{PORT}") and each != key]
    is_open = (config.funnel or {}).get(key, False)
    return own is not None and own.handlers == {"/": {"Proxy": _target(page_port)}} and not others and not is_open


async def serve(page_port: int) -> None:
    """Serve the port. Raises TailscaleError."""
    await _run(serve_command(page_port), with_errors=True)


async def turn_off() -> None:
    """Remove the entry. Raises TailscaleError."""
    await _run(off_command(), with_errors=True)


def _target(page_port: int) -> str:
    return f"http://127.0.0.1:{page_port}"


def _uses_port(config: _Config) -> bool:
    return str(PORT) in (config.tcp or {}) or any(key.endswith(f":{PORT}") for key in config.web or {})


async def _config() -> _Config:
    return _decode(await _read("serve", "status", "--json"), _Config)


def _decode(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text.strip() or "{}", type=kind)
    except JSON_ERRORS as error:
        raise TailscaleError("this version of Tailscale prints something else than expected") from error


async def _read(*words: str) -> str:
    return await _run([program() or "tailscale", *words], with_errors=False)  # warnings would spoil the JSON


async def _run(command: list[str], *, with_errors: bool) -> str:
    done = await run(command, timeout=TIMEOUT, environment=AS_COMMAND, with_errors=with_errors)
    if done.ok:
        return done.out
    line = " ".join(["tailscale", *command[1:]])
    if done.code is None:
        raise TailscaleError(f"no end after {TIMEOUT:g} s: run it in a terminal to see what it waits for: {line}")
    reason = shorten(" ".join(done.out.split()), MAX_REASON) or f"it ended with {done.code}"
    raise TailscaleError(f"{line}: {reason}")
