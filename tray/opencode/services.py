"""What an OpenCode has running beside it: its MCP and LSP servers, and how they are."""

from __future__ import annotations

import asyncio
from typing import Any

from tray.core.model import Service
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.opencode.api import Api

LONGEST = 300  # characters of a reason


async def read_services(api: Api, directory: str = "") -> tuple[Service, ...]:
    """Those of one directory, by name. Raises LockedError; what cannot be read is absent."""
    mcp, lsp = await asyncio.gather(_read(api, "/mcp", directory), _read(api, "/lsp", directory))
    return services_of(mcp, lsp)


def services_of(mcp: Any, lsp: Any) -> tuple[Service, ...]:
    """The answers of /mcp and /lsp: `{name: {status, error?}}` and `[{id, name, root, status}]`."""
    named = [("mcp", name, told) for name, told in (mcp.items() if isinstance(mcp, dict) else ())]
    named += [("lsp", None, told) for told in (lsp if isinstance(lsp, list) else ())]
    found = (_service(kind, name, told) for kind, name, told in named if isinstance(told, dict))
    return tuple(sorted(found, key=lambda service: (service.kind, service.name)))


def _service(kind: str, name: Any, told: dict[str, Any]) -> Service:
    name, status, why = name or told.get("name") or told.get("id") or "?", told.get("status"), told.get("error")
    return Service(kind, clean(str(name))[:100], clean(str(status or ""))[:100], clean(str(why or ""))[:LONGEST])


async def _read(api: Api, path: str, directory: str) -> Any:
    try:
        return await api.get(path, directory)
    except CallError:
        return None
