"""Which requests the page's server takes, and the headers of its responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Middleware

from tray.core.errors import UserError
from tray.core.loopback import is_loopback
from tray.core.text import clean

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024  # bytes
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types worker"  # that of push.js, for the address of the worker
)
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
)

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "CF-Connecting-IP", "Tailscale-User-Login")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Hosts = Callable[[], Collection[str]]
"""Returns the names under which a tunnel or Tailscale brings requests to this server now, over HTTPS."""


def is_own_authority(header: str, port: int, address: str = "") -> bool:
    """Whether a `Host` header is a loopback address, `localhost` or `address`, with this port. Names are not resolved.

    `address` is that of this machine on the local network, if the page is served there.
    """
    host, _, given = header.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if given != str(port) or (":" in host and not is_bracketed):
        return False
    return is_loopback(host) or (bool(address) and host.removeprefix("[").removesuffix("]") == address)


def check_request(request: web.Request, port: int, address: str = "", https_hosts: Collection[str] = ()) -> None:
    """Raise an HTTPException for a foreign `Host` or `Origin`, or for a body that is not JSON.

    Browsers send `Origin` with each WebSocket and each request that changes something. `Sec-Fetch-Site` is missing on
    WebSockets, and another port of this host is "same-site": only `Origin` names the port.
    """
    headers = request.headers
    host, origin = headers.get("Host", ""), headers.get("Origin")
    is_https = host in https_hosts
    if not is_https and not is_own_authority(host, port, address):
        raise web.HTTPMisdirectedRequest(text=f"foreign Host {clean(host[:80])!r}")
    changes = request.method in CHANGING or headers.get("Upgrade", "").lower() == "websocket"
    if origin is not None and origin != f"{'https' if is_https else 'http'}://{host}":
        raise web.HTTPForbidden(text=f"foreign Origin {clean(origin[:80])!r}")
    if origin is None and changes and _is_browser(request):
        raise web.HTTPForbidden(text="the Origin is missing")
    if request.path.startswith("/api/") and headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden(text="sent by another site")
    if request.method in CHANGING and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="only application/json is taken")


def outside_host(request: web.Request, https_hosts: Collection[str]) -> str:
    """Return the name under which a tunnel or Tailscale brought this request; "" if it came directly.

    Such a request comes from the loopback, and has fewer rights. What its headers say of the sender gives none: it is
    only a sign that there is a proxy, also behind a forged `Host`.
    """
    host = request.headers.get("Host", "")
    if host in https_hosts:
        return host
    return "a proxy" if https_hosts and any(name in request.headers for name in FORWARDED) else ""


def peer_of(request: web.Request, https_hosts: Collection[str]) -> str:
    """Return the address that failures are counted for. Strangers behind a tunnel share one of their own."""
    return outside_host(request, https_hosts) or request.remote or ""


def _is_browser(request: web.Request) -> bool:
    return "Sec-Fetch-Mode" in request.headers or "Mozilla" in request.headers.get("User-Agent", "")


def checks(port: Callable[[], int], address: Callable[[], str], https_hosts: Hosts) -> Middleware:
    """Return the middleware that checks each request and turns errors into JSON.

    `port` is the server's own, `address` that of this machine on the local network.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_request(request, port(), address(), https_hosts())
            return await handler(request)
        except UserError as error:
            return _error(400, str(error))
        except web.HTTPException as error:
            return _error(error.status, error.text or error.reason)
        except ConnectionError:  # the browser is gone: nothing that is sent arrives
            return _error(503, "the connection was lost")
        except Exception:  # a bug must not end the connection without an answer
            log.exception("%s %s failed", request.method, request.match_info.route.name or "request")
            return _error(500, "internal error; see the tray's log")

    return check


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers: a handler of the signal `on_response_prepare`."""
    response.headers.update(HEADERS)
    if not request.path.startswith("/app/") and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
