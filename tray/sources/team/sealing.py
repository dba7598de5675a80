"""Seal what is published: the broker sees topics and sizes, and no tray can publish in the name of another.

A sealed record is: the version, a random nonce, and what AES-256-GCM makes of the sender's public key, its signature
and the record. The key is derived from the key of the team and from the topic; the topic is signed as well, so that a
record is valid only where it was published. What only one tray may read is sealed with its X25519 key in addition.
A beat is not signed: to check the signatures of many trays all the time costs more than all the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tray.core.lenient_json import JSON_ERRORS
from tray.core.team import BEAT, MAX_PAYLOAD, SHARED, Topic, tray_id
from tray.core.team_settings import key_bytes, key_text

FOR_TEAM, FOR_ONE, UNSIGNED = b"\x01", b"\x02", b"\x03"  # versions of the format
LABEL = b"opencode-tray team 1 "
NONCE, KEY, SIGNATURE, TAG = 12, 32, 64, 16  # bytes
MAX_DERIVED = 4096  # keys kept; each topic of each tray has one


class UnsealError(Exception):
    """A payload cannot be opened: another key, another topic, or damaged."""


class Opened(NamedTuple):
    """A record that was opened."""

    sender: str  # the public key that has signed it; "": it is not signed
    record: bytes  # JSON


class Sealer:
    """Seals and opens payloads as one tray of a team."""

    def __init__(self, team_key: bytes, private_key: bytes) -> None:
        """`private_key` is this tray's, 32 bytes."""
        self._signing = Ed25519PrivateKey.from_private_bytes(private_key)
        self._box = X25519PrivateKey.generate()
        self._team_key = team_key
        self._public = self._signing.public_key().public_bytes_raw()
        self.key = key_text(self._public)
        self.id = tray_id(self.key)
        self.box = key_text(self._box.public_key().public_bytes_raw())
        self._cipher: Callable[[str], AESGCM] = lru_cache(MAX_DERIVED)(self._derive)

    def seal(self, topic: Topic, record: Any, box: str = "") -> bytes:
        """Return the payload of a record. `box` is the key of the tray that alone may read it. Raises ValueError."""
        name, nonce = str(topic), os.urandom(NONCE)
        encoded = msgspec.json.encode(record)
        if topic.kind == BEAT:
            return UNSIGNED + nonce + self._cipher(name).encrypt(nonce, encoded, UNSIGNED + name.encode())
        signed = self._public + self._signing.sign(_to_sign(name, encoded)) + encoded
        if not box:
            return FOR_TEAM + nonce + self._cipher(name).encrypt(nonce, signed, FOR_TEAM + name.encode())
        once = X25519PrivateKey.generate()
        shared = once.exchange(X25519PublicKey.from_public_bytes(key_bytes(box)))
        sealed = self._derive(name, shared).encrypt(nonce, signed, FOR_ONE + name.encode())
        return FOR_ONE + once.public_key().public_bytes_raw() + nonce + sealed

    def open(self, topic: Topic, payload: bytes) -> Opened:
        """Return the record in a payload. Raises UnsealError."""
        name = str(topic)
        if not 1 + NONCE + TAG < len(payload) <= MAX_PAYLOAD:
            raise UnsealError("too short or too long")
        try:
            signed = self._decrypt(name, payload)
            if payload[:1] == UNSIGNED:
                return Opened("", signed)
            sender, signature, record = signed[:KEY], signed[KEY : KEY + SIGNATURE], signed[KEY + SIGNATURE :]
            Ed25519PublicKey.from_public_bytes(sender).verify(signature, _to_sign(name, record))
        except (InvalidTag, InvalidSignature, ValueError) as error:
            raise UnsealError("another key, another topic, or damaged") from error
        key = key_text(sender)
        if topic.kind in SHARED and tray_id(key) != topic.tray:
            raise UnsealError("published in the name of another tray")
        return Opened(key, record)

    def _decrypt(self, name: str, payload: bytes) -> bytes:
        version, rest = payload[:1], payload[1:]
        if version == FOR_TEAM or (version == UNSIGNED and name.endswith(f"/{BEAT}")):
            return self._cipher(name).decrypt(rest[:NONCE], rest[NONCE:], version + name.encode())
        if version != FOR_ONE:
            raise UnsealError("another version of the format")
        shared = self._box.exchange(X25519PublicKey.from_public_bytes(rest[:KEY]))
        nonce, sealed = rest[KEY : KEY + NONCE], rest[KEY + NONCE :]
        return self._derive(name, shared).decrypt(nonce, sealed, FOR_ONE + name.encode())

    def _derive(self, name: str, shared: bytes = b"") -> AESGCM:
        """Return the cipher of a topic. `shared` is the secret of two trays, if only one of them may read it."""
        derivation = HKDF(algorithm=SHA256(), length=KEY, salt=shared or None, info=LABEL + name.encode())
        return AESGCM(derivation.derive(self._team_key))


def public_key(private_key: bytes) -> str:
    """Return the public key of a tray."""
    return key_text(Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw())


def _to_sign(name: str, record: bytes) -> bytes:
    return LABEL + name.encode() + b"\0" + record


def decode(record: bytes, kind: Any) -> Any:
    """Return the record of this type. Raises UnsealError."""
    try:
        return msgspec.json.decode(record, type=kind)
    except JSON_ERRORS as error:
        raise UnsealError("not a record of this version") from error
