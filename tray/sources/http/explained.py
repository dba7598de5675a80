"""OpenCode 1.1 asks for a permission without its command, which stands in the tool's part alone."""

from __future__ import annotations

from typing import Any

from tray.core.source_calls import CallError
from tray.opencode.api import Api


async def with_command(api: Api, directory: str, request: Any) -> Any:
    """The permission with the command it is asked for, where that is to be had. Raises LockedError."""
    if not isinstance(request, dict) or request.get("permission") != "bash":
        return request
    metadata, tool = request.get("metadata"), request.get("tool")
    if (isinstance(metadata, dict) and metadata.get("command")) or not isinstance(tool, dict):
        return request
    try:
        path = f"/session/{request['sessionID']}/message/{tool['messageID']}"
        message = await api.get(path, directory)
        inputs = [part["state"]["input"] for part in message["parts"] if part.get("callID") == tool["callID"]]
        command = inputs[0]["command"]
    except (CallError, LookupError, TypeError, AttributeError):
        return request
    known = metadata if isinstance(metadata, dict) else {}
    return {**request, "metadata": {**known, "command": command}} if isinstance(command, str) else request
