"""The MCP and LSP servers of an OpenCode server, with their status."""

from __future__ import annotations

import asyncio
from typing import Any

from tray.core.servers import Service
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.opencode.api import Api

MAX_SERVICES = 100  # any server on the network may list more
MAX_NAME = 100  # characters of a name or status
MAX_REASON = 300  # characters of an error


async def read_services(api: Api, directory: str = "") -> tuple[Service, ...]:
    """Return the services of a directory, sorted by kind and name; those that cannot be read are left out.

    Raises LockedError.
    """
    mcp, lsp = await asyncio.gather(_read(api, "/mcp", directory), _read(api, "/lsp", directory))
    return services_of(mcp, lsp)


def services_of(mcp: Any, lsp: Any) -> tuple[Service, ...]:
    """Convert the responses of /mcp, `{name: {status, error?}}`, and /lsp, `[{id, name, root, status}]`.

    Returns at most MAX_SERVICES.
    """
    entries = [("mcp", name, info) for name, info in (mcp.items() if isinstance(mcp, dict) else ())]
    entries += [("lsp", None, info) for info in (lsp if isinstance(lsp, list) else ())]
    services = (_service(kind, name, info) for kind, name, info in entries[:MAX_SERVICES] if isinstance(info, dict))
    return tuple(sorted(services, key=lambda service: (service.kind, service.name)))


def _service(kind: str, name: Any, info: dict[str, Any]) -> Service:
    name = name or info.get("name") or info.get("id") or "?"
    status, error = info.get("status") or "", info.get("error") or ""
    return Service(kind, clean(str(name))[:MAX_NAME], clean(str(status))[:MAX_NAME], clean(str(error))[:MAX_REASON])


async def _read(api: Api, path: str, directory: str) -> Any:
    try:
        return await api.get(path, directory)
    except CallError:
        return None
