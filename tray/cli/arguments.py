"""Helpers to define commands and parse arguments. `--help` reads this module, so it imports nothing slow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from typing import TypeAlias

from tray.core import durations

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # it has no public name


def add_command(
    commands: Commands, name: str, run: str, about: str, *parents: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Add a command, and return its parser. `run` is the function that runs it, as "module:function"."""
    description = f"{about[0].upper()}{about[1:]}."
    parser = commands.add_parser(name, parents=parents, help=about, description=description)
    parser.set_defaults(run=run)
    return parser


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return an argument type for whole numbers in this range."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def day(text: str) -> date:
    """Return a date such as 2026-11-01: an argument type."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date such as 2026-11-01, not {text!r}") from None


def duration(text: str) -> str:
    """Return the duration of a mute unchanged if it is valid: an argument type."""
    if text not in durations.OPEN_ENDED:
        try:
            durations.milliseconds(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {durations.ALLOWED}, not {text!r}") from None
    return text
