"""Errors that the user can fix."""

from __future__ import annotations


class UserError(Exception):
    """The text says what is wrong and what to do. The command line prints it and exits."""

    is_usage = False  # whether the command line or the settings are wrong
