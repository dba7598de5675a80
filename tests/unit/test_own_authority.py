"""The certificates of the page on the local network: what a client that trusts the authority takes and refuses."""

from __future__ import annotations

import socket
import ssl
import stat
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tray.app.lan_certificate import LanCertificate, own_local_name
from tray.system.own_authority import SERVER_LIFE, Signed, issue, make_authority, utc_now

HOST, ADDRESS = "desk.local", "192.168.1.23"
NOW = utc_now()


def connect(folder: Path, authority: Signed, server: Signed, name: str) -> None:
    """Connect to a server with this certificate by its name, as a client that trusts the authority. Raises SSLError."""
    for file, content in (("ca", authority.certificate), ("crt", server.certificate), ("key", server.key)):
        (folder / file).write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt", folder / "key")
    client = ssl.create_default_context(cafile=str(folder / "ca"))
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(far, server_side=True) as accepted:
                accepted.send(b"hello")
        except OSError:
            pass  # the client refused

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as connection:
            assert connection.recv(5) == b"hello"
    finally:
        near.close()
        thread.join()
        far.close()


@pytest.mark.parametrize("name", [HOST, ADDRESS])
def test_a_client_that_trusts_the_authority_takes_the_certificate(tmp_path: Path, name: str) -> None:
    authority = make_authority(HOST, ADDRESS, NOW)
    connect(tmp_path, authority, issue(authority, HOST, ADDRESS, NOW), name)


@pytest.mark.parametrize(
    ("host", "address", "name"),
    [
        ("bank.example", ADDRESS, "bank.example"),
        ("other.local", ADDRESS, "other.local"),
        (HOST, "192.168.1.24", "192.168.1.24"),
        (HOST, "8.8.8.8", "8.8.8.8"),
    ],
)
def test_a_certificate_of_the_authority_for_another_name_is_refused(
    tmp_path: Path, host: str, address: str, name: str
) -> None:
    authority = make_authority(HOST, ADDRESS, NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        connect(tmp_path, authority, issue(authority, host, address, NOW), name)


def test_the_constraint_is_critical_and_the_authority_signs_no_other_authority() -> None:
    certificate = x509.load_pem_x509_certificate(make_authority(HOST, ADDRESS, NOW).certificate)
    assert certificate.extensions.get_extension_for_class(x509.NameConstraints).critical
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)


def test_both_are_kept_and_renewed_when_they_are_about_to_expire_or_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"

    def made(address: str = ADDRESS, after: timedelta = timedelta()) -> tuple[bytes, bytes]:
        LanCertificate(folder, address, HOST).load(NOW + after)
        return (folder / "authority.crt").read_bytes(), (folder / "server.crt").read_bytes()

    authority, server = made()
    assert made() == (authority, server)
    assert made(after=SERVER_LIFE - timedelta(days=31)) == (authority, server)
    assert made(after=SERVER_LIFE - timedelta(days=29))[0] == authority
    assert made(after=SERVER_LIFE - timedelta(days=29))[1] != server
    assert made("192.168.1.24")[0] != authority
    assert made(after=timedelta(days=3650 - 100))[0] != authority
    (folder / "server.crt").write_text("garbage")
    assert made()[1].startswith(b"-----BEGIN")


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX's")
def test_the_keys_can_be_read_by_the_user_only(tmp_path: Path) -> None:
    LanCertificate(tmp_path / "certificates", ADDRESS, HOST).load()
    files = list((tmp_path / "certificates").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) == 4
    assert stat.S_IMODE((tmp_path / "certificates").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Desk.example.org", "desk.local"), ("BÜRO", "xn--bro-hoa.local"), ("a" * 70, "opencode-tray.local")],
)
def test_a_computer_with_any_name_has_a_certificate(tmp_path: Path, name: str, expected: str) -> None:
    assert own_local_name(name) == expected
    LanCertificate(tmp_path / "certificates", ADDRESS, own_local_name(name)).load()
