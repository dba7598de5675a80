"""HTTP client for one OpenCode server: JSON in and out, failures as CallError or LockedError."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.core.text import clean

MAX_BODY = 16 * 1024 * 1024  # bytes of a response; the messages of a long session are megabytes
MAX_UNTRUSTED_BODY = 1024 * 1024  # bytes of a response from a server that is not authenticated
CONNECT_TIMEOUT = 5.0  # s


@dataclass(frozen=True, slots=True)  # not a Struct, whose repr would show the password
class ServerAddress:
    """The URL and credentials of a server."""

    url: str  # without a trailing slash
    username: str = "opencode"
    password: str = field(default="", repr=False)
    pid: int = 0  # of its process if it runs on this machine, else 0
    trusted: bool = True  # False for a server found on the network, which any program may announce


class LockedError(Exception):
    """The server requires a password, or refused the one that was given."""


class Api:
    """Sends requests to one server. Does not follow redirects, so that the password goes to this address only."""

    def __init__(self, address: ServerAddress, http: aiohttp.ClientSession) -> None:
        self.address = address
        self._http = http
        login = b64encode(f"{address.username}:{address.password}".encode("utf-8", "surrogateescape")).decode()
        self._headers = {"Accept-Encoding": "identity"}  # the size of compressed data cannot be limited
        self._secrets = (login, address.password) if address.password else ()
        if address.password:
            self._headers["Authorization"] = f"Basic {login}"

    async def get(self, path: str, directory: str = "", **query: str | int) -> Any:
        """Send GET and return the decoded JSON. Raises CallError, LockedError."""
        return await self._request("GET", path, directory, None, query)

    async def post(self, path: str, directory: str = "", body: Mapping[str, Any] | None = None) -> Any:
        """Send POST and return the decoded JSON. Raises CallError, LockedError."""
        return await self._request("POST", path, directory, body or {}, {})

    async def patch(self, path: str, directory: str, body: Mapping[str, Any]) -> Any:
        """Send PATCH and return the decoded JSON. Raises CallError, LockedError."""
        return await self._request("PATCH", path, directory, body, {})

    async def delete(self, path: str, directory: str) -> Any:
        """Send DELETE and return the decoded JSON. Raises CallError, LockedError."""
        return await self._request("DELETE", path, directory, None, {})

    async def _request(
        self, method: str, path: str, directory: str, body: Mapping[str, Any] | None, query: Mapping[str, str | int]
    ) -> Any:
        params = {name: str(value) for name, value in query.items()} | ({"directory": directory} if directory else {})
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._http.request(
                method, self.address.url + path, params=params, json=body, headers=self._headers, timeout=timeout,
                allow_redirects=False, trace_request_ctx=self.address,
            ) as response:  # fmt: skip
                if _is_compressed(response):
                    raise CallError("the response is compressed: is this an OpenCode server?")
                limit = MAX_BODY if self.address.trusted else MAX_UNTRUSTED_BODY
                return _decoded(response, await _body(response, limit), self._secrets)
        except TimeoutError:
            raise CallError(f"no answer in {CALL_TIMEOUT:g} s", CallErrorKind.SILENT) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # UnicodeError: not a host name
            raise CallError(f"cannot connect: {_describe(error)}", CallErrorKind.GONE) from error

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[aiohttp.StreamReader]:
        """Open an endless event stream and yield its bytes. Raises CallError, LockedError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        try:
            opening = self._http.get(
                self.address.url + path, headers=self._headers, timeout=timeout, allow_redirects=False,
                read_bufsize=2**20, trace_request_ctx=self.address,
            )  # fmt: skip
            async with asyncio.timeout(CALL_TIMEOUT):
                response = await opening
        except TimeoutError:
            raise CallError(f"no answer in {CALL_TIMEOUT:g} s", CallErrorKind.SILENT) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise CallError(f"cannot connect: {_describe(error)}", CallErrorKind.GONE) from error
        try:
            _raise_for_status(response)
            if response.content_type != "text/event-stream" or _is_compressed(response):
                raise CallError("not an event stream: is this an OpenCode server?", CallErrorKind.UNSUPPORTED)
            yield response.content
        finally:
            response.close()


def _is_compressed(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity") != "identity"


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise CallError(f"the response is longer than {limit} bytes")
    return bytes(body)


class _ErrorData(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    name: str = ""
    data: _ErrorData = msgspec.field(default_factory=_ErrorData)


def _raise_for_status(response: aiohttp.ClientResponse, body: bytes = b"", secrets: Sequence[str] = ()) -> None:
    """Raise LockedError or CallError if the status is an error."""
    if response.status in (401, 403):
        raise LockedError
    if response.status == 404:
        raise CallError("not found in OpenCode", CallErrorKind.NOT_FOUND)
    if not 200 <= response.status < 300:
        raise CallError(f"OpenCode refused the request ({response.status}){_reason(body, secrets)}")


def _reason(body: bytes, secrets: Sequence[str]) -> str:
    """Return ": " and the error message of OpenCode in one line, or "" if it gives none.

    An answer may repeat the request: secrets are left out.
    """
    try:
        error = msgspec.json.decode(body, type=_Error)
    except JSON_ERRORS:
        return ""
    message = error.data.message or error.name
    for secret in secrets:
        message = message.replace(secret, "…")
    return f": {clean(message)[:200]}" if message else ""


def _decoded(response: aiohttp.ClientResponse, body: bytes, secrets: Sequence[str]) -> Any:
    _raise_for_status(response, body, secrets)
    if not body:
        return None
    if response.content_type != "application/json":  # for unknown paths it may return its web page
        raise CallError("this version of OpenCode does not support that", CallErrorKind.UNSUPPORTED)
    try:
        return decode(body)
    except JSON_ERRORS:
        raise CallError("the response is not valid JSON") from None


def _describe(error: BaseException) -> str:
    """Return the reason without the address, which the caller shows."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = inner.strerror if isinstance(inner, OSError) else None
    return (reason or str(inner))[:120] or "connection closed"
