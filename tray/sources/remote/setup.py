"""Put the plugin on another machine, over ssh."""

from __future__ import annotations

from typing import NamedTuple

from tray.sources.remote import ssh

_FOLDER = """p="${OPENCODE_CONFIG_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/opencode}/plugin"; """
_MARK = "opencode-tray: "  # startup files of the shell there may print more
# Writes the plugin from its input, and prints the name of the machine and the path of OpenCode.
_INSTALL = _FOLDER + (
    """mkdir -p "$p" && cat > "$p/.opencode-tray.js.new" && mv "$p/.opencode-tray.js.new" "$p/opencode-tray.js" """
    """&& echo "opencode-tray: $(hostname)" """
    """&& echo "opencode-tray: $(command -v opencode || command -v "$HOME/.opencode/bin/opencode")" """
)
_READ = _FOLDER + """echo "opencode-tray: "; cat "$p/opencode-tray.js" 2> /dev/null || true"""


class Installed(NamedTuple):
    """What was found on the machine."""

    host: str
    opencode: str  # the path of the program; "": it was not found


async def install(destination: str, plugin: bytes) -> Installed:
    """Write the plugin. Raises SshError."""
    lines = (await ssh.run(destination, _INSTALL, plugin)).splitlines()
    own = [line.removeprefix(_MARK).strip() for line in lines if line.startswith(_MARK)]
    if len(own) != 2:
        raise ssh.SshError(f"{destination}: {ssh.NOT_RUN}")
    return Installed(*own)


async def installed_plugin(destination: str) -> bytes:
    """Return the plugin that is installed there; b"" if there is none. Raises SshError."""
    return (await ssh.run(destination, _READ)).partition(f"{_MARK}\n")[2].encode()
