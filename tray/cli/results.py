"""Print the result of a command that the tray has executed."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tray.cli.exit_codes import FAILED, OK
from tray.core.text import clean


def print_result(options: argparse.Namespace, result: dict[str, Any]) -> int:
    """Print the result, with --json as JSON, and return the exit code."""
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(clean(result["message"]), file=sys.stdout if result["ok"] else sys.stderr)
    return OK if result["ok"] else FAILED
