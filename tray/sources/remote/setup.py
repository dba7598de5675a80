"""Put the plugin on another machine, over ssh."""

from __future__ import annotations

from typing import NamedTuple

from tray.sources.remote import ssh

_FOLDER = """p="${OPENCODE_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/opencode}/plugin"; """
# Writes the plugin from its input, and prints the name of the machine and the path of OpenCode.
_INSTALL = _FOLDER + (
    """mkdir -p "$p" && cat > "$p/.opencode-tray.js.new" && mv "$p/.opencode-tray.js.new" "$p/opencode-tray.js" """
    """&& hostname && { command -v opencode || command -v "$HOME/.opencode/bin/opencode" || echo; }"""
)
_READ = _FOLDER + """cat "$p/opencode-tray.js" """


class Installed(NamedTuple):
    """What was found on the machine."""

    host: str
    opencode: str  # the path of the program; "": it was not found


async def install(destination: str, plugin: bytes) -> Installed:
    """Write the plugin. Raises SshError."""
    lines = [line.strip() for line in (await ssh.run(destination, _INSTALL, plugin)).splitlines()]
    host, opencode = (*lines[-2:], "")[:2] if len(lines) >= 2 else (*lines, "", "")[:2]
    return Installed(host, opencode)


async def installed_version(destination: str) -> bytes:
    """Return the plugin that is installed there; b"" if there is none. Raises SshError."""
    return (await ssh.run(destination, f"{_READ} 2> /dev/null || true")).encode()
