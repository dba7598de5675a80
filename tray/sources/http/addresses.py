"""The URLs and credentials of HTTP servers: found processes, servers of the settings and of the local network."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping

import aiohttp

from tray.core.remote_hosts import HttpServer
from tray.core.source_calls import CallError
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.processes import OpenCodeProcess, listening_addresses, local_url

PROBE_TIMEOUT = 2.0  # s for a listening process to respond as OpenCode


async def url_of(process: OpenCodeProcess) -> str | None:
    """Return the URL of the process's HTTP server; "" if it has no open port, None if none responds as OpenCode."""
    addresses = await asyncio.to_thread(listening_addresses, process.pid)
    for host, port in addresses:
        url = local_url(host, port)
        if await _is_opencode(url):
            return url
    return None if addresses else ""


async def _is_opencode(url: str) -> bool:
    """Whether an OpenCode server responds at this URL, or one that requires a password."""
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as http, asyncio.timeout(PROBE_TIMEOUT):
            health = await Api(ServerAddress(url, trusted=False), http).get("/global/health")
    except LockedError:
        return True
    except (CallError, TimeoutError):
        return False
    return isinstance(health, dict) and bool(health.get("healthy"))


def server_addresses(
    processes: Mapping[str, OpenCodeProcess],
    configured: Iterable[HttpServer],
    announced: Iterable[str],
    environment: Mapping[str, str],
) -> Iterator[ServerAddress]:
    """Yield the addresses of all servers; some may occur twice.

    `processes` are by URL. `configured` servers come with their credentials; those of other processes are taken from
    their environment. `announced` are the URLs found on the local network. `environment` is that of the tray.
    """
    accounts = {_local_url(server.url, processes): server for server in configured}
    for url, account in accounts.items():
        password = account.password or environment.get(account.password_env, "")
        yield ServerAddress(url, account.username, password, processes[url].pid if url in processes else 0)
    for url, process in processes.items():
        if url not in accounts:
            username = process.environment.get("OPENCODE_SERVER_USERNAME") or "opencode"
            yield ServerAddress(url, username, process.environment.get("OPENCODE_SERVER_PASSWORD", ""), process.pid)
    for url in announced:
        if url not in accounts:
            yield ServerAddress(url, trusted=False)


def _local_url(url: str, known: Collection[str]) -> str:
    """Return the URL without a trailing slash; for a server of this machine as it was found, with 127.0.0.1."""
    plain = url.rstrip("/")
    loopback = plain.replace("//localhost:", "//127.0.0.1:").replace("//[::1]:", "//127.0.0.1:")
    return loopback if loopback in known else plain
