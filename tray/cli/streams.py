"""What is printed, and can be whatever a person or a model wrote, on streams that may not know all characters."""

from __future__ import annotations

import io
import os
from typing import TextIO


def take_any_text(stream: TextIO | None) -> None:
    """Afterwards writing raises for no character. To a file or a pipe goes UTF-8, unless PYTHONIOENCODING says else.

    Windows gives a pipe the code page of the year the machine was made for, and a terminal of a bare locale knows
    ASCII; a character that is unknown there becomes `?`. `pythonw` has no stream at all.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty() or os.environ.get("PYTHONIOENCODING"):
        stream.reconfigure(errors="replace")
    else:
        stream.reconfigure(encoding="utf-8", errors="replace")
