"""Draws the tray icon: the shape shows the state, the colour supports it, a number counts the waiting sessions.

Filled shapes need the user's attention (octagon `!`, speech bubble `?`, disc with a cross); outlined ones do not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from math import cos, radians, sin
from typing import assert_never

import msgspec
from msgspec.structs import replace
from PIL import Image

from tray.core.sessions import Status
from tray.surfaces.icon_canvas import CLEAR, SMALL_HEIGHT, Canvas, Colour, Path, arc, measure, measure_small
from tray.surfaces.menu.view import IconView

NO_PADDING_UP_TO = 16  # px: icons of this size and below use every pixel
PIXEL_FONT_UP_TO = 24  # px: on tiles of this size and below, the count is drawn in a pixel font


def draw(view: IconView, size: int) -> Image.Image:
    """Return the icon as an RGBA image of `size` by `size` pixels. The image is cached: copy it before changing it.

    A monochrome icon is black on transparent, as a template for desktops that recolour icons.
    """
    return _drawn(replace(view, count=0), _count(view), size)


@lru_cache(maxsize=128)
def _drawn(view: IconView, count: str, size: int) -> Image.Image:
    status = view.status
    is_filled = status.needs_user or status is Status.ERROR
    padding = size // 16 if is_filled and size > NO_PADDING_UP_TO else 0
    canvas = Canvas(size, padding)
    inner = size - 2 * padding
    ink = _MONOCHROME if view.monochrome else _INKS[status]
    match status:
        case Status.WAITING_FOR_PERMISSION:
            _tile(canvas, inner, _octagon, "!", count, ink)
        case Status.WAITING_FOR_ANSWER:
            _tile(canvas, inner, _bubble, "?", count, ink)
        case Status.ERROR:
            _error(canvas, inner, ink)
        case Status.RETRY:
            _retry(canvas, size, ink)
        case Status.BUSY:
            _ring(canvas, size, ink)
            _half(canvas, size, ink)
        case Status.COMPLETED:
            _tick(canvas, size, ink)
        case Status.IDLE | Status.ABORTED:
            _ring(canvas, size, ink)
        case Status.DISCONNECTED:
            _ring(canvas, size, ink)
            _slash(canvas, size, ink)
        case _:
            assert_never(status)
    if view.exposed:
        _dot(canvas, inner, _MONOCHROME.body if view.monochrome else _EXPOSED, is_right=is_filled)
    return canvas.image()


@lru_cache(maxsize=32)
def png(view: IconView, size: int) -> bytes:
    """Return the icon as a PNG file of `size` by `size` pixels."""
    file = io.BytesIO()
    draw(view, size).save(file, "png")
    return file.getvalue()


class _Ink(msgspec.Struct, frozen=True):
    """The colours of one icon: body, outline of the body, mark on the body, background of the count."""

    body: Colour
    edge: Colour
    mark: Colour = CLEAR
    badge: Colour = (255, 255, 255, 255)


def _plain(red: int, green: int, blue: int, mark: Colour = CLEAR) -> _Ink:
    return _Ink((red, green, blue, 255), (red, green, blue, 255), mark)


# All colours have a contrast of at least 3 : 1 against #f0f0f0 and against #202020, except yellow, which has a dark
# outline instead.
_YELLOW = _Ink((255, 196, 28, 255), (92, 58, 0, 255), (46, 28, 0, 255))
_GREEN = _plain(30, 142, 72)
_INKS = {
    Status.WAITING_FOR_PERMISSION: _YELLOW,
    Status.WAITING_FOR_ANSWER: _YELLOW,
    Status.ERROR: _plain(224, 62, 62, (255, 255, 255, 255)),
    Status.RETRY: _plain(190, 74, 200),
    Status.BUSY: _plain(48, 122, 240),
    Status.COMPLETED: _GREEN,
    Status.IDLE: _GREEN,
    Status.ABORTED: _GREEN,
    Status.DISCONNECTED: _plain(128, 128, 128),
}
_MONOCHROME = _Ink((0, 0, 0, 255), (0, 0, 0, 255), CLEAR, (0, 0, 0, 255))


_EXPOSED: Colour = (224, 62, 62, 255)


def _count(view: IconView) -> str:
    if not view.show_count or view.count < 1 or not view.status.needs_user:
        return ""
    return str(view.count) if view.count < 10 else "9+"


def _margin(size: int) -> int:
    return round(size / 16) if size >= 16 else 0


def _pen(size: int) -> int:
    """Return the line width of outlined shapes."""
    return max(1, round(size / 7.5))


def _tile(canvas: Canvas, size: int, shape: Callable[[int, float], Path], mark: str, count: str, ink: _Ink) -> None:
    """Draw a filled shape with its mark. A count is in the lower right corner and moves the mark to the upper left."""
    edge = max(1, round(size / 20))
    canvas.fill(shape(size, 0), ink.edge)
    canvas.fill(shape(size, edge), ink.body)
    height = 2 * round(size * (0.3 if not count else 0.29))
    pen = 2 * round(size / 18) if mark == "!" else round(size / 9)  # even, so that a straight line is centred
    width = measure(mark, height, pen)
    if not count:
        canvas.write(mark, ((size - width) // 2, (size - height) // 2, height), pen, ink.mark)
        return
    canvas.write(mark, (round(size * 0.27 - width / 2) + edge, edge + round(size * 0.1), height), pen, ink.mark)
    _badge(canvas, size, count, edge, ink)


def _badge(canvas: Canvas, size: int, count: str, edge: int, ink: _Ink) -> None:
    is_small = size <= PIXEL_FONT_UP_TO
    height = SMALL_HEIGHT if is_small else 2 * round(size * 0.2)
    pen = max(1, round(size / 13))
    width = measure_small(count) if is_small else measure(count, height, pen)
    tall = height + 2 * edge + 2 * max(1, round(size / 22))
    wide = max(tall, width + 2 * edge + 2 * max(1, round(size / 22)))
    wide += (wide - width) % 2  # so that the count is centred and on whole pixels
    r = tall / 2
    for inset, colour in ((-edge, CLEAR), (0, ink.edge), (edge, ink.badge)):
        low, high = size - wide + inset, size - inset
        rr = r - inset
        canvas.fill(
            (*arc((low + rr, size - r), (rr, rr), 90, 270), *arc((high - rr, size - r), (rr, rr), 270, 450)), colour
        )
    left, top = size - (wide + width) // 2, size - (tall + height) // 2
    if is_small:
        canvas.write_small(count, (left, top), ink.mark)
    else:
        canvas.write(count, (left, top, height), pen, ink.mark)


def _dot(canvas: Canvas, size: int, colour: Colour, *, is_right: bool) -> None:
    """Draw a dot in an upper corner, with a gap around it: the internet can reach the page.

    It is on the left of the outlined shapes, whose ends and arrowhead are on the right.
    """
    margin = 0 if is_right else _margin(size)
    radius, gap = round(size * 0.38) / 2, max(1, round(size / 16))
    x = size - margin - radius if is_right else margin + radius
    for r, ink in ((radius + gap, CLEAR), (radius, colour)):
        canvas.disc((x, margin + radius), r, ink)


def _octagon(size: int, inset: float) -> Path:
    """Return a stop sign: the agent waits for permission."""
    low, high = inset, size - inset
    cut = size * 0.27 - inset * 0.41
    return (
        (low + cut, low), (high - cut, low), (high, low + cut), (high, high - cut),
        (high - cut, high), (low + cut, high), (low, high - cut), (low, low + cut),
    )  # fmt: skip


def _bubble(size: int, inset: float) -> Path:
    """Return a speech bubble: the agent has a question."""
    low, high = inset, size - inset
    floor = size - round(size / 7) - inset
    r = size * 0.3 - inset
    return (
        *arc((low + r, low + r), (r, r), 180, 270),
        *arc((high - r, low + r), (r, r), 270, 360),
        *arc((high - r, floor - r), (r, r), 0, 90),
        (size * 0.5, floor), (size * 0.22 + inset * 0.5, high - inset * 0.6), (size * 0.24 + inset * 0.5, floor),
        *arc((low + r, floor - r), (r, r), 90, 180),
    )  # fmt: skip


def _error(canvas: Canvas, size: int, ink: _Ink) -> None:
    middle = size / 2
    reach = size * 0.18
    canvas.disc((middle, middle), middle, ink.body)
    for sign in (1, -1):
        cross = ((middle - reach, middle - sign * reach), (middle + reach, middle + sign * reach))
        canvas.stroke(cross, _pen(size), ink.mark)


def _ring(canvas: Canvas, size: int, ink: _Ink) -> None:
    outer = size / 2 - _margin(size)
    canvas.disc((size / 2, size / 2), outer, ink.body)
    canvas.disc((size / 2, size / 2), outer - _pen(size), CLEAR)


def _half(canvas: Canvas, size: int, ink: _Ink) -> None:
    radius = size / 2 - _margin(size)
    canvas.fill(arc((size / 2, size / 2), (radius, radius), 90, 270), ink.body)


def _slash(canvas: Canvas, size: int, ink: _Ink) -> None:
    reach = (size / 2 - _margin(size) - _pen(size) / 2) * cos(radians(45))
    middle = size / 2
    canvas.stroke(((middle - reach, middle + reach), (middle + reach, middle - reach)), _pen(size), ink.body)


def _tick(canvas: Canvas, size: int, ink: _Ink) -> None:
    path = ((0.16, 0.54), (0.40, 0.79), (0.85, 0.25))
    canvas.stroke(tuple((x * size, y * size) for x, y in path), _pen(size) * 1.25, ink.body)


def _retry(canvas: Canvas, size: int, ink: _Ink) -> None:
    """Draw two thirds of a circle, clockwise, with an arrowhead at its end."""
    pen = _pen(size)
    radius = size / 2 - _margin(size) - pen / 2
    middle = size / 2
    canvas.stroke(arc((middle, middle), (radius, radius), 45, 300), pen, ink.body)
    head = pen * 1.2
    tip_angle = radians(315)
    x, y = middle + radius * cos(tip_angle), middle + radius * sin(tip_angle)
    canvas.fill(((x - head * 0.3, y - head), (x + head, y + head * 0.4), (x - head * 0.6, y + head)), ink.body)
