"""A registry that has one npm package: this checkout's plugin, packed as it would be published."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Self

PACKAGE = Path(__file__).parent.parent / "plugin"


def pack() -> bytes:
    """Return the tarball that `npm pack` makes of the package's files."""
    files = ["package.json", *json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))["files"]]
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name in files:
            archive.add(PACKAGE / name, f"package/{name}")
    return target.getvalue()


class NpmRegistry:
    """A context manager: serves on a free port of loopback, and keeps the paths of its `requests`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._tarball = pack()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                content = registry.content(self.path)
                self.send_response(404 if content is None else 200)
                kind = "application/octet-stream" if self.path.endswith(".tgz") else "application/json"
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="registry", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def content(self, path: str) -> bytes | None:
        """Return the package's description or its tarball; None for any other path."""
        if path.endswith(".tgz"):
            return self._tarball
        if path != "/opencode-tray":
            return None
        package = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
        digest = base64.b64encode(hashlib.sha512(self._tarball).digest()).decode()
        version = package["version"]
        dist = {"tarball": f"{self.url}opencode-tray/-/opencode-tray-{version}.tgz", "integrity": f"sha512-{digest}"}
        described = {
            "name": package["name"],
            "dist-tags": {"latest": version},
            "versions": {version: {**package, "dist": dist}},
        }
        return json.dumps(described).encode()
