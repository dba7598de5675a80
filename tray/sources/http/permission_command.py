"""The command of a permission. OpenCode 1.1 sends it only with the tool's part of the message."""

from __future__ import annotations

from typing import Any

from tray.core.source_calls import CallError
from tray.opencode.api import Api


def lacks_command(permission: Any) -> bool:
    """Whether the permission is for a command that only the tool's part contains."""
    if not isinstance(permission, dict) or permission.get("permission") != "bash":
        return False
    metadata = permission.get("metadata")
    has_command = isinstance(metadata, dict) and bool(metadata.get("command"))
    return not has_command and isinstance(permission.get("tool"), dict)


async def with_command(api: Api, directory: str, permission: Any) -> Any:
    """Return the permission with its command, or as it is if it has one or none can be read. Raises LockedError."""
    if not lacks_command(permission):
        return permission
    metadata, tool = permission.get("metadata"), permission["tool"]
    try:
        path = f"/session/{permission['sessionID']}/message/{tool['messageID']}"
        message = await api.get(path, directory)
        inputs = [part["state"]["input"] for part in message["parts"] if part.get("callID") == tool["callID"]]
        command = inputs[0]["command"]
    except (CallError, LookupError, TypeError, AttributeError):
        return permission
    if not isinstance(command, str):
        return permission
    return {**permission, "metadata": {**(metadata if isinstance(metadata, dict) else {}), "command": command}}
