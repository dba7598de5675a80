"""A certificate authority of this machine that can vouch for this machine only, and the certificate of its server."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=390)  # Apple takes at most 825 days (support.apple.com/103769)
RENEW_BEFORE = timedelta(days=30)
EARLIER = timedelta(days=1)  # that certificates are valid before they are made: clocks differ


class Signed(NamedTuple):
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


def make_authority(host: str, address: str, now: datetime) -> Signed:
    """Return an authority for the names `host` and `address`. Certificates that it signs for others are not valid.

    The constraint is critical: a client that does not know it takes no certificate of the authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"OpenCode Tray, only for {host} ({address})"[:64])])
    network = x509.IPAddress(ipaddress.ip_network(address))
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(host), network], None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _signed(builder, key, key)


def issue(authority: Signed, host: str, address: str, now: datetime) -> Signed:
    """Return a certificate for a server with these names. Raises ValueError for an authority that cannot be read."""
    signer, signer_key = _read(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address(address))]
    builder = (
        _builder(name, signer.subject, key.public_key(), now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
    )
    return _signed(builder, key, signer_key)


def is_authority_for(authority: Signed, host: str, address: str, now: datetime) -> bool:
    """Whether the authority can vouch for these names for long enough."""
    try:
        certificate, _ = _read(authority)
        permitted = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except (ValueError, x509.ExtensionNotFound):
        return False
    wanted = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_network(address))]
    return permitted == wanted and now + SERVER_LIFE < certificate.not_valid_after_utc


def is_certificate_for(server: Signed, authority: Signed, address: str, now: datetime) -> bool:
    """Whether the authority has signed this certificate for the address, and it need not be renewed yet."""
    try:
        certificate, _ = _read(server)
        certificate.verify_directly_issued_by(_read(authority)[0])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    addresses = names.get_values_for_type(x509.IPAddress)
    return ipaddress.ip_address(address) in addresses and now + RENEW_BEFORE < certificate.not_valid_after_utc


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint as phones show it: pairs of hexadecimal digits."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex(" ").upper()


def as_der(certificate: bytes) -> bytes:
    """Return a PEM certificate in the form that phones install."""
    return x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - EARLIER).not_valid_after(now + life)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> Signed:
    pem = serialization.Encoding.PEM
    return Signed(
        builder.sign(signer, hashes.SHA256()).public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _read(signed: Signed) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Raise ValueError if they are not valid, or do not belong together: a write of the two files was interrupted."""
    key = serialization.load_pem_private_key(signed.key, None)
    certificate = x509.load_pem_x509_certificate(signed.certificate)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the certificate has another key")  # both are contents of a file
    return certificate, key
