"""Let the standard streams take any character: users and models write all of them."""

from __future__ import annotations

import io
import os
from typing import TextIO


def take_any_text(stream: TextIO | None) -> None:
    """Never fail because of a character. Files and pipes have UTF-8, unless PYTHONIOENCODING is set.

    By default Windows encodes a pipe with a legacy code page, and a terminal in the C locale is ASCII; there an unknown
    character becomes `?`. Under `pythonw` the stream is None.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
        stream.reconfigure(errors="replace")
    else:
        stream.reconfigure(encoding="utf-8", errors="replace")
