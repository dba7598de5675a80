"""A push service (RFC 8030) on this machine, for a real Firefox or for a browser that a test plays.

Firefox talks to it by the protocol of Mozilla's service (https://autopush.readthedocs.io), over a WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tcp_relay import relaying
from tray.surfaces.channels.web_push import decoded, encoded
from web_server import serving

CURVE = ec.SECP256R1()
MOZILLA = "updates.push.services.mozilla.com"


class Taken(NamedTuple):
    """A message that was accepted."""

    receiver: str
    headers: dict[str, str]
    body: bytes


class PushService:
    """`faults` are statuses with which the next messages are refused."""

    def __init__(self) -> None:
        self.port = 0
        self.origin = ""  # of the addresses that it gives to browsers
        self.faults: list[int] = []
        self.taken: list[Taken] = []
        self.acknowledged: list[int] = []  # codes of Firefox; 100: it was decrypted and given to the page
        self._links: dict[str, web.WebSocketResponse] = {}  # by the channel ID, which is the receiver

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/push/{receiver}", self._take)
        application.router.add_get("/", self._link)
        return application

    def endpoint(self, receiver: str) -> str:
        return f"{self.origin}/push/{receiver}"

    async def _take(self, request: web.Request) -> web.Response:
        if self.faults:
            return web.Response(status=self.faults.pop(0), headers={"Retry-After": "1"})
        headers, body = dict(request.headers), await request.read()
        assert int(headers["TTL"]) > 0
        assert headers["Content-Encoding"] == "aes128gcm"
        assert len(body) <= 4096
        claims = verified(headers["Authorization"])
        assert claims["aud"] == self.origin
        assert claims["sub"].startswith("https://")
        receiver = request.match_info["receiver"]
        self.taken.append(Taken(receiver, headers, body))
        if receiver in self._links:
            await self._links[receiver].send_json({
                "messageType": "notification", "channelID": receiver, "version": secrets.token_hex(8),
                "data": encoded(body), "headers": {"encoding": "aes128gcm"},
            })  # fmt: skip
        return web.Response(status=201)

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        link = web.WebSocketResponse(protocols=["push-notification"])
        await link.prepare(request)
        async for frame in link:
            said = json.loads(frame.data)
            kind, receiver = said.get("messageType"), said.get("channelID")
            if kind == "hello":
                uaid = said.get("uaid") or secrets.token_hex(16)
                await link.send_json({"messageType": kind, "status": 200, "uaid": uaid, "use_webpush": True})
            elif kind == "register":
                self._links[receiver] = link
                answer = {"messageType": kind, "status": 200, "channelID": receiver}
                await link.send_json({**answer, "pushEndpoint": self.endpoint(receiver)})
            elif kind == "unregister":
                await link.send_json({"messageType": kind, "status": 200, "channelID": receiver})
            elif kind == "ack":
                self.acknowledged += [update["code"] for update in said["updates"]]
        return link


@asynccontextmanager
async def running_push_service() -> AsyncIterator[PushService]:
    service = PushService()
    async with serving(service.application()) as service.port:
        service.origin = f"http://127.0.0.1:{service.port}"
        yield service


@asynccontextmanager
async def named_as_mozillas(service: PushService, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Serve it under the name of Mozilla's service; yield the environment of a program that calls it."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(MOZILLA).configure_cert(tls)
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    service.origin = f"https://{MOZILLA}"
    async with serving(service.application(), tls) as port, relaying(port, accept=_tunnel) as proxy:
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "SSL_CERT_FILE": str(trusted)}


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the first request of a client of an HTTP proxy."""
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(f"CONNECT {MOZILLA}:443 ".encode())
    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")


class PlayedBrowser:
    """The keys of a browser, with which it reads its messages."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(CURVE)
        self._secret = os.urandom(16)

    def subscription(self, endpoint: str) -> dict[str, Any]:
        """Return what `PushSubscription.toJSON()` returns."""
        keys = {"p256dh": encoded(point(self._key.public_key())), "auth": encoded(self._secret)}
        return {"endpoint": endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> dict[str, Any]:
        """Decrypt a message (RFC 8291)."""
        salt, length = body[:16], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        info = b"WebPush: info\0" + point(self._key.public_key()) + sender
        secret = HKDF(SHA256(), 32, self._secret, info).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
        content = AESGCM(key).decrypt(nonce, sealed, None)
        assert content.endswith(b"\x02")
        found: dict[str, Any] = json.loads(content[:-1])
        return found


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def verified(authorization: str) -> dict[str, Any]:
    """Return the claims of a VAPID header (RFC 8292). Raises InvalidSignature."""
    kind, _, fields = authorization.partition(" ")
    assert kind == "vapid"
    values = dict(field.strip().split("=", 1) for field in fields.split(","))
    signed, _, signature = values["t"].rpartition(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decoded(values["k"]))
    raw = decoded(signature)
    pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.verify(pair, signed.encode(), ec.ECDSA(SHA256()))
    claims: dict[str, Any] = json.loads(decoded(signed.partition(".")[2]))
    return claims
