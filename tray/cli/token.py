"""`token show` and `token rotate`."""

from __future__ import annotations

import argparse
import os

from tray.cli.client import NotRunningError, call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.storage.token import TokenError, read_token, replace_token, token_from_environment
from tray.system.paths import Paths


def token(options: argparse.Namespace) -> int:
    """Print the token, or make a new one. Raises Problem."""
    paths = Paths.of(os.environ)
    if options.deed == "show":
        found = token_from_environment(os.environ) or read_token(paths.token)
        if found is None:
            raise TokenError(f"there is no token yet (at {paths.token}); the tray makes one at its first start")
        print(found)
        return OK
    if token_from_environment(os.environ):
        raise TokenError("the token is that of OPENCODE_MONITOR_TOKEN: change it there, for the tray and the plugins")
    try:
        done = call_tray(options.port, "token.rotate")
    except NotRunningError:
        replace_token(paths.token)
        print(f"No tray runs. A new token is at {paths.token}")
    else:
        print(done["message"])
        if not done["ok"]:
            return FAILED
    print("Plugins on this machine read it by themselves; copy it to the other machines.")
    return OK
