"""The page on the local network: without encryption, or with a certificate of this machine's own authority."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tray.core.phone_ways import NOTES, Way
from tray.surfaces.page.certificate_server import CertificateServer
from tray.surfaces.page.server import PageServer
from tray.system.lan_address import lan_address

RENEWAL_INTERVAL = 86_400.0  # s between two checks whether the certificate is about to expire


class LanPage:
    """Lives on the event loop's thread."""

    def __init__(self, certificates: Path, address: Callable[[], str] = lan_address) -> None:
        """`certificates` is a private folder; `address` returns that of this machine, "" without a network."""
        self._folder = certificates
        self._address = address
        self._renew: Callable[[], object] | None = None
        self._certificate_server: CertificateServer | None = None
        self._next_check = 0.0
        self.way = Way.LAN
        self.url = ""  # without a path; "" if the page is not served on the local network
        self.note = NOTES[Way.LAN]

    async def start(self, server: PageServer, *, is_encrypted: bool) -> str:
        """Serve the page on the local network as well. Return the problem, or ""."""
        address = await asyncio.to_thread(self._address)
        if not address:
            return "this machine is in no local network"
        try:
            if is_encrypted:
                await self._serve_encrypted(server, address)
            else:
                await server.serve_on(address)
                self.url = f"http://{address}:{server.port}"
        except OSError as error:
            reason = error.strerror or str(error)
            return f"{reason}: {error.filename}" if error.filename else reason
        return ""

    async def _serve_encrypted(self, server: PageServer, address: str) -> None:
        from tray.app.lan_certificate import LanCertificate  # noqa: PLC0415  # loads cryptography

        certificate = LanCertificate(self._folder, address)
        context = await asyncio.to_thread(certificate.load)
        self._renew, self._next_check = certificate.load, time.monotonic() + RENEWAL_INTERVAL
        await server.serve_on(address, context, certificate.host)
        self._certificate_server = CertificateServer(certificate.authority, f"{address} and {certificate.host}")
        port = await self._start_certificate_server(self._certificate_server, address, server.port + 1)
        self.way, self.url = Way.LAN_HTTPS, f"https://{address}:{server.port}"
        self.note = (
            f"{NOTES[self.way]}: open http://{address}:{port}/ on the phone, and follow the steps there. The SHA-256 "
            f"fingerprint of the certificate has to be {certificate.fingerprint}"
        )

    async def _start_certificate_server(self, server: CertificateServer, address: str, port: int) -> int:
        try:
            return await server.start(address, port)
        except OSError:  # another program has the port after that of the page
            return await server.start(address, 0)

    async def renew_if_due(self) -> None:
        """Renew the certificate of the running server before it expires."""
        if self._renew is not None and time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + RENEWAL_INTERVAL
            await asyncio.to_thread(self._renew)

    async def stop(self) -> None:
        """Stop serving the certificate."""
        if self._certificate_server is not None:
            await self._certificate_server.stop()
