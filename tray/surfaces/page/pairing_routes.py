"""HTTP routes with which a browser of this machine, or a phone, gets a token of its own, and logs in with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web

from tray.core.devices import public_fields
from tray.core.errors import UserError
from tray.surfaces.page.access import Access, AccessError
from tray.surfaces.page.pairings import PairingError, Pairings
from tray.surfaces.page.request_body import decode_body
from tray.surfaces.page.security import Hosts, outside_host, peer_of
from tray.system.tcp_peer import may_be_own_user


class PairBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a pairing."""

    code: str
    name: str = ""


class WaitBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body with which a phone asks whether it was allowed."""

    pending: str
    secret: str


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body with which a paired browser logs in."""

    device: str  # its ID
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


class PairingRoutes:
    """Answers the calls of devices that are not paired yet, or not logged in."""

    def __init__(
        self, access: Access, pairings: Pairings, https_hosts: Hosts, count_failure: Callable[[str], None]
    ) -> None:
        """`count_failure` takes the address of a failed attempt, and may raise HTTPTooManyRequests."""
        self._access = access
        self._pairings = pairings
        self._https_hosts = https_hosts
        self._count_failure = count_failure

    async def pair(self, request: web.Request) -> web.StreamResponse:
        """Exchange a code of the desk for a token, or begin the pairing of a phone with its code.

        Codes of the desk, which may give every right, are taken from browsers of this machine only.
        """
        outside = outside_host(request, self._https_hosts())
        body = await decode_body(request, PairBody)
        peer = outside or request.remote or ""
        if self._pairings.takes(body.code):
            shown, secret = self._pairings.begin(body.name, peer)
            return web.json_response({"pending": shown.id, "secret": secret, "number": shown.number}, status=202)
        if outside:
            raise self._refused(peer, AccessError("this code is not that of a phone, was used, or is too old"))
        transport = request.transport
        if transport is not None and not await asyncio.to_thread(
            may_be_own_user, transport.get_extra_info("sockname")[:2], transport.get_extra_info("peername")[:2]
        ):  # it may have seen the code among the arguments of the program that opened the browser
            raise web.HTTPForbidden(text="the browser belongs to another user of this machine")
        try:
            device, token = await self._access.pair(body.code, body.name, peer)
        except AccessError as error:
            raise self._refused(peer, error) from error
        return web.json_response({"token": token, **public_fields(device)})

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Prove to a paired browser that this is the tray. The browser's own proof is then the key of its calls."""
        peer = peer_of(request, self._https_hosts())
        body = await decode_body(request, LoginBody)
        offer = self._access.offer_login(body.device, request.headers.get("Host", ""), body.nonce)
        if offer is None:
            raise self._refused(peer, AccessError("this device is not paired"))
        return web.json_response(offer._asdict())

    async def wait_for_decision(self, request: web.Request) -> web.StreamResponse:
        """Answer a phone: 202 as long as the user at the desk has not decided."""
        body = await decode_body(request, WaitBody)
        peer = peer_of(request, self._https_hosts())
        try:
            found = await self._pairings.decision(body.pending, body.secret)
            if found is None:
                return web.json_response({"pending": body.pending}, status=202)
            if request.transport is None or request.transport.is_closing():
                raise PairingError("the phone does not wait any more")  # no phone would get the token
            scope, name = found
            device, token = await self._access.add(scope, name, peer)
        except (AccessError, PairingError) as error:
            raise self._refused(peer, error) from error
        return web.json_response({"token": token, **public_fields(device)})

    def _refused(self, peer: str, error: UserError) -> web.HTTPUnauthorized:
        """Count a failed pairing, and return what to answer. Raises HTTPTooManyRequests."""
        self._count_failure(peer)
        return web.HTTPUnauthorized(text=str(error))
