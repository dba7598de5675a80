"""`team key` makes the key of a team; `team identity` prints what other trays need to trust this one."""

from __future__ import annotations

import argparse
import os
import secrets

from tray.cli.exit_codes import OK
from tray.core.team_settings import KEY_LENGTH, key_text
from tray.system.paths import Paths

_AFTER_KEY = """
Put this into the settings of each tray of the team ({path} here), with the address of your broker:

    [team]
    broker = "mqtts://USER@HOST:8883"
    password_env = "VARIABLE"    # that holds the password for the broker
    key = "{key}"

All who have the key see what the team shares; the broker must not have it. See docs/team.md.
"""
_AFTER_IDENTITY = """
A tray takes the answers of this one if its settings contain:

    [team]
    answers = ["{identity}"]
"""


def key(options: argparse.Namespace) -> int:  # noqa: ARG001  # the interface of all commands
    """Print a new key, and what to do with it."""
    made = key_text(secrets.token_bytes(KEY_LENGTH))
    print(made)
    print(_AFTER_KEY.format(key=made, path=Paths.of(os.environ).settings), end="")
    return OK


def identity(options: argparse.Namespace) -> int:  # noqa: ARG001  # the interface of all commands
    """Print the name and the public key of this tray. Raises UserError."""
    from tray.app.team import tray_name
    from tray.sources.team.sealing import public_key
    from tray.storage.team_identity import read_identity

    stored = read_identity(Paths.of(os.environ).team)
    line = f"{tray_name()} {public_key(bytes.fromhex(stored.private_key))}"
    print(line)
    print(_AFTER_IDENTITY.format(identity=line), end="")
    return OK
