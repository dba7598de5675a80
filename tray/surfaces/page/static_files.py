"""The files of the page: read once, when a browser first asks for them. There are no others."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
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
    ".png": "image/png",
}

WORKER, ICON = "/sw.js", "/icon.png"
UNREAD = {  # what only readers of the source need: comments, empty lines and indentation
    ".js": re.compile(rb"^ *(//|/\*\*|\*).*\n|^\n|^ +|(?<=[;,{(]) // .*$", re.MULTILINE),
    ".css": re.compile(rb"^ */\*.*\*/ *\n|^\n|^ +", re.MULTILINE),
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
        if path.suffix in UNREAD:
            content = UNREAD[path.suffix].sub(b"", content)
        return cls.of(content, TYPES[path.suffix])

    @classmethod
    def of(cls, content: bytes, type_: str) -> StaticFile:
        """Return a file with this content."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(content, gzip.compress(content, mtime=0), type_, tag)


@cache
def files() -> dict[str, StaticFile]:
    """Return each file by its path on the server."""
    names = {f"/app/{path.relative_to(FOLDER).as_posix()}": path for path in FOLDER.rglob("*") if path.suffix in TYPES}
    names["/"] = names.pop("/app/index.html")
    names[WORKER] = names.pop("/app/sw.js")
    names["/favicon.svg"] = resources.app_drawing()
    if (icon := resources.app_icon()) is not None:
        names[ICON] = icon
    found = {name: StaticFile.read(path) for name, path in names.items()}
    found[WORKER] = _worker(found.pop(WORKER), found)
    return found


def _worker(script: StaticFile, others: Mapping[str, StaticFile]) -> StaticFile:
    """Return the service worker with the files that it keeps, and a version that changes with any of them."""
    version = hashlib.sha256("".join(file.tag for file in others.values()).encode()).hexdigest()[:16]
    constants = f"const VERSION = {json.dumps(version)}, FILES = {json.dumps(sorted(others))};"
    return StaticFile.of(constants.encode() + script.content, script.type)


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
    charset = None if file.type == TYPES[".png"] else "utf-8"
    return web.Response(body=body, headers=headers, content_type=file.type, charset=charset)
