"""The modules of a QR code."""

from __future__ import annotations

import segno

BORDER = 4  # modules around the code that stay light (ISO/IEC 18004)


def rows_of(text: str) -> list[tuple[int, ...]]:
    """Return the rows of a code with its border: 1 for a dark module, 0 for a light one."""
    return [tuple(row) for row in segno.make(text, error="l").matrix_iter(border=BORDER)]
