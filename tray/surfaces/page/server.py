"""The page's HTTP server: an aiohttp application of its own, on loopback. Nothing here speaks the plugin protocol."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from tray.core.devices import Device, Scope, public_fields
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.storage import audit
from tray.surfaces.control.methods import ControlMethods
from tray.surfaces.page.access import Access
from tray.surfaces.page.answers import AnswerBody, PageAnswers
from tray.surfaces.page.away_routes import AwayRoutes
from tray.surfaces.page.history_routes import AnnotationBody, HistoryRoutes, RemovalBody
from tray.surfaces.page.live import LiveView
from tray.surfaces.page.pairing_routes import PairingRoutes
from tray.surfaces.page.pairings import Pairings
from tray.surfaces.page.push_routes import PressBody, PushRoutes, SubscriptionBody
from tray.surfaces.page.rates import Rate
from tray.surfaces.page.request_body import decode_body
from tray.surfaces.page.security import MAX_BODY, add_headers, checks, peer_of
from tray.surfaces.page.services import PageServices
from tray.surfaces.page.session_routes import CommandBody, ConfirmBody, SessionRoutes
from tray.surfaces.page.sockets import Sockets
from tray.surfaces.page.static_files import serve_file
from tray.surfaces.page.usage_routes import UsageRoutes
from tray.system.local_day import day_number

HOST = "127.0.0.1"
HOST_IPV6 = "::1"  # browsers try it first for `localhost`: another program must not have it
STOP_TIMEOUT = 0.5  # s for handlers to end
FAILURES, ANSWERS = 10, 60  # a minute: failed authentications of an address, answers of a device
AUDIT_ENTRIES = 200

Work = Callable[[web.Request, Device], Awaitable[Any]]


class PageServer:
    """Serves the page, its live view and its calls to paired devices."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        access: Access,
        services: PageServices,
        pairings: Pairings,
    ) -> None:
        execute, now = services.execute, services.now
        self.live = LiveView(fleet, index, now, services.problems, services.exposed)
        self.port = 0
        self._plain_address = ""  # of this machine on the local network, if the page is served there unencrypted
        self._lan_hosts: frozenset[str] = frozenset()  # with the port, if it is served there encrypted
        self._access = access
        self._https_hosts = services.https_hosts
        self._now = now
        self._audit = services.audit_log
        self._answers = PageAnswers(fleet, execute)
        self._sessions = SessionRoutes(fleet, index, ControlMethods(fleet, index, execute), services)
        self._usage = UsageRoutes(services.history, lambda: day_number(now()))
        self._history = HistoryRoutes(services)
        self._away = AwayRoutes(execute)
        self._push = PushRoutes(access, execute)
        self._sockets = Sockets(self.live, self._authenticate, services.https_hosts)
        self._failures = Rate(FAILURES)
        self._pairing = PairingRoutes(access, pairings, services.https_hosts, self._count_failure)
        self._answered = Rate(ANSWERS)
        self._runner: web.AppRunner | None = None
        access.revoked = self._sockets.close_of

    async def start(self, port: int) -> int:
        """Accept connections; return the port. 0 binds any free port. Raises OSError if the port cannot be bound."""
        middlewares = [checks(lambda: self.port, lambda: self._plain_address, self._all_https_hosts)]
        application = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
        application.on_response_prepare.append(add_headers)
        self._add_routes(application.router)
        self._runner = runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            self.port = int(runner.addresses[0][1])
            if has_ipv6():
                await web.TCPSite(runner, HOST_IPV6, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        return self.port

    async def serve_on(self, address: str, context: ssl.SSLContext | None = None, name: str = "") -> None:
        """Accept connections on an address of the local network as well, with a `context` only encrypted ones.

        `name` is another one for the address, if they are encrypted. Raises OSError.
        """
        if self._runner is None:
            return
        await web.TCPSite(self._runner, address, self.port, ssl_context=context).start()
        if context is None:
            self._plain_address = address
        else:
            self._lan_hosts = frozenset(f"{host}:{self.port}" for host in (address, name))

    def _all_https_hosts(self) -> frozenset[str]:
        return self._lan_hosts.union(self._https_hosts())

    def ways_changed(self) -> None:
        """Close what came through a tunnel or Tailscale that is not open any more."""
        self._sockets.close_ended_ways()

    async def stop(self) -> None:
        """Stop listening and close every socket, within 2 s."""
        self.live.close()
        if self._runner is None:
            return
        for site in self._runner.sites:
            await site.stop()
        await self._sockets.close_all()
        await self._runner.cleanup()

    @property
    def routes(self) -> tuple[tuple[str, str, Scope, Work], ...]:
        """The calls that need a device, each with the scope that it needs."""
        session, request = "/api/sessions/{id}", "/api/requests/{id}/reply"
        return (
            ("GET", "/api/me", Scope.WATCH, self._me),
            ("GET", "/api/audit", Scope.WATCH, self._read_audit),
            ("GET", session, Scope.WATCH, self._details),
            ("GET", f"{session}/messages", Scope.WATCH, self._messages),
            ("GET", f"{session}/diff", Scope.WATCH, lambda r, _: self._sessions.diff(r.match_info["id"])),
            ("GET", f"{session}/draft", Scope.WATCH, lambda r, _: self._sessions.draft(r.match_info["id"])),
            ("GET", f"{session}/todos", Scope.WATCH, lambda r, _: self._sessions.todos(r.match_info["id"])),
            ("GET", "/api/history", Scope.WATCH, lambda r, _: self._history.find(r)),
            ("DELETE", "/api/history/{id}", Scope.ACT, self._remove),
            ("GET", f"{session}/timeline", Scope.WATCH, lambda r, _: self._history.timeline(r.match_info["id"])),
            ("PUT", f"{session}/annotation", Scope.ANSWER, self._annotate),
            ("POST", request, Scope.ANSWER, self._answer),
            ("POST", f"{session}/{{command}}", Scope.ACT, self._command),
            ("DELETE", session, Scope.ACT, self._delete),
            ("GET", "/api/devices", Scope.ACT, self._devices),
            ("DELETE", "/api/devices/{id}", Scope.ACT, self._revoke),
            ("POST", "/api/phone", Scope.ACT, lambda _, __: self._away.phone()),
            ("GET", "/api/channels", Scope.ACT, lambda _, __: self._away.channels()),
            ("POST", "/api/channels/{id}/test", Scope.ACT, lambda r, _: self._away.test(r.match_info["id"])),
            ("DELETE", "/api/me", Scope.WATCH, self._revoke_own),
            ("GET", "/api/push", Scope.WATCH, lambda _, __: self._push.key()),
            ("PUT", "/api/push", Scope.WATCH, self._subscribe),
            ("DELETE", "/api/push", Scope.WATCH, lambda _, device: self._push.unsubscribe(device)),
            ("POST", "/api/push/test", Scope.WATCH, lambda _, device: self._push.test(device)),
            ("POST", "/api/push/press", Scope.ANSWER, self._press),
            *(("GET", path, Scope.WATCH, work) for path, work in self._usage.calls.items()),
        )

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        for path in ("/", "/favicon.svg", "/icon.png", "/sw.js", "/app/{name:.+}"):
            router.add_get(path, serve_file)
        router.add_get("/health", _health)
        router.add_get("/ws", self._sockets.serve)
        router.add_post("/api/pair", self._pairing.pair)
        router.add_post("/api/pair/wait", self._pairing.wait_for_decision)
        router.add_post("/api/login", self._pairing.log_in)
        for method, path, scope, work in self.routes:
            router.add_route(method, path, self._guarded(scope, work))

    # ------------------------------------------------------------------ access

    def _guarded(self, scope: Scope, work: Work) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that does the work for devices with this scope, and sends its result as JSON."""

        async def handle(request: web.Request) -> web.StreamResponse:
            kind, _, login = request.headers.get("Authorization", "").partition(" ")
            peer = peer_of(request, self._https_hosts())
            device = self._authenticate(login if kind == "Bearer" else "", peer)
            if device is None:
                self._check_failures(peer)
                raise web.HTTPUnauthorized(text="this device is not logged in")
            if not device.scope.allows(scope):
                raise web.HTTPForbidden(text=f"this device may only {device.scope.value}")
            result = await work(request, device)
            if isinstance(result, web.StreamResponse):
                return result
            return web.Response(body=msgspec.json.encode(result), content_type="application/json")

        return handle

    def _authenticate(self, login: str, address: str) -> Device | None:
        """Return the device of the login; count a failure."""
        device = self._access.device_of(login, address)
        if device is None:
            self._failures.add(address)
        return device

    def _check_failures(self, peer: str) -> None:
        """Raise HTTPTooManyRequests after a failure if there were too many. A valid login or code is always taken.

        Otherwise another process on this machine, which has the same address, could lock the user out.
        """
        if self._failures.count(peer) > FAILURES:
            raise web.HTTPTooManyRequests(text="too many failed attempts; try again in a minute")

    def _count_failure(self, peer: str) -> None:
        """Count a failed pairing. Raises HTTPTooManyRequests."""
        self._failures.add(peer)
        self._check_failures(peer)

    # ------------------------------------------------------------------ calls

    async def _me(self, _: web.Request, device: Device) -> Any:
        return public_fields(device)

    async def _read_audit(self, _: web.Request, __: Device) -> Any:
        return {"entries": await asyncio.to_thread(audit.newest, self._audit, AUDIT_ENTRIES)}

    async def _details(self, request: web.Request, _: Device) -> Any:
        return self._sessions.details(request.match_info["id"], self._now())

    async def _messages(self, request: web.Request, _: Device) -> Any:
        limit = request.query.get("limit", "20")
        return await self._sessions.messages(request.match_info["id"], int(limit) if limit.isdecimal() else 20)

    async def _annotate(self, request: web.Request, _: Device) -> Any:
        return await self._history.annotate(request.match_info["id"], await decode_body(request, AnnotationBody))

    async def _remove(self, request: web.Request, _: Device) -> Any:
        return await self._history.remove(request.match_info["id"], await decode_body(request, RemovalBody))

    async def _subscribe(self, request: web.Request, device: Device) -> Any:
        return await self._push.subscribe(await decode_body(request, SubscriptionBody), device)

    async def _press(self, request: web.Request, device: Device) -> Any:
        self._count_answer(device)
        return await self._push.press(await decode_body(request, PressBody), device)

    def _count_answer(self, device: Device) -> None:
        self._answered.add(device.id)
        if self._answered.count(device.id) > ANSWERS:
            raise web.HTTPTooManyRequests(text="too many answers; try again in a minute")

    async def _answer(self, request: web.Request, device: Device) -> Any:
        self._count_answer(device)
        return await self._answers.answer(request.match_info["id"], await decode_body(request, AnswerBody), device)

    async def _command(self, request: web.Request, _: Device) -> Any:
        body = await decode_body(request, CommandBody)
        return await self._sessions.command(request.match_info["id"], request.match_info["command"], body)

    async def _delete(self, request: web.Request, _: Device) -> Any:
        return await self._sessions.delete(request.match_info["id"], await decode_body(request, ConfirmBody))

    async def _devices(self, _: web.Request, own: Device) -> Any:
        return {"devices": [{**public_fields(d), "is_own": d.id == own.id} for d in self._access.devices]}

    async def _revoke(self, request: web.Request, _: Device) -> Any:
        return public_fields(await self._access.revoke(request.match_info["id"]))

    async def _revoke_own(self, _: web.Request, own: Device) -> Any:
        return public_fields(await self._access.revoke(own.id))


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 loopback."""
    try:
        with socket.create_server((HOST_IPV6, 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})
