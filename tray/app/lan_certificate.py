"""The certificate of the page on the local network, signed by an authority of this machine, and its files."""

from __future__ import annotations

import logging
import socket
import ssl
from datetime import datetime
from pathlib import Path

from tray.files.reading import read_regular
from tray.files.writing import write_privately
from tray.system.own_authority import (
    Signed,
    as_der,
    fingerprint,
    is_authority_for,
    is_certificate_for,
    issue,
    make_authority,
    utc_now,
)

log = logging.getLogger(__name__)


class LanCertificate:
    """Two certificates in a private folder, which are made when they are missing or do not fit any more.

    A new authority, after a change of the address, has to be installed on the phones again.
    """

    def __init__(self, folder: Path, address: str, host: str = "") -> None:
        """`host` is a name that ends with .local; "" for this machine's own."""
        self.host = host or own_local_name()
        self._address = address
        self._folder = folder
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority = b""  # the certificate to install on a phone, as DER
        self.fingerprint = ""  # of it

    def load(self, now: datetime | None = None) -> ssl.SSLContext:
        """Read or make the certificates; return the context of the server. Raises OSError."""
        at = now or utc_now()
        authority = self._read("authority")
        if authority is None or not is_authority_for(authority, self.host, self._address, at):
            authority = self._write("authority", make_authority(self.host, self._address, at))
            log.info("made a certificate authority for %s", self._address)
        server = self._read("server")
        if server is None or not is_certificate_for(server, authority, self._address, at):
            server = self._write("server", issue(authority, self.host, self._address, at))
        self.authority, self.fingerprint = as_der(authority.certificate), fingerprint(authority.certificate)
        self._context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
        return self._context

    def _read(self, name: str) -> Signed | None:
        try:
            return Signed(read_regular(self._folder / f"{name}.crt"), read_regular(self._folder / f"{name}.key"))
        except FileNotFoundError:  # with any other error, a new authority would replace one that phones trust
            return None

    def _write(self, name: str, signed: Signed) -> Signed:
        write_privately(self._folder / f"{name}.key", signed.key)
        write_privately(self._folder / f"{name}.crt", signed.certificate)
        return signed


def own_local_name(name: str = "") -> str:
    """Return the name of this machine on the local network, as certificates contain it. `name`: of another machine."""
    label = (name or socket.gethostname()).partition(".")[0].lower()
    try:
        return f"{label.encode('idna').decode()}.local"
    except UnicodeError:  # no name that a certificate can contain
        return "opencode-tray.local"
