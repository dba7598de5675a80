"""The JSON body of a request to the page's server."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from tray.core.lenient_json import JSON_ERRORS

Body = TypeVar("Body", bound=msgspec.Struct)


async def decode_body(request: web.Request, kind: type[Body]) -> Body:
    """Decode the request's body. Raises HTTPBadRequest for invalid JSON and unknown fields."""
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except JSON_ERRORS as error:
        raise web.HTTPBadRequest(text=str(error)) from error
