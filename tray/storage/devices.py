"""The file of the paired devices: readable only by the owner. It contains no token of a device."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import NamedTuple

import msgspec

from tray.core.devices import Device
from tray.core.lenient_json import JSON_ERRORS
from tray.files.writing import NotPrivateError, read_privately, set_aside_unreadable, write_privately


class _File(msgspec.Struct):
    """`tray_token` identifies the tray's token: devices that were paired under another one are not valid."""

    tray_token: str
    devices: tuple[Device, ...]
    push_key: str = ""  # the private key with which notifications are sent to them


class StoredDevices(NamedTuple):
    """What the file contains."""

    devices: tuple[Device, ...] = ()
    push_key: str = ""  # "": no device has turned notifications on yet


def read_devices(path: Path, tray_token: str) -> tuple[StoredDevices, str]:
    """Return what was stored and "", or nothing and the problem. Devices of another tray token are left out."""
    try:
        file = msgspec.json.decode(read_privately(path), type=_File)
    except FileNotFoundError:
        return StoredDevices(), ""
    except NotPrivateError:
        return StoredDevices(), f"other users can read {path}; all devices have to pair again"
    except (OSError, *JSON_ERRORS) as error:
        return StoredDevices(), f"{set_aside_unreadable(path, error)}; all devices have to pair again"
    if file.tray_token != _fingerprint(tray_token):
        return StoredDevices(), ""
    return StoredDevices(file.devices, file.push_key), ""


def write_devices(path: Path, tray_token: str, stored: StoredDevices) -> None:
    """Write the file with mode 0600. Raises OSError."""
    file = _File(_fingerprint(tray_token), *stored)
    write_privately(path, msgspec.json.format(msgspec.json.encode(file)).decode() + "\n")


def _fingerprint(tray_token: str) -> str:
    return hmac.new(tray_token.encode("utf-8", "replace"), b"opencode-tray devices", hashlib.sha256).hexdigest()
