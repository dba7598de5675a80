"""Encrypt notifications for a browser (RFC 8291), and prove to its push service who sends them (VAPID, RFC 8292).

The push service that passes a notification on cannot read it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SALT_LENGTH = 16  # bytes
RECORD_SIZE = 4096  # bytes: a notification is one record, the most that push services have to take
MAX_CONTENT = 3_000  # bytes of a notification, with room for the headers of the record
VALID_FOR = 12 * 3600  # s of a proof; at most a day is allowed
CONTACT = "https://pypi.org/project/opencode-tray/"  # for the push service; Apple refuses addresses at localhost
_CURVE = ec.SECP256R1()
_LAST_RECORD = b"\x02"


def new_key() -> str:
    """Return a new private key, as base64url of its 32 bytes."""
    return encoded(ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(32))


def public_key(key: str) -> str:
    """Return the public key of a private one, as base64url: the `applicationServerKey` of the Push API."""
    return encoded(_point(_private(key)))


def encrypted(
    content: bytes, browser_key: str, browser_secret: str, sender: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """Return the body of a push message. `sender` and `salt` (SALT_LENGTH bytes) are used once.

    `browser_key` and `browser_secret` are `p256dh` and `auth` of the subscription. Raises ValueError if they are not
    valid, or the content is longer than MAX_CONTENT.
    """
    if len(content) > MAX_CONTENT:
        raise ValueError(f"a notification has at most {MAX_CONTENT} bytes")
    receiver = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, decoded(browser_key))
    own = _point(sender)
    shared = sender.exchange(ec.ECDH(), receiver)
    info = b"WebPush: info\0" + decoded(browser_key) + own
    secret = _derived(shared, decoded(browser_secret), info, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_SIZE.to_bytes(4) + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, content + _LAST_RECORD, None)


def new_sender() -> ec.EllipticCurvePrivateKey:
    """Return a key for one message."""
    return ec.generate_private_key(_CURVE)


def authorization(endpoint: str, key: str, at: int) -> str:
    """Return the header `Authorization` for a push service. `at` is in s since the Unix epoch."""
    address = urlsplit(endpoint)
    claims = {"aud": f"{address.scheme}://{address.netloc}", "exp": at + VALID_FOR, "sub": CONTACT}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(_private(key).sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"vapid t={signed}.{encoded(r.to_bytes(32) + s.to_bytes(32))}, k={public_key(key)}"


def encoded(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of base64url without padding. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decoded(key)), _CURVE)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
