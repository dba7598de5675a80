"""Stand-ins for cloudflared and ngrok: they print what the real ones print, and forward a port to the page.

What a device on the internet sends to the tunnel's address, a test sends to this port.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOST = "quiet-river-1234.trycloudflare.com"
NGROK_HOST = "ab12-192-0-2-7.ngrok-free.app"

_PROGRAM = r"""#!{python} -I
import json, os, pathlib, re, socket, sys, threading, time

name, words, folder = {name!r}, sys.argv[1:], pathlib.Path({folder!r})
(folder / (name + ".arguments")).write_text(json.dumps(words))
(folder / (name + ".pid")).write_text(str(os.getpid()))
behavior = (folder / "behavior").read_text() if (folder / "behavior").is_file() else ""
target = next(int(m[1]) for m in (re.fullmatch(r"http://127\.0\.0\.1:(\d+)", word) for word in words) if m)

def say(level, text):
    if name == "cloudflared":
        print("2026-11-27T18:00:00Z", level, text, file=sys.stderr, flush=True)

def copy(one, other):
    try:
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def forward(server):
    while True:
        client, _ = server.accept()
        try:
            page = socket.create_connection(("127.0.0.1", target))
        except OSError:
            client.close()
            continue
        for pair in ((client, page), (page, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()

say("INF", "Thank you for trying Cloudflare Tunnel. https://developers.cloudflare.com/cloudflare-one/")
say("INF", "Requesting new quick Tunnel on trycloudflare.com...")
if behavior == "refused":
    say("ERR", "failed to request quick Tunnel: https://api.trycloudflare.com/tunnel answered 429")
    if name == "ngrok":
        print(json.dumps(dict(lvl="crit", err="authentication failed: ERR_NGROK_4018")), flush=True)
    sys.exit(1)
if behavior == "silent":
    time.sleep(600)
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=forward, args=(server,), daemon=True).start()
(folder / (name + ".port")).write_text(str(server.getsockname()[1]))
if name == "cloudflared":
    say("INF", "+----------------------------------------------------+")
    say("INF", "|  Your quick Tunnel has been created! Visit it at:  |")
    say("INF", "|  https://" + {host!r} + "  |")
else:
    print(json.dumps(dict(lvl="info", msg="started tunnel", url="https://" + {ngrok!r})), flush=True)
while not (folder / "end").exists():
    time.sleep(0.02)
say("ERR", "the tunnel was lost")
sys.exit(1)
"""


class TunnelPrograms:
    """A folder of these programs, to put first on the PATH."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in names or ("cloudflared", "ngrok"):
            path = folder / name
            values = {"python": sys.executable, "name": name, "folder": str(folder), "host": HOST, "ngrok": NGROK_HOST}
            path.write_text(_PROGRAM.format(**values), encoding="utf-8")
            path.chmod(0o755)

    def behave(self, behavior: str) -> None:
        """Let the next start be "refused" or "silent"."""
        (self.folder / "behavior").write_text(behavior, encoding="utf-8")

    def end(self) -> None:
        """Let the running program end with an error."""
        (self.folder / "end").touch()

    def read(self, name: str) -> str:
        """Return what the last start wrote: NAME.arguments (JSON), NAME.pid or NAME.port."""
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def port(self) -> int:
        """The port on the loopback that cloudflared forwards."""
        return int(self.read("cloudflared.port"))
