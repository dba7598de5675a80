"""HTTP calls to the services of channels. Errors become ChannelError, without the address: it may contain a secret."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import unquote

import aiohttp

from tray.core.lenient_json import decode_or
from tray.surfaces.channels.channel import ChannelError

TIMEOUT = aiohttp.ClientTimeout(total=30)
MAX_ANSWER = 1_000_000  # bytes
MAX_REASON = 2_000  # characters of the reason of a refusal that are read
MAX_RETRY_AFTER = 3600.0  # s; a service that asks for more is asked again after this
INVALID_ADDRESS = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)
PERMANENT = frozenset({400, 404, 405, 410, 413, 422})  # statuses of a message that is never taken
_WORD = re.compile(r"[\w~-]{6,}")  # long enough to be a part of a secret
REFUSED = frozenset({401, 402, 403, 407})  # statuses until the user has corrected something


async def call(
    http: aiohttp.ClientSession, method: str, url: str, *, timeout: aiohttp.ClientTimeout = TIMEOUT, **options: Any
) -> dict[str, Any]:
    """Return the JSON object of the answer; {} if it is none. Raises ChannelError. `options` are those of aiohttp."""
    with _channel_errors():
        async with http.request(method, url, timeout=timeout, allow_redirects=False, **options) as response:
            return await _accepted(response, f"{url} {unquote(url)} {options}")


@asynccontextmanager
async def stream(
    http: aiohttp.ClientSession, url: str, timeout: aiohttp.ClientTimeout, **options: Any
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open the lines of an answer that does not end. Raises ChannelError, also while they are read."""
    with _channel_errors():
        async with http.get(url, timeout=timeout, allow_redirects=False, **options) as response:
            if response.status >= 300:
                await _accepted(response, f"{url} {unquote(url)} {options}")
            yield aiter(response.content)


@contextmanager
def _channel_errors() -> Iterator[None]:
    """Raise the errors of aiohttp as ChannelError."""
    try:
        yield
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


async def _accepted(response: aiohttp.ClientResponse, request: str) -> dict[str, Any]:
    """Return the JSON object of an answer of at most MAX_ANSWER bytes. Raises ChannelError for a refusal.

    `request` is the text of the request: its words are left out of the reason, because some of them are secrets.
    """
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) >= MAX_ANSWER:
            break
    answer = decode_or(bytes(found), dict[str, Any], {})
    if response.status >= 300:
        raise _refused(response.status, response.headers, answer, request)
    return answer


def _refused(status: int, headers: Mapping[str, str], fields: Mapping[str, Any], request: str) -> ChannelError:
    parameters = fields.get("parameters")
    wait = headers.get("Retry-After") or fields.get("retry_after")
    if wait is None and isinstance(parameters, dict):
        wait = parameters.get("retry_after")
    reasons = [fields[name] for name in ("description", "error", "message") if isinstance(fields.get(name), str)]
    text = f"{status} {_without(request, reasons[0])[:200]}" if reasons else f"it answered {status}"
    return ChannelError(
        text,
        status=status,
        retry_after=_seconds(wait),
        is_permanent=status in PERMANENT,
        is_refused=status in REFUSED or 300 <= status < 400,
    )


def _without(request: str, reason: str) -> str:
    """Return a reason with "…" in place of each word that the request contains."""
    said = request.casefold()
    return _WORD.sub(lambda word: "…" if word[0].casefold() in said else word[0], reason[:MAX_REASON])


def _seconds(wait: Any) -> float:
    """Return a number of seconds, at most MAX_RETRY_AFTER; 0 for a date or nonsense."""
    try:
        return max(0.0, min(float(wait), MAX_RETRY_AFTER))
    except (TypeError, ValueError, OverflowError):
        return 0.0
