"""Whether the user has trusted the tray's hooks in Codex, which skips all others silently. Read-only.

Codex stores a hash of each trusted hook in its configuration, by the path of the file, the event and the hook's place.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from tray.agents.codex.hooks import HOOK_FILE
from tray.agents.hook_file import OwnHook
from tray.agents.json_editor import InvalidJsonError
from tray.files.reading import read_regular

CONFIGURATION = "config.toml"
DEFAULT_TIMEOUT = 600  # s, of Codex


def are_hooks_trusted(path: Path) -> bool:
    """Return whether Codex runs all hooks of the tray. `path` is that of the file with the hooks."""
    try:
        hooks = list(HOOK_FILE.own(read_regular(path).decode()))
        states = _states(path.with_name(CONFIGURATION))
    except (OSError, ValueError, InvalidJsonError):
        return False
    return all(_is_trusted(hook, path, states) for hook in hooks)


def _states(configuration: Path) -> dict[str, Any]:
    """Return the state of each hook. Raises OSError, and ValueError if the file is not valid."""
    hooks = tomllib.loads(read_regular(configuration).decode()).get("hooks")
    states = hooks.get("state") if isinstance(hooks, dict) else None
    return states if isinstance(states, dict) else {}


def _is_trusted(hook: OwnHook, path: Path, states: dict[str, Any]) -> bool:
    names = (f"{file}:{_snake_case(hook.event)}:{hook.number}:{hook.index}" for file in (path, path.resolve()))
    state = next((states[name] for name in names if name in states), None)
    return isinstance(state, dict) and state.get("trusted_hash") == hash_of(hook) and state.get("enabled", True) is True


def hash_of(hook: OwnHook) -> str:
    """Return the hash by which Codex recognises a hook."""
    timeout = hook.fields.get("timeout", DEFAULT_TIMEOUT)
    handler = {"type": "command", "command": hook.command, "timeout": timeout, "async": False}
    identity = {"event_name": _snake_case(hook.event), "hooks": [handler]}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _snake_case(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
