"""The picture of a QR code for a phone, with the address and what to do."""

from __future__ import annotations

import io
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from tray.core.pairing import CODE_LIFETIME
from tray.core.phone_ways import PhoneAddress
from tray.surfaces.qr_code import rows_of

MODULE = 9  # px of a module of the code
MARGIN = 28  # px
TITLE, TEXT, SMALL = 26, 17, 14  # px
COLUMNS = 56  # of a line of text
INK, QUIET, PAPER = (24, 24, 24), (96, 96, 96), (255, 255, 255)

STEPS = (
    f"1. Scan it with the phone within {CODE_LIFETIME // 60_000} minutes, or open the page there and type {{}}.",
    "2. The phone shows a number. Open the tray's menu, and allow the phone there, only if the number is the same.",
)


def phone_picture(address: PhoneAddress) -> bytes:
    """Return a PNG file."""
    rows = rows_of(address.url)
    side = len(rows) * MODULE
    lines = [
        ("Pair a phone", TITLE, INK),
        *((line, TEXT, INK) for step in STEPS for line in wrap(step.format(address.typed), COLUMNS)),
        *(
            (line, SMALL, QUIET)
            for text in (f"{address.note}.", address.url)
            for line in ("", *wrap(text, COLUMNS + 8, break_on_hyphens=False))
        ),
    ]
    width = max(side, *(round(_font(size).getlength(text)) for text, size, _ in lines)) + 2 * MARGIN
    height = MARGIN + side + sum(size * 3 // 2 for _, size, _ in lines) + MARGIN
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    left = (width - side) // 2
    for y, row in enumerate(rows):
        for x, is_dark in enumerate(row):
            if is_dark:
                corner = left + x * MODULE, MARGIN // 2 + y * MODULE
                draw.rectangle((*corner, corner[0] + MODULE - 1, corner[1] + MODULE - 1), INK)
    top = MARGIN // 2 + side
    for text, size, colour in lines:
        draw.text((MARGIN, top), text, colour, _font(size))
        top += size * 3 // 2
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # comes with Pillow
