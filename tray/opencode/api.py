"""One OpenCode server's HTTP interface: plain JSON in and out, its failures as ours."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.core.text import clean
from tray.opencode.lenient_json import WRONG, decode

MAX_BODY = 16 * 1024 * 1024  # bytes of an answer; a long session's messages are megabytes
MAX_UNTRUSTED_BODY = 1024 * 1024  # of a server that anybody may be
CONNECT_TIMEOUT = 5.0  # s


@dataclass(frozen=True, slots=True)  # not a Struct, whose repr would show the password
class Address:
    """Where a server is, and the way in."""

    url: str  # without a slash at its end
    username: str = "opencode"
    password: str = field(default="", repr=False)
    pid: int = 0  # its process, where it is one of this machine
    trusted: bool = True  # False: found on the network, where anybody may be one


class LockedError(Exception):
    """The server wants a password, or another one than was given."""


class Api:
    """Calls of one server. Redirects are not followed: the password is for this address alone."""

    def __init__(self, address: Address, http: aiohttp.ClientSession) -> None:
        self.address = address
        self._http = http
        login = b64encode(f"{address.username}:{address.password}".encode("utf-8", "surrogateescape")).decode()
        self._headers = {"Authorization": f"Basic {login}"} if address.password else {}

    async def get(self, path: str, directory: str = "", **query: str | int) -> Any:
        """Read. Raises CallError, LockedError."""
        return await self._ask("GET", path, directory, None, query)

    async def post(self, path: str, directory: str = "", body: Mapping[str, Any] | None = None) -> Any:
        """Have something done. Raises CallError, LockedError."""
        return await self._ask("POST", path, directory, body or {}, {})

    async def patch(self, path: str, directory: str, body: Mapping[str, Any]) -> Any:
        """Change something. Raises CallError, LockedError."""
        return await self._ask("PATCH", path, directory, body, {})

    async def delete(self, path: str, directory: str) -> Any:
        """Remove something. Raises CallError, LockedError."""
        return await self._ask("DELETE", path, directory, None, {})

    async def _ask(
        self, method: str, path: str, directory: str, body: Mapping[str, Any] | None, query: Mapping[str, str | int]
    ) -> Any:
        asked = {name: str(value) for name, value in query.items()} | ({"directory": directory} if directory else {})
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._http.request(
                method, self.address.url + path, params=asked, json=body, headers=self._headers, timeout=timeout,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                most = MAX_BODY if self.address.trusted else MAX_UNTRUSTED_BODY
                return _decoded(answer, await _body(answer, most))
        except TimeoutError:
            raise CallError(f"no answer in {CALL_TIMEOUT:g} s", CallErrorKind.SILENT) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # UnicodeError: no host name
            raise CallError(f"it cannot be reached: {_told(error)}", CallErrorKind.GONE) from error

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes of a stream that does not end by itself. Raises CallError, LockedError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        try:
            headers = {**self._headers, "Accept-Encoding": "identity"}  # a little that is much cannot be bounded
            opening = self._http.get(
                self.address.url + path, headers=headers, timeout=timeout, allow_redirects=False, read_bufsize=2**20
            )
            async with asyncio.timeout(CALL_TIMEOUT):
                answer = await opening
        except TimeoutError:
            raise CallError(f"no answer in {CALL_TIMEOUT:g} s", CallErrorKind.SILENT) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise CallError(f"it cannot be reached: {_told(error)}", CallErrorKind.GONE) from error
        try:
            _refuse(answer)
            if answer.content_type != "text/event-stream" or "Content-Encoding" in answer.headers:
                raise CallError("it sends no events: is it OpenCode?", CallErrorKind.UNSUPPORTED)
            yield answer.content
        finally:
            answer.close()


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > most:
            raise CallError(f"its answer is longer than {most} bytes")
    return bytes(body)


class _ErrorData(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    name: str = ""
    data: _ErrorData = msgspec.field(default_factory=_ErrorData)


def _refuse(answer: aiohttp.ClientResponse, body: bytes = b"") -> None:
    """Raises LockedError or CallError for an answer that is none."""
    if answer.status in (401, 403):
        raise LockedError
    if answer.status == 404:
        raise CallError("OpenCode does not know it any more", CallErrorKind.NOT_FOUND)
    if not 200 <= answer.status < 300:
        raise CallError(f"OpenCode said no ({answer.status}){_why(body)}")


def _why(body: bytes) -> str:
    """OpenCode's own reason, in one line; "" where it gives none."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except WRONG:
        return ""
    told = clean(error.data.message or error.name)[:200]
    return f": {told}" if told else ""


def _decoded(answer: aiohttp.ClientResponse, body: bytes) -> Any:
    _refuse(answer, body)
    if not body:
        return None
    if answer.content_type != "application/json":  # what it has no path for it may answer with its web page
        raise CallError("this OpenCode cannot do that", CallErrorKind.UNSUPPORTED)
    try:
        return decode(body)
    except WRONG:
        raise CallError("its answer could not be read") from None


def _told(error: BaseException) -> str:
    """The reason without the address, which is said elsewhere."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not to be trusted"
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return (inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner))[:120] or "it hung up"
