"""HTTP calls to the services of channels. Errors become ChannelError, without the address: it may contain a secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tray.surfaces.channels.channel import ChannelError

TIMEOUT = aiohttp.ClientTimeout(total=30)
MAX_ANSWER = 1_000_000  # bytes
INVALID_ADDRESS = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)
PERMANENT = frozenset({400, 404, 405, 410, 413, 422})  # statuses of a message that is never taken
REFUSED = frozenset({401, 402, 403, 407})  # statuses until the user has corrected something


async def call(
    http: aiohttp.ClientSession, method: str, url: str, *, timeout: aiohttp.ClientTimeout = TIMEOUT, **options: Any
) -> Any:
    """Return the JSON of the answer; {} if it is not JSON. Raises ChannelError. `options` are those of aiohttp."""
    try:
        async with http.request(method, url, timeout=timeout, allow_redirects=False, **options) as response:
            answer = _decoded(await _read(response))
            if response.status >= 300:
                raise _refused(response.status, response.headers, answer)
            return answer
    except TimeoutError as error:
        raise ChannelError("no answer") from error
    except INVALID_ADDRESS as error:
        raise ChannelError("its address is not valid", is_refused=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ChannelError(_reason(error)) from error


@asynccontextmanager
async def stream(
    http: aiohttp.ClientSession, url: str, timeout: aiohttp.ClientTimeout, **options: Any
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open the lines of an answer that does not end. Raises ChannelError, also while they are read."""
    try:
        async with http.get(url, timeout=timeout, allow_redirects=False, **options) as response:
            if response.status >= 300:
                raise _refused(response.status, response.headers, _decoded(await _read(response)))
            yield aiter(response.content)
    except TimeoutError as error:
        raise ChannelError("no answer") from error
    except INVALID_ADDRESS as error:
        raise ChannelError("its address is not valid", is_refused=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ChannelError(_reason(error)) from error
    except ValueError as error:  # a line that is too long
        raise ChannelError("its answer is not valid") from error


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror or type(error.os_error).__name__}"
    return f"the connection was lost ({type(error).__name__})"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole answer, at most MAX_ANSWER bytes."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) >= MAX_ANSWER:
            break
    return bytes(found[:MAX_ANSWER])


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return {}


def _refused(status: int, headers: Mapping[str, str], answer: Any) -> ChannelError:
    fields = answer if isinstance(answer, dict) else {}
    parameters = fields.get("parameters")
    wait = headers.get("Retry-After") or fields.get("retry_after")
    if wait is None and isinstance(parameters, dict):
        wait = parameters.get("retry_after")
    reasons = [fields[name] for name in ("description", "error", "message") if isinstance(fields.get(name), str)]
    text = f"{status} {reasons[0][:200]}" if reasons else f"it answered {status}"
    is_permanent = status in PERMANENT
    is_refused = status in REFUSED or 300 <= status < 400
    return ChannelError(text, retry_after=_seconds(wait), is_permanent=is_permanent, is_refused=is_refused)


def _seconds(wait: Any) -> float:
    """Return a number of seconds; 0 for a date or nonsense."""
    try:
        return max(0.0, min(float(wait), 86_400.0))
    except (TypeError, ValueError):
        return 0.0
