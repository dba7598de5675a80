"""Machines that report through a tunnel that the tray keeps, each with a token of its own. Pure."""

from __future__ import annotations

import hmac
import re

import msgspec

_LABEL = b"opencode-tray remote "


class Remote(msgspec.Struct, frozen=True):
    """One machine."""

    key: str  # names the token that its plugins have; it is new after each `remote add`
    ssh: str  # HOST or USER@HOST
    host: str = ""  # the name that it reports
    opencode: str = "opencode"  # the program there


def remote_token(tray_token: str, key: str) -> str:
    """Return the token of a machine. It says nothing about the tray's own token, and is not valid without its key."""
    return hmac.new(tray_token.encode(), _LABEL + key.encode(), "sha256").hexdigest()


def new_key(desk: str, random: str) -> str:
    """Return a key that names this machine, for the files on the other one."""
    return f"{re.sub(r'[^A-Za-z0-9-]', '-', desk)[:40] or 'tray'}-{random}"
