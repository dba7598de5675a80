"""What goes wrong and a person can mend, whichever room it comes from."""

from __future__ import annotations


class UserError(Exception):  # a finding, told to a person
    """The text says what is wrong and what to do; the command line prints it and ends."""

    is_usage = False  # what was typed or set is wrong, and not the world
