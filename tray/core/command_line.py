"""Split a command line that a user wrote in the settings or in an environment variable."""

from __future__ import annotations

import shlex


def split_command(text: str, *, windows: bool) -> list[str]:
    r"""Return the words of a command line. Raises ValueError for a quote that is not closed.

    On POSIX systems the rules are those of the shell. On `windows` only double quotes group words, and a backslash is
    an ordinary character: `"C:\Program Files\WezTerm\wezterm.exe" start --`.
    """
    if not windows:
        return shlex.split(text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    lexer.quotes = '"'
    return list(lexer)
