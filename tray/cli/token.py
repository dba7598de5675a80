"""`token show` prints the token; `token rotate` replaces it."""

from __future__ import annotations

import argparse
import os

from tray.cli.client import NotRunningError, call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.storage.token import TokenError, read_token, replace_token, token_from_environment
from tray.system.paths import Paths


def token(options: argparse.Namespace) -> int:
    """Print the token, or replace it with a new one. Raises UserError."""
    paths = Paths.of(os.environ)
    if options.action == "show":
        found = token_from_environment(os.environ) or read_token(paths.token)
        if found is None:
            raise TokenError(f"no token yet (at {paths.token}); the tray creates it when it first starts")
        print(found)
        return OK
    if token_from_environment(os.environ):
        raise TokenError("the token is set by OPENCODE_MONITOR_TOKEN; change the variable for the tray and its plugins")
    try:
        result = call_tray(options.port, "token.rotate")
    except NotRunningError:
        replace_token(paths.token)
        print(f"No tray is running. Wrote a new token to {paths.token}")
    else:
        print(result["message"])
        if not result["ok"]:
            return FAILED
    print("Plugins on this machine read the new token automatically. Copy it to your other machines.")
    return OK
