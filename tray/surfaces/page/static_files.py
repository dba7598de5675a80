"""The files of the page: read once, when a browser first asks for them. There are no others."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

import msgspec
from aiohttp import web

from tray.system import resources

FOLDER = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


COMMENT_LINES = {  # the browser gets empty lines for them
    ".js": re.compile(rb"^ *(//|/\*\*|\*).*$", re.MULTILINE),
    ".css": re.compile(rb"^ */\*.*\*/ *$", re.MULTILINE),
}


class StaticFile(msgspec.Struct, frozen=True):
    """One file, also compressed."""

    content: bytes
    compressed: bytes
    type: str
    tag: str  # changes with the content

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        """Read a file. Raises OSError."""
        content = path.read_bytes()
        if path.suffix in COMMENT_LINES:
            content = COMMENT_LINES[path.suffix].sub(b"", content)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(content, gzip.compress(content, mtime=0), TYPES[path.suffix], tag)


@cache
def files() -> dict[str, StaticFile]:
    """Return each file by its path on the server."""
    names = {f"/app/{path.relative_to(FOLDER).as_posix()}": path for path in FOLDER.rglob("*") if path.suffix in TYPES}
    names["/"] = names.pop("/app/index.html")
    names["/favicon.svg"] = resources.app_drawing()
    return {name: StaticFile.read(path) for name, path in names.items()}


async def serve_file(request: web.Request) -> web.StreamResponse:
    """Send the file at the request's path."""
    file = files().get(request.path)
    if file is None:
        raise web.HTTPNotFound(text="no such file")
    headers = {"Cache-Control": "no-cache", "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    body = file.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"], body = "gzip", file.compressed
    return web.Response(body=body, headers=headers, content_type=file.type, charset="utf-8")
